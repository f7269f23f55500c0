"""The Unix socket of the daemon: one MCP connection per shim, all on one shared server."""

import json
import logging
import os
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import SocketAttribute, SocketListener, SocketStream, UNIXSocketStream
from anyio.streams.buffered import BufferedByteReceiveStream
from mcp.server import MCPServer

from mcp_server.calls import sdk_compat
from mcp_server.daemon.descriptors import DescriptorReserve, accept_connections
from mcp_server.daemon.lines import LineReader, TooLong, has_id, refusal_of, too_long_refusal
from mcp_server.files.broker_client import FileBrokerClient
from mcp_server.files.client import ClientConnection, connection_from_handshake
from mcp_server.launcher.paths import PROTOCOL_VERSION, VERSION
from mcp_server.launcher.sockets import enlarge_buffers
from model_runtime.background import keep_running
from model_runtime.problems import Problems

logger = logging.getLogger(__name__)

HANDSHAKE_TIMEOUT_SECONDS = 5.0
MAX_HANDSHAKE_BYTES = 65_536
FLUSH_TIMEOUT_SECONDS = 2.0
"""How long the last response to a client that has closed its side may take."""
MAX_LINE_BYTES = 64 * 1024 * 1024
"""The largest message: media are passed by path, or as a data: URI of at most 11 MB each."""


class SocketServer:
    """Serves `server` on the socket at `path`.

    `yields_to(version)` decides whether the daemon stops for a newer client. `connected(client)` is a context that lasts
    as long as the connection of a client.
    """

    def __init__(
        self,
        server: MCPServer[ClientConnection],
        path: str,
        reserve: DescriptorReserve,
        problems: Problems,
        yields_to: Callable[[str], bool] = lambda version: False,
        connected: Callable[[ClientConnection], AbstractContextManager[None]] = lambda client: nullcontext(),
    ) -> None:
        self._server = server
        self._path = path
        self._reserve = reserve
        self._problems = problems
        self._yields_to = yields_to
        self._connected = connected
        self._listener: SocketListener | None = None
        self.connection_count = 0

    async def listen(self) -> None:
        """Listen. A stale socket is replaced only when the new one accepts connections.

        Raises:
            OSError: the socket cannot be made.
        """
        temporary = f"{self._path}.{os.getpid()}"
        _remove(temporary)
        self._listener = await anyio.create_unix_listener(temporary, mode=0o600, backlog=128)
        try:
            os.replace(temporary, self._path)  # noqa: PTH105
        except OSError:
            await self.stop_listening()
            raise

    async def serve(self) -> None:
        """Accept connections until `close`, then wait until the open ones end.

        Raises:
            RuntimeError: `listen` was not called.
        """
        listener = self._listener
        if listener is None:
            raise RuntimeError("listen() comes before serve()")
        async with anyio.create_task_group() as tasks:

            async def accept() -> None:
                await accept_connections(
                    lambda: _accept(listener),
                    lambda stream: tasks.start_soon(self._handle_connection, stream),
                    self._reserve,
                    self._problems,
                )

            await keep_running("socket server", accept, self._problems)

    async def close(self) -> None:
        """Remove the socket, then stop listening."""
        if self._listener is not None:
            with suppress(OSError):  # the folder has become read-only; the next daemon replaces the socket
                _remove(self._path)  # first, so that a client that connects now starts another daemon
        await self.stop_listening()

    async def stop_listening(self) -> None:
        """Stop listening, and leave the socket behind as a crash does; do nothing if it does not listen."""
        listener, self._listener = self._listener, None
        if listener is not None:
            await listener.aclose()

    async def _handle_connection(self, stream: SocketStream) -> None:
        async with stream:
            enlarge_buffers(stream.extra(SocketAttribute.raw_socket))  # noqa: S610 - of anyio, not of Django
            self.connection_count += 1
            try:
                await self._serve_connection(stream)
            except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                logger.debug("A client disconnected in the middle of a message")
            except Exception:
                logger.exception("A connection failed")
            finally:
                self.connection_count -= 1

    async def _serve_connection(self, stream: SocketStream) -> None:
        reader = BufferedByteReceiveStream(stream)
        with ExitStack() as at_end:
            file_access = await _receive_file_access(stream, reader)
            if file_access is not None:
                at_end.callback(file_access.close)
            handshake = await _read_handshake(reader)
            reply = self._handshake_reply(handshake)
            await stream.send(json.dumps(reply).encode() + b"\n")
            if reply.get("welcome"):
                logger.info("Client %s connected from %s", handshake.get("pid"), handshake.get("cwd"))
                client = connection_from_handshake(handshake, Path.home(), file_access)
                with self._connected(client):
                    await _serve_messages(self._server, stream, reader, client)

    def _handshake_reply(self, handshake: dict[str, Any]) -> dict[str, object]:
        identity = {"protocol": PROTOCOL_VERSION, "version": VERSION, "pid": os.getpid()}
        if handshake.get("protocol") != PROTOCOL_VERSION:
            return identity | {
                "error": f"Senses {VERSION} uses protocol {PROTOCOL_VERSION}, this client another one. "
                "Run `senses stop`, then reconnect the client."
            }
        return identity | {"welcome": not self._yields_to(str(handshake.get("version", "")))}


async def _accept(listener: SocketListener) -> SocketStream | None:
    """Return the next connection, or None once the listener is closed.

    Raises:
        OSError: the system cannot open another connection.
    """
    try:
        return await listener.accept()
    except anyio.ClosedResourceError:
        return None
    except anyio.BrokenResourceError as error:  # anyio's name for any error of accept(2)
        raise error.__cause__ if isinstance(error.__cause__, OSError) else OSError(str(error)) from error


async def _receive_file_access(stream: SocketStream, reader: BufferedByteReceiveStream) -> FileBrokerClient | None:
    """Receive the first bytes, and the shim's file broker socket sent with them.

    Without that socket the daemon opens the files itself.
    """
    if not isinstance(stream, UNIXSocketStream):
        return None
    with anyio.move_on_after(HANDSHAKE_TIMEOUT_SECONDS):
        data, descriptors = await stream.receive_fds(MAX_HANDSHAKE_BYTES, 1)
        reader.feed_data(data)
        for descriptor in descriptors:
            return FileBrokerClient(socket.socket(fileno=descriptor))
    return None


async def _read_handshake(reader: BufferedByteReceiveStream) -> dict[str, Any]:
    with anyio.move_on_after(HANDSHAKE_TIMEOUT_SECONDS):
        try:
            handshake = json.loads(await reader.receive_until(b"\n", MAX_HANDSHAKE_BYTES))
        except (ValueError, anyio.DelimiterNotFound, anyio.IncompleteRead):
            return {}
        return handshake if isinstance(handshake, dict) else {}
    return {}


async def _serve_messages(
    server: MCPServer[ClientConnection],
    stream: SocketStream,
    reader: BufferedByteReceiveStream,
    client: ClientConnection,
) -> None:
    to_server, read_stream, write_stream, from_server = sdk_compat.message_streams()
    lines = LineReader(stream, MAX_LINE_BYTES, reader.buffer)
    sender = LineSender(stream)

    async def receive() -> None:
        async with to_server:
            while (line := await lines.next()) is not None:
                message, refusal = _parse(line)
                if refusal is not None:
                    await sender.send(refusal)
                elif message is not None:
                    await to_server.send(message)

    async def send() -> None:
        async with from_server:
            async for message in from_server:
                await sender.send(sdk_compat.write_message(message.message))

    async with anyio.create_task_group() as sending:
        sending.start_soon(send)
        async with anyio.create_task_group() as receiving:
            receiving.start_soon(receive)
            await sdk_compat.serve_messages(server, read_stream, write_stream, client)
            receiving.cancel_scope.cancel()
        sending.cancel_scope.deadline = anyio.current_time() + FLUSH_TIMEOUT_SECONDS


class LineSender:
    """Sends lines of several tasks over one connection, one after the other."""

    def __init__(self, stream: SocketStream) -> None:
        self._stream = stream
        self._lock = anyio.Lock()

    async def send(self, line: bytes) -> None:
        """Send a line; do nothing if the client has disconnected."""
        async with self._lock:
            try:
                await self._stream.send(line)
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                logger.debug("A client disconnected before its response")


def _parse(line: bytes | TooLong) -> tuple[sdk_compat.IncomingMessage | None, bytes | None]:
    """Return the message of a line, or the error that answers the line; neither for a line that needs no answer."""
    if isinstance(line, TooLong):
        return None, too_long_refusal(line)
    if not line.strip():
        return None, None
    message = sdk_compat.parse_message(line)
    if isinstance(message, Exception) or (sdk_compat.is_notification(message) and has_id(line)):
        return None, refusal_of(line)
    return message, None


def _remove(path: str) -> None:
    Path(path).unlink(missing_ok=True)
