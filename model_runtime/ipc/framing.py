"""Frames between the daemon and a worker: two lengths (`>II`: header, body), a msgpack header, a raw body.

Both sides use the same `FrameReader`; it does no input or output itself.
"""

import struct
from collections.abc import Sequence
from typing import Any

import msgpack

Header = dict[str, Any]
Frame = tuple[Header, memoryview]

LENGTH_PREFIX = struct.Struct(">II")
HEADER_LIMIT_BYTES = 1 << 26
"""64 MiB: a header carries all text, and the transcript of a day with every word's time is some 30 MB."""
BODY_LIMIT_BYTES = 1 << 30
BUFFER_BYTES = 1 << 18


class FrameError(Exception):
    """What came over the link is no frame; the link cannot be used any more."""


def pack(header: Header, blobs: Sequence[bytes] = ()) -> list[bytes]:
    """Return the parts to be sent, in order; `blobs` together are the body and are not copied.

    Raises:
        FrameError: the header cannot be written as msgpack, or a part is too long.
    """
    try:
        packed = msgpack.packb(header)
    except (OverflowError, TypeError, ValueError) as error:
        raise FrameError(f"The message cannot be written as msgpack: {error}.") from error
    body_bytes = sum(map(len, blobs))
    _check_lengths(len(packed), body_bytes)
    return [LENGTH_PREFIX.pack(len(packed), body_bytes) + packed, *blobs]


class FrameReader:
    """Takes bytes as they come and gives back whole frames.

    Fill `buffer()` with any number of bytes, then ask for what was `received(number)`. A frame larger than the buffer
    is received straight into memory of its own; the memory of a body belongs to its frame alone.
    """

    def __init__(self) -> None:
        self._buffer = bytearray(BUFFER_BYTES)
        self._start = 0
        self._end = 0
        self._large: bytearray | None = None
        self._large_header = 0
        self._filled = 0

    def buffer(self) -> memoryview:
        """Return where the next bytes go; never empty."""
        if self._large is not None:
            return memoryview(self._large)[self._filled :]
        if self._start:
            rest = self._buffer[self._start : self._end]
            self._buffer[: len(rest)] = rest
            self._start, self._end = 0, len(rest)
        return memoryview(self._buffer)[self._end :]

    def received(self, count: int) -> list[Frame]:
        """Return the frames that are complete now that `count` more bytes are in the buffer.

        Raises:
            FrameError: the bytes are no frames.
        """
        if self._large is None:
            self._end += count
            return list(iter(self._next, None))
        self._filled += count
        if self._filled < len(self._large):
            return []
        large, self._large = self._large, None
        return [_parse(large, self._large_header)]

    def _next(self) -> Frame | None:
        available = self._end - self._start
        if available < LENGTH_PREFIX.size:
            return None
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
        have = self._buffer[first : self._end]
        self._large, self._large_header, self._filled = bytearray(size), header_bytes, len(have)
        self._large[: len(have)] = have
        self._start = self._end = 0


def _check_lengths(header_bytes: int, body_bytes: int) -> None:
    if not 0 < header_bytes <= HEADER_LIMIT_BYTES or body_bytes > BODY_LIMIT_BYTES:
        raise FrameError(
            f"A frame claims a header of {header_bytes} and a body of {body_bytes} bytes; "
            f"1 to {HEADER_LIMIT_BYTES} and 0 to {BODY_LIMIT_BYTES} are possible."
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
