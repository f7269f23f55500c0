"""A small PNG of an unfinished picture, without an imaging library, which the daemon never imports."""

import struct
import zlib

from model_runtime.media.types import ImageData

MAX_SIDE = 192
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def thumbnail(image: ImageData) -> bytes:
    """Return a picture as PNG, by every n-th pixel so small that no side exceeds `MAX_SIDE`.

    Format: https://www.w3.org/TR/png-3/, truecolour of 8 bits without a filter.
    """
    step = -(-max(image.width, image.height) // MAX_SIDE)
    rows = [_row(image, y, step) for y in range(0, image.height, step)]
    header = struct.pack(">IIBBBBB", len(rows[0]) // 3, len(rows), 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows), 1)
    return SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


def _row(image: ImageData, y: int, step: int) -> bytes:
    """Return every n-th pixel of a row: the slices of its reds, greens and blues."""
    row = image.rgb[y * image.width * 3 : (y + 1) * image.width * 3]
    count = -(-image.width // step)
    small = bytearray(count * 3)
    for channel in range(3):
        small[channel::3] = row[channel :: 3 * step]
    return bytes(small)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
