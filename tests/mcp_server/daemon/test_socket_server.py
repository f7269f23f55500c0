"""The socket of the daemon alone, over a server without tools."""

import json
import os
import stat
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream
from mcp.server import MCPServer

from mcp_server.daemon import socket_server
from mcp_server.daemon.descriptors import DescriptorReserve
from mcp_server.daemon.socket_server import SocketServer
from mcp_server.launcher.paths import PROTOCOL_VERSION, VERSION, InstancePaths
from model_runtime.problems import Problems

HANDSHAKE = {"protocol": PROTOCOL_VERSION, "version": VERSION}


@pytest.fixture
def server(paths: InstancePaths) -> SocketServer:
    Path(paths.socket_path).parent.mkdir(parents=True, exist_ok=True)
    return SocketServer(MCPServer("empty"), paths.socket_path, DescriptorReserve(1024), Problems())


def files_beside(path: str) -> list[str]:
    """Return the paths of all files in the folder of a file."""
    return [str(file) for file in Path(path).parent.iterdir()]


async def reply_to(path: str, line: bytes) -> dict[str, Any]:
    """Connect, send one line and return the reply."""
    async with await anyio.connect_unix(path) as stream:
        await stream.send(line + b"\n")
        reply: dict[str, Any] = json.loads(await BufferedByteReceiveStream(stream).receive_until(b"\n", 10_000))
        return reply


async def test_only_the_owner_may_connect_and_what_an_earlier_daemon_left_is_replaced(
    server: SocketServer, paths: InstancePaths
) -> None:
    for stale in (paths.socket_path, f"{paths.socket_path}.{os.getpid()}"):
        await anyio.Path(stale).touch(mode=0o666)

    await server.listen()
    mode = (await anyio.Path(paths.socket_path).stat()).st_mode
    await server.close()
    await server.close()

    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600
    assert not any(name.startswith(paths.socket_path) for name in files_beside(paths.socket_path))


async def test_a_socket_that_does_not_listen_serves_nothing_and_can_be_closed(server: SocketServer) -> None:
    with pytest.raises(RuntimeError, match="listen"):
        await server.serve()

    await server.close()


async def test_an_open_connection_is_counted_until_it_ends(server: SocketServer, paths: InstancePaths) -> None:
    counts = [server.connection_count]
    await server.listen()

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(server.serve)
            welcome = await reply_to(paths.socket_path, json.dumps(HANDSHAKE).encode())
            counts.append(server.connection_count)
            await server.close()
    counts.append(server.connection_count)

    assert welcome == {"protocol": PROTOCOL_VERSION, "version": VERSION, "pid": os.getpid(), "welcome": True}
    assert counts == [0, 1, 0]


@pytest.mark.parametrize("line", [b"[1]", b"7", b"null", b"{", b"\xff", b'{"protocol": "x"}', b"{}"])
async def test_a_first_line_that_is_no_handshake_is_answered_with_an_error(
    server: SocketServer, paths: InstancePaths, line: bytes
) -> None:
    await server.listen()

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(server.serve)
            reply = await reply_to(paths.socket_path, line)
            await server.close()

    assert "Run `senses stop`" in reply["error"]
    assert "welcome" not in reply


def test_the_limits_of_a_connection_are_these() -> None:
    assert (socket_server.HANDSHAKE_TIMEOUT_SECONDS, socket_server.FLUSH_TIMEOUT_SECONDS) == (5, 2)
    assert (socket_server.MAX_HANDSHAKE_BYTES, socket_server.MAX_LINE_BYTES) == (64 * 2**10, 64 * 2**20)
