"""Frames between the daemon and a worker: the lengths of header and body (`>II`), a msgpack header, a raw body.

Pure: the caller reads and writes the socket. msgpack: <https://github.com/msgpack/msgpack/blob/master/spec.md>.
"""

import struct
from collections.abc import Sequence
from typing import Any

import msgpack

Header = dict[str, Any]
Frame = tuple[Header, memoryview]

LENGTH_PREFIX = struct.Struct(">II")
HEADER_LIMIT_BYTES = 1 << 26
"""64 MiB: the header holds all text; the transcript of a day with a time for each word takes about 30 MB."""
BODY_LIMIT_BYTES = 1 << 30
"""1 GiB: the body holds images and audio."""
BUFFER_BYTES = 1 << 18
"""256 KiB: a larger frame gets a buffer of its own."""


class FrameError(Exception):
    """Received bytes are not a frame (the connection is unusable then), or a message cannot be sent as one."""


def pack(header: Header, blobs: Sequence[bytes] = ()) -> list[bytes]:
    """Return the parts of a frame in the order to send; `blobs` are the body and are not copied.

    Raises:
        FrameError: msgpack cannot write the header, or header or body is too long.
    """
    try:
        packed = msgpack.packb(header)
    except (OverflowError, TypeError, ValueError) as error:
        raise FrameError(f"The message cannot be written as msgpack: {error}.") from error
    body_bytes = sum(map(len, blobs))
    _check_lengths(len(packed), body_bytes)
    return [LENGTH_PREFIX.pack(len(packed), body_bytes) + packed, *blobs]


class FrameReader:
    """Assembles frames from received bytes.

    Write any number of bytes into `buffer()`, then pass that number to `received`. A frame larger than the buffer is
    received into its own memory without a copy. Frames do not share memory.
    """

    def __init__(self) -> None:
        self._buffer = bytearray(BUFFER_BYTES)
        self._start = 0
        self._end = 0
        self._large: bytearray | None = None
        self._large_header_bytes = 0
        self._filled = 0

    def buffer(self) -> memoryview:
        """Return the memory for the next bytes; never empty."""
        if self._large is not None:
            return memoryview(self._large)[self._filled :]
        if self._start:
            incomplete = self._buffer[self._start : self._end]
            self._buffer[: len(incomplete)] = incomplete
            self._start, self._end = 0, len(incomplete)
        return memoryview(self._buffer)[self._end :]

    def received(self, count: int) -> list[Frame]:
        """Return the frames that the `count` bytes just written to the buffer complete.

        Raises:
            FrameError: the bytes are not a frame.
        """
        if self._large is None:
            self._end += count
            frames: list[Frame] = []
            while self._end - self._start >= LENGTH_PREFIX.size and (frame := self._next()) is not None:
                frames.append(frame)
            return frames
        self._filled += count
        if self._filled < len(self._large):
            return []
        large, self._large = self._large, None
        return [_parse(large, self._large_header_bytes)]

    def _next(self) -> Frame | None:
        """Return the next frame, whose lengths have arrived, or None if it is not complete."""
        available = self._end - self._start
        header_bytes, body_bytes = LENGTH_PREFIX.unpack_from(self._buffer, self._start)
        _check_lengths(header_bytes, body_bytes)
        first, size = self._start + LENGTH_PREFIX.size, header_bytes + body_bytes
        if available >= LENGTH_PREFIX.size + size:
            self._start = first + size
            return _parse(self._buffer[first : first + size], header_bytes)
        if LENGTH_PREFIX.size + size > len(self._buffer):
            self._begin_large(first, header_bytes, size)
        return None

    def _begin_large(self, first: int, header_bytes: int, size: int) -> None:
        received = self._buffer[first : self._end]
        self._large, self._large_header_bytes, self._filled = bytearray(size), header_bytes, len(received)
        self._large[: len(received)] = received
        self._start = self._end = 0


def _check_lengths(header_bytes: int, body_bytes: int) -> None:
    if not 0 < header_bytes <= HEADER_LIMIT_BYTES or body_bytes > BODY_LIMIT_BYTES:
        raise FrameError(
            f"A frame has a header of {header_bytes} bytes and a body of {body_bytes}; "
            f"the limits are 1 to {HEADER_LIMIT_BYTES} and 0 to {BODY_LIMIT_BYTES}."
        )


def _parse(content: bytearray, header_bytes: int) -> Frame:
    view = memoryview(content)
    try:
        header = msgpack.unpackb(view[:header_bytes])
    except (ValueError, msgpack.UnpackException) as error:
        raise FrameError(f"A frame's header of {header_bytes} bytes is not msgpack: {error}.") from error
    if not isinstance(header, dict):
        raise FrameError(f"A frame's header is a {type(header).__name__}, not a map.")
    return header, view[header_bytes:]
