"""The daemon's end of the link, on the event loop."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol, cast

from model_runtime.ipc.framing import Frame, FrameError, FrameReader


class FrameListener(Protocol):
    """Who is told what comes over the link."""

    def frame_received(self, frame: Frame) -> None:
        """A whole frame came."""
        ...

    def protocol_error(self, error: FrameError) -> None:
        """What came is no frame; nothing more will be read."""
        ...

    def connection_closed(self) -> None:
        """The other end is closed."""
        ...


class WorkerConnection(asyncio.BufferedProtocol):
    """Reads frames as they come; keeps what is sent before the connection stands."""

    def __init__(self, listener: FrameListener) -> None:
        self._listener = listener
        self._reader = FrameReader()
        self._transport: asyncio.Transport | None = None
        self._unsent: list[bytes] = []
        self._reading = True

    def send(self, parts: Sequence[bytes]) -> None:
        """Send these parts in order, at once or once the connection stands; nothing where it is closed."""
        if self._transport is None:
            self._unsent += parts
        elif not self._transport.is_closing():
            for part in parts:
                self._transport.write(part)

    def read(self, wanted: bool) -> None:
        """Go on or pause reading; while paused the worker blocks as soon as the socket's buffers are full."""
        self._reading = wanted
        if self._transport is not None and not self._transport.is_closing():
            change: Callable[[], None] = self._transport.resume_reading if wanted else self._transport.pause_reading
            change()

    def close(self) -> None:
        """Close this end."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: the connection stands."""
        self._transport = cast(asyncio.Transport, transport)
        self.send(self._unsent)
        self._unsent = []
        self.read(self._reading)

    def get_buffer(self, sizehint: int) -> memoryview:
        """asyncio: where the next bytes go."""
        return self._reader.buffer()

    def buffer_updated(self, nbytes: int) -> None:
        """asyncio: bytes came."""
        try:
            frames = self._reader.received(nbytes)
        except FrameError as error:
            self._listener.protocol_error(error)
            return
        for frame in frames:
            self._listener.frame_received(frame)

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: the other end is closed."""
        self._listener.connection_closed()
