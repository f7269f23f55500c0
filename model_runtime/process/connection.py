"""The daemon's end of the socket to a worker, on the event loop."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol, cast

from model_runtime.ipc.codec import CodecError, decode
from model_runtime.ipc.framing import FrameError, FrameReader
from model_runtime.ipc.messages import WorkerMessage


class ConnectionListener(Protocol):
    """Receives the end of the connection."""

    def protocol_error(self, error: FrameError | CodecError) -> None:
        """Handle bytes that are not a message."""
        ...

    def connection_closed(self) -> None:
        """Handle the closed connection; no message follows."""
        ...


class WorkerConnection(asyncio.BufferedProtocol):
    """Decodes messages as they arrive; queues what is sent before the connection is established."""

    def __init__(self, listener: ConnectionListener, on_message: Callable[[WorkerMessage], None]) -> None:
        self.on_message = on_message
        """Called with each message; may be replaced."""
        self._listener = listener
        self._reader = FrameReader()
        self._transport: asyncio.Transport | None = None
        self._unsent: list[bytes] = []
        self._is_reading = True

    def send(self, parts: Sequence[bytes]) -> None:
        """Send the parts of a frame, in order; do nothing on a closed connection."""
        if self._transport is None:
            self._unsent += parts
        elif not self._transport.is_closing():
            for part in parts:
                self._transport.write(part)

    def pause_reading(self) -> None:
        """Stop reading; the worker blocks once the socket's buffers are full."""
        self._is_reading = False
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read again."""
        self._is_reading = True
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def close(self) -> None:
        """Close this end."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send what was queued (asyncio calls this)."""
        self._transport = cast(asyncio.Transport, transport)
        self.send(self._unsent)
        self._unsent = []
        if not self._is_reading:
            self._transport.pause_reading()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return the buffer for the next bytes (asyncio calls this)."""
        return self._reader.buffer()

    def buffer_updated(self, nbytes: int) -> None:
        """Decode what arrived in the buffer (asyncio calls this)."""
        try:
            for header, body in self._reader.received(nbytes):
                self.on_message(decode(header, body))
        except (FrameError, CodecError) as error:
            self._listener.protocol_error(error)

    def connection_lost(self, exc: Exception | None) -> None:
        """Report the closed connection (asyncio calls this)."""
        self._listener.connection_closed()
