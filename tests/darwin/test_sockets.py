"""Unix sockets that begin with 8 KB, as those of macOS do, get room for 1 MiB or what the system allows."""

import os
import socket
from collections.abc import Generator
from pathlib import Path
from typing import Any, ClassVar

import anyio
import anyio.to_thread
import pytest
from mcp.server import MCPServer

from mcp_server.daemon.descriptors import DescriptorReserve
from mcp_server.daemon.socket_server import SocketServer
from mcp_server.launcher.connect import try_connect
from mcp_server.launcher.paths import InstancePaths, ensure_private_folder
from mcp_server.launcher.shim import encode_handshake
from mcp_server.launcher.sockets import BUFFER_BYTES, connected_pair
from model_runtime.ipc.messages import LINK_FD
from model_runtime.problems import Problems
from model_runtime.process import spawn

MAC_BYTES = 8192
"""PIPSIZ of xnu, bsd/kern/uipc_usrreq.c: the default of net.local.stream.sendspace and recvspace."""
LARGE_MESSAGE_BYTES = 100_000
REAL_SOCKET = socket.socket


class MacSocket(socket.socket):
    """A Unix socket with the buffers of a Mac. Linux doubles the number that it is given (socket(7))."""

    made: ClassVar[list[socket.socket]] = []

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.made.append(self)
        if self.family == socket.AF_UNIX:
            for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
                self.setsockopt(socket.SOL_SOCKET, option, MAC_BYTES // 2)


@pytest.fixture(autouse=True)
def mac_sockets(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """Every Unix socket of this process begins like one of a Mac."""
    monkeypatch.setattr(socket, "socket", MacSocket)
    yield
    MacSocket.made.clear()


def capacity_bytes(sender: socket.socket) -> int:
    """Return how much can be sent while nobody reads."""
    sender.setblocking(False)
    sent = 0
    try:
        while True:
            sent += sender.send(bytes(1000))
    except BlockingIOError:
        return sent


def test_a_pair_as_macos_makes_it_takes_a_few_kilobytes() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert capacity_bytes(ours) < 3 * MAC_BYTES


@pytest.mark.promise("sockets:buffers")
def test_the_sockets_of_the_file_broker_take_a_large_message_both_ways() -> None:
    ours, theirs = connected_pair()
    with ours, theirs:
        assert capacity_bytes(ours) > LARGE_MESSAGE_BYTES
        assert capacity_bytes(theirs) > LARGE_MESSAGE_BYTES


def test_the_sockets_of_a_worker_take_a_large_message_both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    worker_ends: list[socket.socket] = []

    def start_nothing(path: str, arguments: Any, environ: Any, *, file_actions: Any, **options: Any) -> int:
        source = next(action[1] for action in file_actions if action[-1] == LINK_FD)
        worker_ends.append(REAL_SOCKET(fileno=os.dup(source)))
        return 1

    monkeypatch.setattr(os, "posix_spawn", start_nothing)

    spawned = spawn.spawn_worker("m")

    os.close(spawned.log)
    with spawned.socket, worker_ends[0]:
        assert capacity_bytes(spawned.socket) > LARGE_MESSAGE_BYTES
        assert capacity_bytes(worker_ends[0]) > LARGE_MESSAGE_BYTES


async def test_both_ends_of_the_link_of_a_shim_have_large_buffers(tmp_path: Path) -> None:
    paths = InstancePaths({"SENSES_HOME": str(tmp_path)})
    ensure_private_folder(paths.run_folder)
    ensure_private_folder(str(Path(paths.socket_path).parent))
    server = SocketServer(MCPServer("empty"), paths.socket_path, DescriptorReserve(1024), Problems())
    await server.listen()

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(server.serve)
            connection = await anyio.to_thread.run_sync(try_connect, paths.socket_path, encode_handshake({}, []))
            sizes = [buffer_sizes(end) for end in ends_of_connections(paths.socket_path)]
            assert connection is not None
            connection.close()
            await server.close()

    assert len(sizes) == 2
    assert min(min(pair) for pair in sizes) > LARGE_MESSAGE_BYTES


def ends_of_connections(path: str) -> list[socket.socket]:
    """Return the open sockets that are an end of a connection over `path`."""
    return [end for end in MacSocket.made if end.fileno() >= 0 and path in str(names_of(end))]


def names_of(end: socket.socket) -> tuple[object, object]:
    try:
        return end.getsockname(), end.getpeername()
    except OSError:  # it listens
        return "", ""


def buffer_sizes(end: socket.socket) -> tuple[int, int]:
    send, receive = socket.SO_SNDBUF, socket.SO_RCVBUF
    return end.getsockopt(socket.SOL_SOCKET, send), end.getsockopt(socket.SOL_SOCKET, receive)


def test_every_link_asks_for_one_mebibyte() -> None:
    assert BUFFER_BYTES == spawn.SOCKET_BUFFER_BYTES == 1024 * 1024


def test_a_system_that_allows_no_more_keeps_its_buffers(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: socket.socket, *arguments: Any) -> None:
        raise OSError(55, "No buffer space available")

    real = MacSocket.setsockopt
    monkeypatch.setattr(MacSocket, "__init__", REAL_SOCKET.__init__)
    monkeypatch.setattr(MacSocket, "setsockopt", refuse)
    ours, theirs = connected_pair()
    monkeypatch.setattr(MacSocket, "setsockopt", real)

    with ours, theirs:
        ours.sendall(b"x")
        assert theirs.recv(1) == b"x"
