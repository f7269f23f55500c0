import errno
import json
import os
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import anyio
import pytest

from mcp_server.files import broker_client
from mcp_server.files.access import ClientFiles
from mcp_server.files.artifacts import ArtifactStore
from mcp_server.files.broker_client import FileBrokerClient
from mcp_server.files.client import ClientConnection
from mcp_server.files.file_access import FileAnswer, FileRequest
from mcp_server.files.file_calls import MAX_CALLS_PER_FOLDER
from mcp_server.launcher.broker_server import serve_file_requests
from model_runtime.errors import InvalidInput
from model_runtime.settings import Settings

FOLDER, OTHER_FOLDER = Path("/granted"), Path("/other")


@contextmanager
def brokered() -> Generator[FileBrokerClient]:
    """A client of a file broker that runs in a thread."""
    ours, theirs = socket.socketpair()
    shim = threading.Thread(target=serve_file_requests, args=(theirs,))
    shim.start()
    client = FileBrokerClient(ours)
    try:
        yield client
    finally:
        client.close()
        shim.join(5)
        theirs.close()


@dataclass
class HandMadeShim:
    """The other end of a file broker, whose replies a test writes."""

    connection: socket.socket

    def receive(self) -> dict[str, Any]:
        """Return the next request."""
        line = b""
        while not line.endswith(b"\n"):
            line += self.connection.recv(1)
        request: dict[str, Any] = json.loads(line)
        return request

    def send_file(self, number: int, descriptor: int) -> None:
        """Answer a request with an open file."""
        reply = json.dumps({"id": number, "errno": 0, "fd": True}).encode() + b"\n"
        socket.send_fds(self.connection, [reply], [descriptor])


@contextmanager
def hand_made(timeout_seconds: float = 60) -> Generator[tuple[FileBrokerClient, HandMadeShim]]:
    ours, theirs = socket.socketpair()
    theirs.settimeout(5)
    client = FileBrokerClient(ours, timeout_seconds)
    with theirs:
        yield client, HandMadeShim(theirs)
        client.close()


@pytest.fixture
def files(settings: Settings, project: Path) -> ClientFiles:
    return ClientFiles(ClientConnection(project, (project,)), settings, ArtifactStore(settings.folders.artifacts))


def through(broker: FileBrokerClient, files: ClientFiles) -> ClientFiles:
    return replace(files, client=replace(files.client, file_access=broker))


async def read(files: ClientFiles, path: Path) -> bytes:
    with await files.open(str(path), param="image", limit_bytes=100) as file:
        return file.read()


def opening(path: Path) -> FileRequest:
    return {"do": "open", "path": str(path)}


async def test_files_are_opened_by_the_client(files: ClientFiles, project: Path) -> None:
    (project / "a").write_bytes(b"first")
    (project / "b").write_bytes(b"second")

    with brokered() as broker:
        seen = [await read(through(broker, files), project / name) for name in ("a", "b", "a")]

    assert seen == [b"first", b"second", b"first"]


async def test_what_the_client_may_not_or_cannot_open_fails_as_if_it_were_opened_here(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)

    with brokered() as broker:
        with pytest.raises(FileNotFoundError):
            await broker.execute(opening(tmp_path / "none"), tmp_path)
        with pytest.raises(OSError, match=os.strerror(errno.ELOOP)):
            await broker.execute(opening(tmp_path / "link"), tmp_path)


async def test_files_are_written_by_the_client_whole_or_not_at_all(files: ClientFiles, project: Path) -> None:
    (project / "folder").mkdir()
    before = sorted(os.listdir(project))  # noqa: PTH208

    with brokered() as broker:
        await through(broker, files).write(project / "new.png", b"picture")
        await through(broker, files).write(project / "new.png", b"other")
        with pytest.raises(OSError, match="directory"):
            await through(broker, files).write(project / "folder", b"picture")

    assert (project / "new.png").read_bytes() == b"other"
    assert sorted(os.listdir(project)) == sorted([*before, "new.png"])  # noqa: PTH208


async def test_a_missing_file_is_named_by_who_serves_its_folder(files: ClientFiles, project: Path) -> None:
    with brokered() as broker, pytest.raises(InvalidInput, match=r"perhaps red\.png"):
        await read(through(broker, files), project / "red.gif")


async def test_an_open_that_waits_for_a_person_holds_up_no_other(tmp_path: Path) -> None:
    (tmp_path / "asked").write_bytes(b"asked")
    asked = os.open(tmp_path / "asked", os.O_RDONLY)
    (tmp_path / "free").write_bytes(b"free")
    free = os.open(tmp_path / "free", os.O_RDONLY)
    answers: list[bytes] = []

    async def read_later(broker: FileBrokerClient, name: str) -> None:
        answer = await broker.execute(opening(tmp_path / name), FOLDER)
        answers.append(os.read(answer.descriptor, 10))
        answer.close()

    with hand_made() as (broker, shim):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read_later, broker, "asked")
            asks = await anyio.to_thread.run_sync(shim.receive)
            tasks.start_soon(read_later, broker, "free")
            other = await anyio.to_thread.run_sync(shim.receive)
            shim.send_file(other["id"], free)
            shim.send_file(asks["id"], asked)

    os.close(asked)
    os.close(free)
    assert answers == [b"free", b"asked"]


@pytest.mark.promise("files:late-answer")
async def test_an_answer_that_comes_too_late_is_discarded_and_the_next_request_works(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"late")
    late_reader, late_writer = os.pipe()

    with hand_made(timeout_seconds=0.05) as (broker, shim):
        with pytest.raises(TimeoutError):
            await broker.execute(opening(tmp_path / "a"), FOLDER)
        late = shim.receive()
        shim.send_file(late["id"], late_writer)
        os.close(late_writer)
        with pytest.raises(TimeoutError):
            await broker.execute({"do": "stat", "path": "/x"}, FOLDER)
        following = shim.receive()
        in_time = FileAnswer()
        async with anyio.create_task_group() as tasks:

            async def ask() -> None:
                nonlocal in_time
                in_time = await broker.execute({"do": "stat", "path": "/y"}, FOLDER)

            tasks.start_soon(ask)
            asked = await anyio.to_thread.run_sync(shim.receive)
            shim.connection.sendall(b'{"id": %d, "errno": 0, "mode": 1}\n' % following["id"])
            shim.connection.sendall(b'{"id": %d, "errno": 0, "mode": 2}\n' % asked["id"])

    assert in_time.mode == 2
    assert os.read(late_reader, 1) == b""  # nobody holds the other end: the late descriptor is closed
    os.close(late_reader)


async def test_a_cancelled_request_leaves_no_descriptor(tmp_path: Path) -> None:
    reader, writer = os.pipe()

    with hand_made() as (broker, shim):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(broker.execute, opening(tmp_path), FOLDER))
            asked = await anyio.to_thread.run_sync(shim.receive)
            tasks.cancel_scope.cancel()
        shim.send_file(asked["id"], writer)
        os.close(writer)
        closed = await anyio.to_thread.run_sync(os.read, reader, 1)

    os.close(reader)
    assert closed == b""


async def test_a_folder_that_hangs_takes_only_its_own_share(tmp_path: Path) -> None:
    with hand_made() as (broker, shim):
        async with anyio.create_task_group() as tasks:
            for _ in range(MAX_CALLS_PER_FOLDER + 1):
                tasks.start_soon(broker.execute, opening(FOLDER), FOLDER)
            hanging = [await anyio.to_thread.run_sync(shim.receive) for _ in range(MAX_CALLS_PER_FOLDER)]
            tasks.start_soon(broker.execute, opening(OTHER_FOLDER), OTHER_FOLDER)
            other = await anyio.to_thread.run_sync(shim.receive)
            tasks.cancel_scope.cancel()

    assert {request["path"] for request in hanging} == {str(FOLDER)}
    assert other["path"] == str(OTHER_FOLDER)


async def test_requests_without_an_answer_fail_when_the_client_leaves(tmp_path: Path) -> None:
    with hand_made() as (broker, shim):
        shim.connection.close()
        with pytest.raises(ConnectionResetError):
            await broker.execute(opening(tmp_path), FOLDER)
        with pytest.raises(ConnectionResetError):
            await broker.execute(opening(tmp_path), FOLDER)


async def test_requests_that_find_no_room_wait_and_arrive_whole(tmp_path: Path) -> None:
    long_path = Path("x" * 200_000)

    with hand_made() as (broker, shim), shim.connection.makefile("rb") as lines:
        async with anyio.create_task_group() as tasks:
            for _ in range(MAX_CALLS_PER_FOLDER):
                tasks.start_soon(broker.execute, opening(long_path), FOLDER)
            received = [json.loads(await anyio.to_thread.run_sync(lines.readline)) for _ in range(MAX_CALLS_PER_FOLDER)]
            tasks.cancel_scope.cancel()

    assert [request["id"] for request in received] == list(range(1, MAX_CALLS_PER_FOLDER + 1))
    assert {request["path"] for request in received} == {str(long_path)}


@pytest.mark.parametrize(
    "answer",
    [
        b"nonsense\n",
        b"[]\n",
        b'{"errno": 0}\n',
        b'{"id": [], "errno": 0}\n',
        b'{"id": 1, "errno": "x"}\n',
        b'{"id": 1, "errno": -1}\n',
        b'{"id": 1, "errno": 0, "mode": "x"}\n',
        b'{"id": 1, "errno": 0, "fd": true}\n',
        b"x" * 100_000,
    ],
)
async def test_an_answer_that_makes_no_sense_is_a_failure(answer: bytes, tmp_path: Path) -> None:
    with hand_made() as (broker, shim):
        shim.connection.sendall(answer)
        with pytest.raises(OSError, match="."):
            await broker.execute(opening(tmp_path), FOLDER)


async def test_a_file_that_is_made_for_a_caller_who_has_left_is_discarded() -> None:
    making = {"do": "create", "path": str(FOLDER / ".a.part"), "root": str(FOLDER)}
    with hand_made() as (broker, shim), TemporaryFile() as made:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(broker.execute, making, FOLDER)
            request = await anyio.to_thread.run_sync(shim.receive)
            tasks.cancel_scope.cancel()
        reply = {"id": request["id"], "errno": 0, "fd": True, "folder": 7}
        socket.send_fds(shim.connection, [json.dumps(reply).encode() + b"\n"], [made.fileno()])
        undoing = await anyio.to_thread.run_sync(shim.receive)

    assert (undoing["do"], undoing["folder"], undoing["path"]) == ("discard", "7", ".a.part")


async def test_no_process_that_is_started_inherits_the_sockets_and_files_of_a_client(project: Path) -> None:
    ours, theirs = socket.socketpair()
    ours.set_inheritable(True)  # as recvmsg(2) delivers it
    shim = threading.Thread(target=serve_file_requests, args=(theirs,))
    shim.start()

    broker = FileBrokerClient(ours)
    opened = await broker.execute(opening(project / "red.png"), project)
    inherited = [os.get_inheritable(descriptor) for descriptor in (ours.fileno(), opened.descriptor)]
    waits = ours.getblocking()

    opened.close()
    broker.close()
    shim.join(5)
    theirs.close()
    assert inherited == [False, False]
    assert not waits, "a send to a shim that does not read would stop the event loop"


@pytest.mark.parametrize(
    "line",
    [b"{}", b"[1]", b"no json", b'{"id": 7, "do": "chmod", "path": "/tmp"}', b'{"id": 7, "do": 1, "path": 2}'],
)
def test_a_shim_answers_no_other_request(line: bytes) -> None:
    ours, theirs = socket.socketpair()
    shim = threading.Thread(target=serve_file_requests, args=(theirs,))
    shim.start()
    ours.sendall(line + b"\n")
    answer = json.loads(ours.recv(100))
    ours.close()
    shim.join(5)
    theirs.close()

    assert answer == {"id": 7 if b"id" in line else None, "errno": -1, "fd": False}


class SwappedFile:
    """Opens another file than the one asked for, as if a folder above it had become a link in the meantime."""

    def __init__(self, instead: Path) -> None:
        self._instead = instead

    async def execute(self, request: FileRequest, folder: Path) -> FileAnswer:
        """Open the other file."""
        return FileAnswer(os.open(self._instead, os.O_RDONLY))


@pytest.mark.promise("mcp:opened-once")
async def test_what_was_opened_is_checked_not_what_was_named(files: ClientFiles, project: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    (project / "logo.png").write_bytes(b"mine")
    secret.write_bytes(b"not for you")
    swapped = replace(files, client=replace(files.client, file_access=SwappedFile(secret)))

    assert await read(files, project / "logo.png") == b"mine"
    with pytest.raises(InvalidInput, match="not in a folder"):
        await read(swapped, project / "logo.png")


class FolderThatBecomesALink:
    """Executes requests after the folder of the file has become a link to `outside`."""

    def __init__(self, broker: FileBrokerClient, folder: Path, outside: Path) -> None:
        self._broker = broker
        self._folder = folder
        self._outside = outside

    async def execute(self, request: FileRequest, folder: Path) -> FileAnswer:
        """Replace the folder before a file is created in it."""
        if request["do"] == "create":
            self._folder.rmdir()
            self._folder.symlink_to(self._outside)
        return await self._broker.execute(request, folder)


@pytest.mark.promise("files:written-inside")
async def test_nothing_is_written_outside_when_a_folder_becomes_a_link_after_its_check(
    files: ClientFiles, project: Path, tmp_path: Path
) -> None:
    folder, outside = project / "pictures", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()

    with brokered() as broker:
        client = replace(files.client, file_access=FolderThatBecomesALink(broker, folder, outside))
        with pytest.raises(NotADirectoryError):
            await replace(files, client=client).write(folder / "a.png", b"picture")

    assert list(outside.iterdir()) == []


async def test_files_that_nobody_asked_for_are_closed_with_the_connection(tmp_path: Path) -> None:
    reader, writer = os.pipe()

    with hand_made() as (broker, shim):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(broker.execute, {"do": "stat", "path": "/x"}, FOLDER))
            asked = await anyio.to_thread.run_sync(shim.receive)
            reply = json.dumps({"id": asked["id"], "errno": 0, "mode": 1}).encode() + b"\n"
            socket.send_fds(shim.connection, [reply], [writer])
            os.close(writer)
        broker.close()
        broker.close()

    os.set_blocking(reader, False)
    assert os.read(reader, 1) == b""  # nobody holds the other end
    os.close(reader)


def test_the_limits_of_a_reply_are_these() -> None:
    assert (broker_client.MAX_REPLY_BYTES, broker_client.MAX_DESCRIPTORS) == (65_536, 16)


@pytest.mark.parametrize("number", [1, 13])
async def test_a_refusal_of_the_clients_system_is_raised_by_its_number(number: int) -> None:
    with hand_made() as (broker, shim):
        shim.connection.sendall(b'{"id": 1, "errno": %d}\n' % number)
        with pytest.raises(OSError, match=os.strerror(number)) as refused:
            await broker.execute({"do": "stat", "path": "/x"}, FOLDER)

    assert refused.value.errno == number


async def test_a_promised_file_that_does_not_come_is_a_failure() -> None:
    with hand_made() as (broker, shim):
        shim.connection.sendall(b'{"id": 1, "errno": 0, "fd": true}\n')
        with pytest.raises(OSError, match="the client sent no file") as failed:
            await broker.execute(opening(FOLDER), FOLDER)

    assert failed.value.errno == errno.EPROTO
