"""Results are written into the folder that was opened, whatever becomes of its name meanwhile."""

import errno
import json
import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from itertools import count
from pathlib import Path

import anyio
import pytest

from mcp_server.calls.context import save_copy
from mcp_server.files.access import ClientFiles
from mcp_server.files.artifacts import ArtifactNotSaved, ArtifactStore
from mcp_server.files.client import ClientConnection
from mcp_server.files.file_access import FileAnswer, FileRequest, answer_of
from mcp_server.launcher.broker_server import serve_file_requests
from mcp_server.launcher.file_requests import execute, open_folder
from model_runtime.settings import Settings


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    return folder


@pytest.fixture
def pictures(project: Path) -> Path:
    folder = project / "pictures"
    folder.mkdir()
    return folder


@pytest.fixture
def files(settings: Settings, project: Path) -> ClientFiles:
    return ClientFiles(ClientConnection(project, (project,)), settings, ArtifactStore(settings.folders.artifacts))


def names(folder: Path) -> list[str]:
    """Return what is in a folder."""
    return sorted(path.name for path in folder.rglob("*"))


class Interfering:
    """Executes requests, and does something to the folder before one of them."""

    def __init__(self, before: str, interfere: Callable[[], object]) -> None:
        self._before = before
        self._interfere = interfere

    async def execute(self, request: FileRequest, folder: Path) -> FileAnswer:
        if request["do"] == self._before:
            self._interfere()
        return answer_of(execute(request))


def interfered(files: ClientFiles, before: str, interfere: Callable[[], object]) -> ClientFiles:
    return replace(files, client=replace(files.client, file_access=Interfering(before, interfere)))


@pytest.mark.promise("files:written-inside")
async def test_a_folder_that_becomes_a_link_while_a_result_is_written_gets_it_wherever_it_is(
    files: ClientFiles, pictures: Path, outside: Path
) -> None:
    moved = pictures.with_name("moved")

    def swap() -> None:
        pictures.rename(moved)
        pictures.symlink_to(outside)

    await interfered(files, "commit", swap).write(pictures / "a.png", b"picture")

    assert names(outside) == []
    assert names(moved) == ["a.png"]
    assert (moved / "a.png").read_bytes() == b"picture"


@pytest.mark.parametrize("depth", [1, 2, 3])
async def test_a_folder_anywhere_above_that_becomes_a_link_leads_nowhere(
    files: ClientFiles, pictures: Path, outside: Path, depth: int
) -> None:
    folder = pictures / "one" / "two"
    folder.mkdir(parents=True)
    (outside / "one" / "two").mkdir(parents=True)
    swapped = [pictures, pictures / "one", folder][depth - 1]

    def swap() -> None:
        swapped.rename(swapped.with_name("moved"))
        swapped.symlink_to(outside)

    with pytest.raises(NotADirectoryError):
        await interfered(files, "create", swap).write(folder / "a.png", b"picture")

    assert names(outside) == ["one", "two"]


async def test_a_folder_that_is_removed_while_a_result_is_written_costs_only_the_copy(
    files: ClientFiles, pictures: Path
) -> None:
    def remove() -> None:
        for path in pictures.iterdir():
            path.unlink()
        pictures.rmdir()

    with pytest.raises(ArtifactNotSaved, match=r"No such file or directory\. The result is kept as /kept/a\.png"):
        await save_copy(pictures / "a.png", Path("/kept/a.png"), interfered(files, "commit", remove), b"picture")

    assert "pictures" not in names(pictures.parent)


async def test_a_folder_that_is_removed_while_the_result_is_made_is_made_again(
    files: ClientFiles, pictures: Path
) -> None:
    destination = await files.resolve_destination("pictures/a.png", (".png",), overwrite=False)
    os.rmdir(pictures)  # noqa: PTH106

    await files.write(destination, b"picture")

    assert (pictures / "a.png").read_bytes() == b"picture"


class FullDisk:
    """Opens every new file on a disk without room."""

    async def execute(self, request: FileRequest, folder: Path) -> FileAnswer:
        answer = answer_of(execute(request))
        if request["do"] != "create":
            return answer
        answer.close()
        return replace(answer, descriptor=os.open("/dev/full", os.O_WRONLY))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no such device here")
async def test_on_a_full_disk_nothing_half_written_stays(files: ClientFiles, pictures: Path) -> None:
    full = replace(files, client=replace(files.client, file_access=FullDisk()))

    with pytest.raises(ArtifactNotSaved, match=r"No space left on device\. The result is kept as /kept/a\.png"):
        await save_copy(pictures / "a.png", Path("/kept/a.png"), full, b"picture")

    assert names(pictures) == []


async def test_nothing_is_written_outside_while_a_folder_is_swapped_again_and_again(
    files: ClientFiles, pictures: Path, outside: Path
) -> None:
    stop = threading.Event()

    def swap_on_and_on() -> None:
        for number in count():
            if stop.is_set():
                return
            with suppress(OSError):
                pictures.rename(pictures.with_name(f"moved-{number}"))
                pictures.symlink_to(outside)
                pictures.unlink()

    swapper = threading.Thread(target=swap_on_and_on)
    swapper.start()
    written = 0
    try:
        for number in range(100):
            try:
                await files.write(pictures / f"{number}.png", b"picture")
                written += 1
            except OSError:
                continue
    finally:
        stop.set()
        await anyio.to_thread.run_sync(swapper.join)

    assert names(outside) == []
    kept = [name for name in names(pictures.parent) if name.split(".")[0].isdecimal()]
    assert len(kept) == written
    assert not [name for name in names(pictures.parent) if name.endswith(".part")]


def test_no_folder_is_made_above_the_granted_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_folder(str(tmp_path / "gone" / "granted" / "new"), str(tmp_path / "gone" / "granted"))

    os.close(open_folder(str(tmp_path / "granted" / "new"), str(tmp_path / "granted")))
    assert (tmp_path / "granted" / "new").is_dir()
    assert not (tmp_path / "gone").exists()


def test_a_folder_that_another_call_makes_meanwhile_is_entered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make = os.mkdir

    def make_after_another(name: str, *, dir_fd: int) -> None:
        make(name, dir_fd=dir_fd)
        make(name, dir_fd=dir_fd)

    with monkeypatch.context() as patched:
        patched.setattr(os, "mkdir", make_after_another)
        descriptor = open_folder(str(tmp_path / "new"), str(tmp_path))

    os.close(descriptor)
    assert (tmp_path / "new").is_dir()


@pytest.mark.parametrize("after", ["create", "commit", "discard"])
def test_a_shim_whose_daemon_has_gone_deletes_what_it_had_not_finished(tmp_path: Path, after: str) -> None:
    ours, theirs = socket.socketpair()
    shim = threading.Thread(target=serve_file_requests, args=(theirs,))
    shim.start()

    def ask(**request: str) -> dict[str, object]:
        ours.sendall(json.dumps({"id": 1, **request}).encode() + b"\n")
        line, descriptors, _, _ = socket.recv_fds(ours, 1000, 1)
        for descriptor in descriptors:
            os.close(descriptor)
        answer: dict[str, object] = json.loads(line)
        return answer

    created = ask(do="create", path=str(tmp_path / ".a.part"), root=str(tmp_path))
    if after != "create":
        ask(do=after, folder=str(created["folder"]), path=".a.part", to="a.png")
    ours.close()
    shim.join(5)
    theirs.close()

    assert [path.name for path in tmp_path.iterdir()] == (["a.png"] if after == "commit" else [])
    with pytest.raises(OSError, match=os.strerror(errno.EBADF)):
        os.fstat(int(str(created["folder"])))


def test_a_file_that_cannot_be_renamed_is_deleted_and_its_folder_closed(tmp_path: Path) -> None:
    (tmp_path / "a.png").mkdir()
    created = answer_of(execute({"do": "create", "path": str(tmp_path / ".a.part"), "root": str(tmp_path)}))
    created.close()

    with pytest.raises(IsADirectoryError):
        execute({"do": "commit", "folder": str(created.folder), "path": ".a.part", "to": "a.png"})

    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    with pytest.raises(OSError, match=os.strerror(errno.EBADF)):
        os.fstat(created.folder)
