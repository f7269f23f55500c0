"""The daemon's end of the connection to a worker, on the event loop."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol, cast

from model_runtime.ipc.codec import CodecError, decode
from model_runtime.ipc.framing import FrameError, FrameReader
from model_runtime.ipc.messages import WorkerMessage


class ConnectionListener(Protocol):
    """Hears how the connection ends."""

    def protocol_error(self, error: FrameError | CodecError) -> None:
        """Something that is not a message came; nothing more is read."""
        ...

    def connection_closed(self) -> None:
        """The worker's end is closed."""
        ...


class WorkerConnection(asyncio.BufferedProtocol):
    """Decodes messages as they come; keeps what is sent before the connection is established."""

    def __init__(self, listener: ConnectionListener, on_message: Callable[[WorkerMessage], None]) -> None:
        self.on_message = on_message
        """Who gets the messages from now on."""
        self._listener = listener
        self._reader = FrameReader()
        self._transport: asyncio.Transport | None = None
        self._unsent: list[bytes] = []
        self._is_reading = True

    def send(self, parts: Sequence[bytes]) -> None:
        """Send these parts in order, at once or once the connection is established; nothing after it is closed."""
        if self._transport is None:
            self._unsent += parts
        elif not self._transport.is_closing():
            for part in parts:
                self._transport.write(part)

    def pause_reading(self) -> None:
        """Stop reading: the worker blocks as soon as the socket's buffers are full."""
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
        """asyncio: the connection is established."""
        self._transport = cast(asyncio.Transport, transport)
        self.send(self._unsent)
        self._unsent = []
        if not self._is_reading:
            self._transport.pause_reading()

    def get_buffer(self, sizehint: int) -> memoryview:
        """asyncio: where the next bytes go."""
        return self._reader.buffer()

    def buffer_updated(self, nbytes: int) -> None:
        """asyncio: bytes came."""
        try:
            for header, body in self._reader.received(nbytes):
                self.on_message(decode(header, body))
        except (FrameError, CodecError) as error:
            self._listener.protocol_error(error)

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: the worker's end is closed."""
        self._listener.connection_closed()
