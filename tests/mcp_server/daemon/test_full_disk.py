"""The disk fills up while a result is written: that one call fails and says so, and nothing half-written stays."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Self

import pytest

from model_runtime.atomic_file import write_atomically
from model_runtime.settings import Settings
from tests.mcp_server.conftest import Connect
from tests.mcp_server.tools.test_tools import data_of, text_of

CALLS: dict[str, dict[str, Any]] = {
    "generate_image": {"prompt": "a red circle"},
    "speak": {"text": "hello"},
    "transcribe": {"audio": "beep.wav"},
}


class FullDisk:
    """Opens files as ever; what is written into a new one ends in the middle, as on a disk without room."""

    def __init__(self) -> None:
        self.has_room = False
        self._open: Callable[..., IO[Any]] = Path.open
        self._fdopen: Callable[..., IO[Any]] = os.fdopen

    def open(self, path: Path, mode: str = "r", *args: Any, **options: Any) -> IO[Any]:
        """Open a file."""
        file = self._open(path, mode, *args, **options)
        return file if self.has_room or "x" not in mode else _Cut(file)  # type: ignore[return-value]

    def fdopen(self, descriptor: int, mode: str = "r", *args: Any, **options: Any) -> IO[Any]:
        """Make a file of a descriptor, such as that of a file which the client's shim has created."""
        file = self._fdopen(descriptor, mode, *args, **options)
        return file if self.has_room or "w" not in mode else _Cut(file)  # type: ignore[return-value]


class _Cut:
    """A file with room for half of what is written first."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._file.close()

    def fileno(self) -> int:
        """The file's descriptor."""
        return self._file.fileno()

    def write(self, data: bytes) -> int:
        """Write half and fail."""
        self._file.write(data[: len(data) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> FullDisk:
    """The disk all files of the test are on."""
    disk = FullDisk()
    monkeypatch.setattr(Path, "open", lambda path, *args, **options: disk.open(path, *args, **options))
    monkeypatch.setattr(os, "fdopen", disk.fdopen)
    return disk


def files_in(folder: Path) -> list[str]:
    """Every file under a folder, hidden ones included."""
    return [name for _, _, names in os.walk(folder) for name in names]


@pytest.mark.promise("mcp:full-disk")
@pytest.mark.parametrize("tool", CALLS)
async def test_a_full_disk_fails_one_call_says_so_and_leaves_nothing_half_written(
    connect: Connect, settings: Settings, disk: FullDisk, tool: str
) -> None:
    async with connect() as client:
        failed = await client.call_tool(tool, CALLS[tool])
        left = files_in(settings.folders.artifacts)
        disk.has_room = True
        data_of(await client.call_tool(tool, CALLS[tool]))

    assert failed.is_error
    assert f"cannot be saved in {settings.folders.artifacts}" in text_of(failed)
    assert "No space left on device. Make room" in text_of(failed)
    assert left == []
    assert len(files_in(settings.folders.artifacts)) == 1


async def test_a_copy_that_finds_no_room_tells_where_the_result_is_kept(
    connect: Connect, project: Path, disk: FullDisk
) -> None:
    before = set(files_in(project))
    async with connect() as client:
        disk.has_room = True
        uri = data_of(await client.call_tool("generate_image", {"prompt": "a red circle"}))["images"][0]["uri"]
        disk.has_room = False
        failed = await client.call_tool("save_media", {"uri": uri, "path": "hero.png"})

    assert failed.is_error
    assert "No space left on device. The result is kept as" in text_of(failed)
    assert set(files_in(project)) == before


def test_a_file_that_is_replaced_stays_as_it_was(tmp_path: Path, disk: FullDisk) -> None:
    disk.has_room = True
    write_atomically(tmp_path / "a.txt", b"old")
    disk.has_room = False

    with pytest.raises(OSError, match="No space left"):
        write_atomically(tmp_path / "a.txt", b"newer")

    assert files_in(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_bytes() == b"old"
