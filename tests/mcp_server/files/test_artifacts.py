import errno
import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_server.files.artifacts import ArtifactKind, ArtifactStore, NothingSaved, StoredArtifact
from mcp_server.files.storage import reason_not_writable
from model_runtime.problems import Problems

NOBODY = 65534
"""A user without rights on Linux; a Mac's tests are not run as root."""


def test_a_result_is_found_again_by_another_process(tmp_path: Path) -> None:
    added = ArtifactStore(tmp_path).add(ArtifactKind.AUDIO, b"RIFF")

    found = ArtifactStore(tmp_path).find(ArtifactKind.AUDIO, added.id)

    assert found == added
    assert added.uri == f"senses://audio/{added.id}"


def test_the_newest_results_come_first(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    names = ["20260101-000000-" + "0" * 16, "20260102-000000-" + "0" * 16, "20260103-000000-" + "0" * 16]
    for name in names:
        (tmp_path / "images").mkdir(exist_ok=True)
        (tmp_path / "images" / f"{name}.png").write_bytes(b"x")

    assert [artifact.id for artifact in store.recent(2)] == [names[2], names[1]]


def test_what_the_user_deleted_is_gone(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    added = store.add(ArtifactKind.TRANSCRIPTS, b"hello")

    added.path.unlink()

    assert store.find(ArtifactKind.TRANSCRIPTS, added.id) is None
    assert store.recent() == []


def test_a_new_result_is_reported(tmp_path: Path) -> None:
    reported: list[StoredArtifact] = []

    added = ArtifactStore(tmp_path, reported.append).add(ArtifactKind.IMAGES, b"x")

    assert reported == [added]


@given(st.text())
def test_no_name_reaches_outside_the_store(name: str) -> None:
    assert ArtifactStore(Path("/etc")).find(ArtifactKind.IMAGES, name) is None


def test_a_link_is_no_result(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    added = store.add(ArtifactKind.IMAGES, b"x")
    name = added.id[:-1] + ("0" if added.id[-1] != "0" else "1")
    added.path.with_name(f"{name}.png").symlink_to("/etc/passwd")

    assert store.find(ArtifactKind.IMAGES, name) is None
    assert store.recent() == [added]


def test_only_files_are_results(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    added = store.add(ArtifactKind.IMAGES, b"x")
    other = "20990101-000000-" + "0" * 16
    (tmp_path / "images" / f"{other}.png").mkdir()

    assert store.find(ArtifactKind.IMAGES, other) is None
    assert store.recent(1) == [added]


def test_a_result_that_its_folder_does_not_take_goes_into_a_temporary_one(tmp_path: Path) -> None:
    (tmp_path / "images").write_text("a file where a folder should be")
    problems = Problems()
    store = ArtifactStore(tmp_path, problems=problems)

    unkept = store.add(ArtifactKind.IMAGES, b"x")
    sibling = store.add_sibling(unkept, ".jpg", b"y")
    found, recent, reasons = store.find(ArtifactKind.IMAGES, unkept.id), store.recent(), problems.reasons()
    (warning,) = store.warnings_about(unkept.path, sibling)
    (tmp_path / "images").unlink()
    kept = store.add(ArtifactKind.IMAGES, b"z")
    recovered = problems.reasons()
    store.close()

    assert (found, recent) == (unkept, [unkept])
    assert f"Results are not kept: {tmp_path} cannot be written (File exists)" in reasons[0]
    assert str(unkept.path.parents[1]) in warning
    assert kept.path.is_relative_to(tmp_path)
    assert (recovered, store.warnings_about(kept.path)) == ((), [])
    assert not unkept.path.exists()


@contextmanager
def as_a_user() -> Generator[None]:
    """Run the block without the rights of root, who may write everywhere."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


@pytest.mark.promise("reliability:no-storage")
def test_a_folder_that_its_owner_may_only_read_is_replaced_and_used_again_once_it_is_writable() -> None:
    with as_a_user(), tempfile.TemporaryDirectory(prefix="senses-") as home:
        folder = Path(home)
        folder.chmod(0o500)
        problems = Problems()
        store = ArtifactStore(folder, problems=problems)

        unkept, reason = store.add(ArtifactKind.IMAGES, b"x"), reason_not_writable(folder)
        reported = problems.reasons()
        folder.chmod(0o700)
        kept = store.add(ArtifactKind.IMAGES, b"y")
        store.close()

    assert reason == "Permission denied"
    assert "cannot be written (Permission denied)" in reported[0]
    assert not unkept.path.is_relative_to(folder)
    assert kept.path.is_relative_to(folder)
    assert problems.reasons() == ()


def test_a_result_that_no_folder_takes_says_where_and_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(prefix: str) -> str:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (tmp_path / "images").write_text("a file where a folder should be")
    monkeypatch.setattr("tempfile.mkdtemp", refuse)

    with pytest.raises(NothingSaved, match=r"cannot be written \(File exists\)\. Make room"):
        ArtifactStore(tmp_path).add(ArtifactKind.IMAGES, b"x")


@pytest.mark.parametrize(
    ("kind", "mime_type"),
    [
        (ArtifactKind.IMAGES, "image/png"),
        (ArtifactKind.AUDIO, "audio/wav"),
        (ArtifactKind.TRANSCRIPTS, "text/plain"),
    ],
)
def test_a_result_tells_the_type_of_its_file(tmp_path: Path, kind: ArtifactKind, mime_type: str) -> None:
    assert ArtifactStore(tmp_path).add(kind, b"x").mime_type == mime_type


@pytest.mark.promise("results:delete")
def test_a_result_is_deleted_in_all_its_formats_and_other_files_stay(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    picture, other = store.add(ArtifactKind.IMAGES, b"1"), store.add(ArtifactKind.TRANSCRIPTS, b"2")
    store.add_sibling(picture, ".webp", b"1")
    (tmp_path / "images" / "mine.png").write_bytes(b"mine")

    one = store.delete(picture.id)
    again = store.delete(picture.id)
    outside = store.delete("../mine")
    left = sorted(path.name for path in tmp_path.rglob("*.*"))
    everything = store.delete(None)

    assert (one, again, outside, everything) == (1, 0, 0, 1)
    assert left == sorted([other.path.name, "mine.png"])
    assert [path.name for path in tmp_path.rglob("*.*")] == ["mine.png"]
