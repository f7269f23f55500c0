"""Only the user reads what Senses keeps, whatever the umask and whichever version wrote it."""

import os
import stat
from collections.abc import Generator
from pathlib import Path

import pytest

from mcp_server.files.artifacts import ArtifactKind, ArtifactStore
from mcp_server.files.privacy import make_private
from model_runtime.settings import InstanceFolders
from model_runtime.supervisor import model_stats
from model_runtime.supervisor.model_stats import ModelStats
from model_runtime.supervisor.usage_log import UsageLog


@pytest.fixture
def open_umask() -> Generator[None]:
    """A umask that lets everybody read and write."""
    previous = os.umask(0)
    yield
    os.umask(previous)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.promise("reliability:private-files")
@pytest.mark.usefixtures("open_umask")
def test_new_files_are_private_whatever_the_umask(tmp_path: Path) -> None:
    store, log = ArtifactStore(tmp_path / "artifacts"), UsageLog(tmp_path / "data", lambda: 1.0)
    original = store.add(ArtifactKind.AUDIO, b"RIFF")
    sibling = store.add_sibling(original, ".mp3", b"ID3")
    log.record("eyes")
    log.save()
    model_stats.write(tmp_path / "data" / model_stats.NAME, {"eyes": ModelStats(1, 1.0, 1.0)})

    files = [original.path, sibling, *(tmp_path / "data").iterdir()]

    assert [oct(mode_of(path)) for path in files] == ["0o600"] * 4
    folders = [tmp_path / "artifacts", tmp_path / "artifacts" / "audio", tmp_path / "data"]
    assert [oct(mode_of(path)) for path in folders] == ["0o700"] * 3


def test_files_that_an_older_version_left_readable_become_private(tmp_path: Path) -> None:
    folders = InstanceFolders.from_home(tmp_path)
    result = ArtifactStore(folders.artifacts).add(ArtifactKind.IMAGES, b"PNG").path
    folders.logs.mkdir()
    readable = [result, tmp_path / "trace.jsonl", tmp_path / "trace.1.jsonl", tmp_path / "learned.json"]
    readable += [tmp_path / "history.jsonl"]
    readable += [folders.logs / "daemon.log", folders.logs / "daemon.log.1"]
    users_own = [tmp_path / "config.toml", folders.artifacts / "images" / "notes.txt"]
    for path in (*readable, *users_own):
        path.touch()
        path.chmod(0o644)
    for folder in (folders.logs, folders.artifacts, folders.artifacts / "images"):
        folder.chmod(0o755)

    make_private(folders)

    assert [oct(mode_of(path)) for path in readable] == ["0o600"] * len(readable)
    assert [oct(mode_of(path)) for path in users_own] == ["0o644"] * 2
    assert [oct(mode_of(path)) for path in (folders.logs, folders.artifacts, result.parent)] == ["0o700"] * 3


def test_a_link_in_place_of_a_file_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.touch()
    target.chmod(0o644)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "learned.json").symlink_to(target)

    make_private(InstanceFolders.from_home(tmp_path / "home"))

    assert mode_of(target) == 0o644
