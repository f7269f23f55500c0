"""Writes one image in many file formats. What it shows stays the same."""

import io
import struct
import zlib

from PIL import Image, ImageChops

UPRIGHT, MIRRORED, HALF_TURN, QUARTER_TURN, THREE_QUARTERS = 1, 2, 3, 6, 8
"""Values of EXIF's orientation tag: how the camera was turned."""
ORIENTATION = 0x0112
TRANSPOSE_OF_ORIENTATION = {
    UPRIGHT: None,
    MIRRORED: Image.Transpose.FLIP_LEFT_RIGHT,
    HALF_TURN: Image.Transpose.ROTATE_180,
    QUARTER_TURN: Image.Transpose.ROTATE_90,
    THREE_QUARTERS: Image.Transpose.ROTATE_270,
}


def encode_image(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    """Return the image as a file of Pillow's format `form`."""
    image.save(file := io.BytesIO(), form, **options)
    return file.getvalue()


def with_orientation(image: Image.Image, orientation: int, form: str = "JPEG") -> bytes:
    """Return a file with the pixels of a turned camera and the EXIF tag that says so."""
    transpose = TRANSPOSE_OF_ORIENTATION[orientation]
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return encode_image(image.transpose(transpose) if transpose is not None else image, form, exif=exif)


def with_transparency(image: Image.Image, hidden: tuple[int, int, int] = (0, 0, 0), form: str = "PNG") -> bytes:
    """Return a file in which white is transparent, over pixels of the color `hidden` that must not be seen."""
    ink = ImageChops.invert(image.convert("L")).point(lambda value: 255 if value > 10 else 0)
    under = Image.composite(image, Image.new("RGB", image.size, hidden), ink)
    under.putalpha(ink)
    return encode_image(under, form, **({"lossless": True} if form == "WEBP" else {}))


def with_palette_transparency(image: Image.Image) -> bytes:
    """Return a palette file in which white is transparent and stored as black."""
    palette = image.quantize(16, dither=Image.Dither.NONE)
    white = palette.getpixel((0, 0))
    assert isinstance(white, int)
    colors = palette.getpalette() or []
    colors[3 * white : 3 * white + 3] = [0, 0, 0]
    palette.putpalette(colors)
    return encode_image(palette, transparency=white)


def encode_animation(first: Image.Image, *others: Image.Image, form: str) -> bytes:
    """Return an animation that begins with `first`."""
    return encode_image(first, form, save_all=True, append_images=others, duration=300, loop=0)


def encode_16_bit_gray(image: Image.Image) -> bytes:
    """Return a PNG with 16 bits of gray per pixel, as scanners and microscopes write it."""
    wide = image.convert("L").point(lambda value: value * 257, "I")
    return encode_image(wide.convert("I;16"))


def encode_16_bit_rgb(image: Image.Image) -> bytes:
    """Return a PNG with 16 bits per channel, which Pillow reads but does not write (PNG, ISO/IEC 15948)."""
    rows = (image.tobytes()[row * image.width * 3 :][: image.width * 3] for row in range(image.height))
    pixels = b"".join(b"\0" + bytes(byte for value in row for byte in (value, value)) for row in rows)
    header = struct.pack(">IIBBBBB", image.width, image.height, 16, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(pixels)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
