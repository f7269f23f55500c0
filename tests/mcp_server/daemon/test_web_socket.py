"""The server's WebSockets: what its own protocol answers, and that no connection outlives its client."""

import asyncio
import json
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
import websockets

from mcp_server.daemon import web_socket
from mcp_server.daemon.descriptors import DescriptorReserve
from mcp_server.daemon.http_server import HttpServer, bind_sockets
from model_runtime.problems import Problems
from tests.openai_compat.clients import wait_until

HANDSHAKE = (
    "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: {version}\r\n{key}\r\n"
)
KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"


class Talker:
    """An application that accepts a WebSocket, sends `messages` of a megabyte each and ends."""

    def __init__(self, messages: int) -> None:
        self.messages = messages
        self.ended = anyio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve lifespan and WebSockets."""
        if scope["type"] == "lifespan":
            for _ in range(2):
                message = await receive()
                await send({"type": f"{message['type']}.complete"})
            return
        await receive()
        await send({"type": "websocket.accept"})
        with anyio.move_on_after(0.2):
            for _ in range(self.messages):
                await send({"type": "websocket.send", "text": "x" * 1_000_000})
        self.ended.set()


@asynccontextmanager
async def serving(app: Any) -> AsyncGenerator[tuple[HttpServer, int]]:
    """Serve an application; yield the server and its port."""
    sockets = bind_sockets("127.0.0.1", 0)
    server = HttpServer(app, sockets, DescriptorReserve(100_000), Problems())
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(server.run_until_stopped)
            await server.ready.wait()
            yield server, sockets[0].getsockname()[1]
            server.stop()
            await server.stopped.wait()


@pytest.mark.parametrize(("version", "key"), [("13", ""), ("7", KEY), ("13", "Sec-WebSocket-Key: no\r\n")])
async def test_a_handshake_that_cannot_be_read_is_refused_with_the_envelope(version: str, key: str) -> None:
    async with serving(Talker(0)) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(HANDSHAKE.format(version=version, key=key).encode())
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()

    error = json.loads(body)["error"]
    assert head.split()[1] in (b"400", b"426")
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["code"], error["type"]) == ("invalid_handshake", "invalid_request_error")


async def test_compression_is_not_offered() -> None:
    """A small frame could hold gigabytes of zeros."""
    async with serving(Talker(0)) as (_, port), websockets.connect(f"ws://127.0.0.1:{port}/") as connection:
        assert connection.protocol.extensions == []


@pytest.mark.promise("reliability:deaf-sockets")
async def test_a_client_that_never_reads_is_disconnected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_socket, "CLOSE_SECONDS", 0.05)
    app = Talker(100)
    async with serving(app) as (server, port):
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.setblocking(False)
            await asyncio.get_running_loop().sock_connect(deaf, ("127.0.0.1", port))
            await asyncio.get_running_loop().sock_sendall(deaf, HANDSHAKE.format(version="13", key=KEY).encode())
            await app.ended.wait()
            await wait_until(lambda: not server.server_state.connections)


@pytest.mark.promise("reliability:deaf-sockets")
async def test_a_client_that_answers_no_ping_is_disconnected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_socket, "PING_SECONDS", 0.05)
    gone = anyio.Event()

    async def listen(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await Talker(0)(scope, receive, send)
            return
        await receive()
        await send({"type": "websocket.accept"})
        assert (await receive())["type"] == "websocket.disconnect"
        gone.set()

    async with serving(listen) as (_, port):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(HANDSHAKE.format(version="13", key=KEY).encode())
        await gone.wait()
        writer.close()


async def test_a_server_that_stops_tells_its_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    async def listen(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await Talker(0)(scope, receive, send)
            return
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass

    async with serving(listen) as (server, port), websockets.connect(f"ws://127.0.0.1:{port}/") as connection:
        server.stop()
        with pytest.raises(websockets.exceptions.ConnectionClosed) as closed:
            await connection.recv()

    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012


def test_the_limits_are_these() -> None:
    assert (web_socket.MAX_MESSAGE_BYTES, web_socket.PING_SECONDS, web_socket.CLOSE_SECONDS) == (16_777_216, 20, 5)
