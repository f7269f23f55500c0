"""The disk fills up while a result is written: the answer holds the result, and nothing half-written stays."""

import errno
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, Self

import anyio
import httpx2
import pytest
from mcp import Client

from mcp_server.launcher.paths import InstancePaths
from model_runtime.atomic_file import write_atomically
from model_runtime.settings import Settings
from tests.mcp_server.conftest import Connect
from tests.mcp_server.daemons import running_daemon
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
        self.folder = Path("/")
        """What is on this disk."""
        self._open: Callable[..., IO[Any]] = Path.open
        self._fdopen: Callable[..., IO[Any]] = os.fdopen

    def open(self, path: Path, mode: str = "r", *args: Any, **options: Any) -> IO[Any]:
        """Open a file."""
        file = self._open(path, mode, *args, **options)
        has_room = self.has_room or not path.is_relative_to(self.folder)
        return file if has_room or "x" not in mode else _Cut(file)  # type: ignore[return-value]

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
async def test_on_a_full_disk_the_answer_holds_the_result_and_nothing_half_written_stays(
    connect: Connect, settings: Settings, disk: FullDisk, tool: str
) -> None:
    async with connect() as client:
        unsaved = await client.call_tool(tool, CALLS[tool])
        left = files_in(settings.folders.artifacts)
        disk.has_room = True
        data_of(await client.call_tool(tool, CALLS[tool]))

    data = data_of(unsaved)
    assert (
        f"{settings.folders.artifacts} cannot be written (No space left on device). Make room" in data["warnings"][-1]
    )
    assert data["warnings"][-1].endswith("Only this answer holds the result.")
    assert "path" not in data
    assert data.get("text") or [block.type for block in unsaved.content][1:] in (["image"], ["audio"])
    assert left == []
    assert len(files_in(settings.folders.artifacts)) == (2 if tool == "transcribe" else 1)  # with its times, as JSON


async def test_speech_that_is_too_long_for_an_answer_and_finds_no_room_is_an_error(
    connect: Connect, disk: FullDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcp_server.tools.speak.MAX_INLINE_AUDIO_BYTES", 50)

    async with connect() as client:
        failed = await client.call_tool("speak", {"text": "hello"})

    assert failed.is_error
    assert "No space left on device). Make room" in text_of(failed)


@pytest.mark.promise("reliability:no-storage")
@pytest.mark.parametrize("tool", CALLS)
async def test_while_the_home_is_full_a_temporary_folder_takes_results_and_health_says_so_until_it_has_room(
    settings: Settings, paths: InstancePaths, project: Path, disk: FullDisk, tool: str
) -> None:
    disk.folder = settings.folders.artifacts
    allowed = replace(settings, allowed_folders=(project,))
    arguments = {**CALLS[tool], **({"audio": str(project / "beep.wav")} if tool == "transcribe" else {})}

    async with (
        running_daemon(allowed, paths) as info,
        Client(f"{info.url}/mcp") as client,
        httpx2.AsyncClient(base_url=info.url) as http,
    ):
        unkept = data_of(await client.call_tool(tool, arguments))
        degraded = (await http.get("/health")).json()
        path = Path((unkept.get("images") or [unkept])[0]["path"])
        was_there = await anyio.Path(path).exists()
        served = await http.get((unkept.get("images") or [unkept])[0]["url"])
        disk.has_room = True
        kept = data_of(await client.call_tool(tool, arguments))
        recovered = (await http.get("/health")).json()

    assert f"It is in {path.parents[1]} until Senses stops." in unkept["warnings"][-1]
    assert was_there
    assert (degraded["status"], recovered["status"]) == ("degraded", "ok")
    assert "No space left on device" in degraded["problems"][0]
    assert served.status_code == 200
    assert "is not kept" not in " ".join(kept.get("warnings", []))
    assert not await anyio.Path(path).exists()


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
