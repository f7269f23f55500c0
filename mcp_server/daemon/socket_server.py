"""The unix socket through which shims come in: one MCP connection each, over one shared server."""

import json
import logging
import os
import socket
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import SocketListener, SocketStream, UNIXSocketStream
from anyio.streams.buffered import BufferedByteReceiveStream
from mcp.server import MCPServer
from mcp.shared.message import SessionMessage

from mcp_server.calls import sdk_compat
from mcp_server.files.broker_client import Courier, OwnHands
from mcp_server.files.client import OWN_HANDS, Caller, caller_of
from mcp_server.launcher.paths import PROTOCOL, VERSION

logger = logging.getLogger(__name__)

GREETING_SECONDS = 5.0
GREETING_BYTES = 65_536
FAREWELL_SECONDS = 2.0
"""For the last answer to a client that has closed its side."""
RETRY_SECONDS = 0.2
LINE_BYTES = 64 * 1024 * 1024
"""Of one message: media come by path, a data: URI has at most 11 MB."""


class Door:
    """Serves `server` to whoever connects at `path`. `should_leave(version)` decides on making way for a newer shim."""

    def __init__(
        self, server: MCPServer[Caller], path: str, should_leave: Callable[[str], bool] = lambda version: False
    ) -> None:
        self._server = server
        self._path = path
        self._should_leave = should_leave
        self._listener: SocketListener | None = None
        self.connections = 0

    async def open(self) -> None:
        """Listen. The socket appears under its name only once it accepts, in place of one a dead daemon left."""
        own = f"{self._path}.{os.getpid()}"
        _remove(own)
        self._listener = await anyio.create_unix_listener(own, mode=0o600, backlog=128)
        os.replace(own, self._path)  # noqa: PTH105

    async def serve(self) -> None:
        """Accept connections until `close`, then let those that are open end."""
        if self._listener is None:
            raise RuntimeError("open() comes before serve()")
        async with anyio.create_task_group() as tasks:
            while stream := await self._accept(self._listener):
                tasks.start_soon(self._connected, stream)

    async def _accept(self, listener: SocketListener) -> SocketStream | None:
        while True:
            try:
                return await listener.accept()
            except anyio.ClosedResourceError:
                return None
            except OSError as error:
                logger.warning("A connection could not be accepted: %s", error)
                await anyio.sleep(RETRY_SECONDS)

    async def close(self) -> None:
        """Take the socket away first, so that whoever comes now starts another daemon, then stop listening."""
        _remove(self._path)
        if self._listener is not None:
            await self._listener.aclose()

    async def _connected(self, stream: SocketStream) -> None:
        async with stream:
            self.connections += 1
            try:
                await self._converse(stream)
            except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                logger.debug("A client left in the middle")
            except Exception:
                logger.exception("A connection ended on an error")
            finally:
                self.connections -= 1

    async def _converse(self, stream: SocketStream) -> None:
        lines = BufferedByteReceiveStream(stream)
        with closing(await _first(stream, lines)) as opener:
            hello = await _hello(lines)
            answer = self._answer(hello)
            await stream.send(json.dumps(answer).encode() + b"\n")
            if answer.get("welcome"):
                logger.info("Client %s connected from %s", hello.get("pid"), hello.get("cwd"))
                await _serve(self._server, stream, lines, caller_of(hello, Path.home(), opener))

    def _answer(self, hello: dict[str, Any]) -> dict[str, object]:
        known = {"protocol": PROTOCOL, "version": VERSION, "pid": os.getpid()}
        if hello.get("protocol") != PROTOCOL:
            return known | {"error": f"Senses {VERSION} speaks protocol {PROTOCOL}, this client another: restart both."}
        return known | {"welcome": not self._should_leave(str(hello.get("version", "")))}


async def _first(stream: SocketStream, lines: BufferedByteReceiveStream) -> Courier | OwnHands:
    """Take what came first, and the socket of the shim's errands that came with it; a client without one has none."""
    if not isinstance(stream, UNIXSocketStream):
        return OWN_HANDS
    with anyio.move_on_after(GREETING_SECONDS):
        data, descriptors = await stream.receive_fds(GREETING_BYTES, 1)
        lines.feed_data(data)
        for descriptor in descriptors:
            return Courier(socket.socket(fileno=descriptor))
    return OWN_HANDS


async def _hello(lines: BufferedByteReceiveStream) -> dict[str, Any]:
    with anyio.move_on_after(GREETING_SECONDS):
        try:
            hello = json.loads(await lines.receive_until(b"\n", GREETING_BYTES))
        except (ValueError, anyio.DelimiterNotFound, anyio.IncompleteRead):
            return {}
        return hello if isinstance(hello, dict) else {}
    return {}


async def _serve(
    server: MCPServer[Caller], stream: SocketStream, lines: BufferedByteReceiveStream, caller: Caller
) -> None:
    to_server, reads, writes, from_server = sdk_compat.message_streams()

    async def receive() -> None:
        async with to_server:
            while True:
                try:
                    line = await lines.receive_until(b"\n", LINE_BYTES)
                except (anyio.IncompleteRead, anyio.EndOfStream, anyio.BrokenResourceError):
                    return
                if line.strip():
                    await to_server.send(sdk_compat.parse_message(line))

    async def send() -> None:
        async with from_server:
            async for message in from_server:
                await _send(stream, message)

    async with anyio.create_task_group() as sending:
        sending.start_soon(send)
        async with anyio.create_task_group() as receiving:
            receiving.start_soon(receive)
            await sdk_compat.serve_messages(server, reads, writes, caller)
            receiving.cancel_scope.cancel()
        sending.cancel_scope.deadline = anyio.current_time() + FAREWELL_SECONDS


async def _send(stream: SocketStream, message: SessionMessage) -> None:
    try:
        await stream.send(sdk_compat.write_message(message.message))
    except (anyio.BrokenResourceError, anyio.ClosedResourceError):
        logger.debug("A client left before its answer")


def _remove(path: str) -> None:
    Path(path).unlink(missing_ok=True)


def newer(version: str, than: str) -> bool:
    """Whether a version of numbers and points is newer than another; what is no such version never is."""
    try:
        return tuple(map(int, version.split("."))) > tuple(map(int, than.split(".")))
    except ValueError:
        return False
