"""Small image files whose header promises more than 100 megapixels."""

import io
import struct
import zlib

from PIL import Image


def huge_png(width: int, height: int) -> bytes:
    """A header that promises many pixels, and none of them."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def _small(kind: str, **options: object) -> bytearray:
    out = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(out, kind, **options)
    return bytearray(out.getvalue())


def _patched(file: bytearray, at: int, content: bytes) -> bytes:
    file[at : at + len(content)] = content
    return bytes(file)


def _jpeg() -> bytes:
    file = _small("JPEG")
    return _patched(file, file.index(b"\xff\xc0") + 5, struct.pack(">HH", 65_000, 65_000))


def _gif_frame() -> bytes:
    """The screen is small, the first frame is not."""
    file = _small("GIF")
    return _patched(file, file.index(b",") + 5, struct.pack("<HH", 65_535, 65_535))


def _tiff() -> bytes:
    file = _small("TIFF")
    (directory,) = struct.unpack_from("<I", file, 4)
    (count,) = struct.unpack_from("<H", file, directory)
    for entry in range(directory + 2, directory + 2 + 12 * count, 12):
        if struct.unpack_from("<H", file, entry)[0] in (256, 257):  # width and height
            struct.pack_into("<HII", file, entry + 2, 4, 1, 60_000)
    return bytes(file)


def _lossless_webp() -> bytes:
    file = _small("WEBP", lossless=True)
    at = file.index(b"VP8L") + 9
    (sizes,) = struct.unpack_from("<I", file, at)
    return _patched(file, at, struct.pack("<I", sizes & ~0xFFFFFFF | 16_383 | 16_383 << 14))


def progressive_jpeg(width: int, height: int) -> bytes:
    """The header of a progressive JPEG."""
    file = _small("JPEG", progressive=True)
    return _patched(file, file.index(b"\xff\xc2") + 5, struct.pack(">HH", height, width))


def lossy_webp(width: int, height: int) -> bytes:
    """The header of a WebP."""
    file = _small("WEBP")
    return _patched(file, file.index(b"\x9d\x01\x2a") + 3, struct.pack("<HH", width, height))


IMAGE_BOMBS = {
    "PNG": huge_png(60_000, 60_000),
    "PNG of 101 MP": huge_png(10_050, 10_050),
    "JPEG": _jpeg(),
    "GIF": _patched(_small("GIF"), 6, struct.pack("<HH", 65_535, 65_535)),
    "GIF frame": _gif_frame(),
    "BMP": _patched(_small("BMP"), 18, struct.pack("<ii", 30_000, 30_000)),
    "TIFF": _tiff(),
    "lossless WebP": _lossless_webp(),
    "lossy WebP": lossy_webp(16_383, 16_383),
}
