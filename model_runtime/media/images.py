"""Decode, resize and encode images with Pillow. The content decides the format, never the file's name."""

import io
import math
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import BinaryIO

from pi_heif import register_heif_opener
from PIL import ExifTags, Image, ImageOps

from model_runtime.errors import InvalidMedia
from model_runtime.media.image_encoding import encode_pillow, provenance_text
from model_runtime.media.sniff import DAMAGED_MESSAGE, SNIFFED_BYTES, sniff_format
from model_runtime.media.types import ImageData, ImageFormat, PixelBox

MAX_BYTES = 50_000_000
MAX_PIXELS = 100_000_000
MODEL_PIXELS = 4096 * 4096
"""The most pixels that a model of the catalogue or of mlx-vlm looks at: `longest_edge` of Qwen2-VL's and Qwen3-VL's
preprocessor_config.json, which is an area. Every other processor shrinks to less."""
register_heif_opener()
INPUT_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "HEIF", "AVIF")
"""Pillow decoders that are safe with untrusted files; EPS, for example, runs Ghostscript."""

NO_TRANSPARENCY = "says nothing about what may change; transparent pixels say it"

PREVIEW_SIDES = (768, 512, 384)
PREVIEW_QUALITY = 80

BAND_ROWS = 256
"""Rows of the result that are converted or written at once, so that the pixels are not in memory twice."""
FIRST_NUMBER = re.compile(r"\d+")
"""In Pillow's message about too many pixels, their number."""
BYTES_PER_PIXEL = 4
"""Pillow keeps a pixel of three channels in four bytes."""
FORMAT_COPIES = {"WEBP": 3, "TIFF": 2, "HEIF": 3, "AVIF": 3}
"""How often all pixels are in memory, where it is more than once. libwebp's buffer, the bytes that Pillow copies out of
it, and the image; a strip of a TIFF, which may be the whole picture, and the image; of a HEIC photo and an AVIF image
the planes of the video frame, the bytes and the image."""
MAX_DECODING_BYTES = 9 * BYTES_PER_PIXEL * MODEL_PIXELS
"""What the most expensive plain picture takes, 604 MB: all its pixels and their RGB copy, each just too few to be halved,
and the result."""
COEFFICIENT_BYTES_PER_PIXEL = 6
"""libjpeg keeps all coefficients of a progressive JPEG: three channels of 16 bits."""

TURNED = (5, 6, 7, 8)
"""Values of the EXIF orientation that exchange rows and columns (EXIF 2.32, 4.6.4 A)."""

Image.MAX_IMAGE_PIXELS = MAX_PIXELS


def decode_image(
    source: bytes | BinaryIO, *, param: str = "image", max_pixels: int = MAX_PIXELS, region: PixelBox | None = None
) -> ImageData:
    """Decode the first frame of an image file, upright, with transparency blended onto white.

    Size limits are checked before pixels are decoded. A picture of more than `max_pixels` is shrunk to them. With
    `region` only that part is decoded, and is the picture: its size is that of the file.

    Raises:
        InvalidMedia: the file is too large, damaged, or not in one of the `INPUT_FORMATS`. It is not quoted.
    """
    rgb = io.BytesIO()
    decoded = write_image(source, rgb, param=param, max_pixels=max_pixels, region=region)
    return replace(decoded, content=rgb.getvalue())


def write_image(
    source: bytes | BinaryIO,
    out: BinaryIO,
    *,
    param: str,
    max_pixels: int = MAX_PIXELS,
    region: PixelBox | None = None,
) -> ImageData:
    """Decode as `decode_image`, write the pixels to `out` and return the picture without them.

    Raises:
        InvalidMedia: as for `decode_image`.
        OSError: `out` cannot be written.
    """
    file_size = region[2:] if region else _open_image(source, param).size
    try:
        decoded = _decode(
            _open_image(source, param), max_pixels, region
        )  # opened again, so that only `_decode` refers to it
    except Exception as error:  # Pillow's parsers raise exceptions of many types
        raise _invalid_image(DAMAGED_MESSAGE, param) from error
    out.writelines(band.tobytes() for band in _bands(decoded, BAND_ROWS))
    is_shrunk = decoded.width * decoded.height < file_size[0] * file_size[1]
    return ImageData(*decoded.size, b"", *(_turned_like(decoded, file_size) if is_shrunk else (0, 0)))


def write_mask(source: bytes | BinaryIO, out: BinaryIO, *, param: str, max_pixels: int = MAX_PIXELS) -> ImageData:
    """Write the mask in an image file's alpha channel as white where it is transparent; return it without its pixels.

    It is upright and has at most `max_pixels`, as the picture of `write_image`, to which it belongs.

    Raises:
        InvalidMedia: as for `decode_image`, or the file has no transparent pixels.
        OSError: `out` cannot be written.
    """
    image = _open_image(source, param)
    if not image.has_transparency_data:
        raise _invalid_image(f"{NO_TRANSPARENCY}: it has no alpha channel", param)
    try:
        changing = ImageOps.invert(ImageOps.exif_transpose(image).convert("RGBA").getchannel("A"))
        size = size_within(changing.size, max_pixels)
        mask = changing if size == changing.size else changing.resize(size, Image.Resampling.LANCZOS)
    except Exception as error:  # Pillow's parsers raise exceptions of many types
        raise _invalid_image(DAMAGED_MESSAGE, param) from error
    if mask.getbbox() is None:
        raise _invalid_image(f"{NO_TRANSPARENCY}: every pixel is opaque", param)
    out.writelines(band.convert("RGB").tobytes() for band in _bands(mask, BAND_ROWS))
    return ImageData(*mask.size, b"", *(changing.size if size != changing.size else (0, 0)))


def decode_mask(source: bytes | BinaryIO, *, param: str, max_pixels: int = MAX_PIXELS) -> ImageData:
    """Decode the mask in an image file's alpha channel, as `write_mask`.

    Raises:
        InvalidMedia: as for `write_mask`.
    """
    pixels = io.BytesIO()
    mask = write_mask(source, pixels, param=param, max_pixels=max_pixels)
    return replace(mask, content=pixels.getvalue())


def decoding_bytes(
    source: bytes | BinaryIO, *, param: str, max_pixels: int = MAX_PIXELS, region: PixelBox | None = None
) -> int:
    """Return about how many bytes of memory `write_image` takes, from the header of the file.

    Raises:
        InvalidMedia: as for `decode_image`, if the header shows it.
    """
    image = _open_image(source, param)
    all_pixels = image.width * image.height
    if region is None:
        _draft(image, max_pixels)
    decoded_pixels = image.width * image.height
    copies = FORMAT_COPIES.get(image.format or "", 1) + (region is not None)  # the upright one that is cut
    coefficients = COEFFICIENT_BYTES_PER_PIXEL * all_pixels if image.info.get("progressive") else 0
    reduced_pixels = decoded_pixels // _reduction(decoded_pixels, max_pixels) ** 2
    result_pixels = min(reduced_pixels, max_pixels)
    return coefficients + BYTES_PER_PIXEL * (copies * decoded_pixels + reduced_pixels + result_pixels)


def upright_size(source: bytes | BinaryIO, *, param: str) -> tuple[int, int]:
    """Return the width and height of an image file's picture, upright, from its header.

    Raises:
        InvalidMedia: as for `decode_image`, if the header shows it.
    """
    image = _open_image(source, param)
    orientation = 1
    with suppress(Exception):  # as in `_decode`
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    return image.size if orientation not in TURNED else image.size[::-1]


def alpha_channel(source: bytes | BinaryIO, *, param: str) -> Image.Image | None:
    """Return the alpha channel of the first frame, upright, as a greyscale image; None if every pixel is opaque.

    Raises:
        InvalidMedia: as for `decode_image`.
    """
    image = _open_image(source, param)
    if not image.has_transparency_data:
        return None
    try:
        return ImageOps.exif_transpose(image).convert("RGBA").getchannel("A")
    except Exception as error:
        raise _invalid_image(DAMAGED_MESSAGE, param) from error


def encode_image(image: ImageData | bytes, format: ImageFormat = "png", quality: int = 90) -> bytes:  # noqa: A002
    """Encode an image, or re-encode a PNG with what it was drawn from. `quality` 1..100 is for JPEG and WebP."""
    if not isinstance(image, bytes):
        return encode_pillow(to_pillow(image), format, quality=quality)
    if format == "png":
        return image
    with Image.open(io.BytesIO(image), formats=INPUT_FORMATS) as file:
        return encode_pillow(_to_rgb(file), format, quality=quality, provenance=provenance_text(file))


def read_provenance(source: BinaryIO) -> str:
    """Return the text in a file's metadata that says what the picture was drawn from, or "" without one.

    The file is left at its start.
    """
    text = ""
    with suppress(Exception):  # the file may be damaged, or no picture at all
        text = provenance_text(Image.open(source, formats=INPUT_FORMATS))
    source.seek(0)
    return text


def encode_preview(data: bytes, max_side: int, max_bytes: int) -> tuple[bytes, int, int]:
    """Return a small JPEG of an image file, with its width and height in pixels.

    Tries `max_side`, then the smaller `PREVIEW_SIDES`, until the JPEG has at most `max_bytes`; returns the smallest
    one if none does. The image is never enlarged.

    Raises:
        InvalidMedia: `data` cannot be decoded.
    """
    image = decode_image(data)
    sides = (max_side, *(side for side in PREVIEW_SIDES if side < max_side))
    return next(
        (encoded for encoded in (_encode_jpeg(image, side) for side in sides) if len(encoded[0]) <= max_bytes),
        _encode_jpeg(image, sides[-1]),
    )


def resize_to_fit(image: ImageData, max_side: int) -> ImageData:
    """Shrink an image until neither side exceeds `max_side` pixels, keeping its aspect ratio."""
    longest_side = max(image.width, image.height)
    if longest_side <= max_side:
        return image
    width, height = (max(1, round(side * max_side / longest_side)) for side in (image.width, image.height))
    return from_pillow(to_pillow(image).resize((width, height), Image.Resampling.LANCZOS))


def to_pillow(image: ImageData) -> Image.Image:
    """Return a Pillow image with the same pixels."""
    return Image.frombytes("RGB", (image.width, image.height), image.rgb)


def from_pillow(image: Image.Image) -> ImageData:
    """Return the RGB pixels of a Pillow image of any mode."""
    rgb_image = _to_rgb(image)
    return ImageData(rgb_image.width, rgb_image.height, rgb_image.tobytes())


def _open_image(source: bytes | BinaryIO, param: str) -> Image.Image:
    """Read the header and check the limits."""
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    size_bytes = file.seek(0, io.SEEK_END)
    file.seek(0)
    if size_bytes > MAX_BYTES:
        raise _invalid_image(f"has {size_bytes / 1e6:.1f} MB; at most {MAX_BYTES // 1_000_000} MB are accepted", param)
    try:
        image = Image.open(file, formats=INPUT_FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many_pixels(int(FIRST_NUMBER.findall(str(error))[0]), param) from error
    except Exception as error:
        file.seek(0)
        raise _invalid_image(sniff_format(file.read(SNIFFED_BYTES)), param) from error
    if image.width * image.height > MAX_PIXELS:
        raise _too_many_pixels(image.width * image.height, param)
    return image


def _decode(image: Image.Image, max_pixels: int, region: PixelBox | None) -> Image.Image:
    """Return the RGB pixels, upright and at most `max_pixels`."""
    if region is None:
        _draft(image, max_pixels)
    else:
        left, top, width, height = region
        image = ImageOps.exif_transpose(image).crop((left, top, left + width, top + height))
    image.load()
    rgb_image = _reduce_to_rgb(image, _reduction(image.width * image.height, max_pixels))
    with suppress(Exception):  # a broken EXIF block does not make the pixels unusable
        rgb_image.getexif()[ExifTags.Base.Orientation] = image.getexif()[ExifTags.Base.Orientation]
    del image  # the memory of all pixels
    ImageOps.exif_transpose(rgb_image, in_place=True)
    size = size_within(rgb_image.size, max_pixels)
    return rgb_image if size == rgb_image.size else rgb_image.resize(size, Image.Resampling.LANCZOS)


def _turned_like(upright: Image.Image, size: tuple[int, int]) -> tuple[int, int]:
    """Return the sides of a file in the order of the upright picture."""
    is_turned = (upright.width >= upright.height) != (size[0] >= size[1])
    return size[::-1] if is_turned else size


def _draft(image: Image.Image, max_pixels: int) -> None:
    """Let a JPEG be decoded at a half, a quarter or an eighth of its sides, if that still has `max_pixels`."""
    image.draft(None, size_within(image.size, max_pixels))


def _reduction(pixels: int, max_pixels: int) -> int:
    """Return the whole factor by which sides may shrink without falling below `max_pixels`."""
    return max(1, math.isqrt(pixels // max_pixels))


def _reduce_to_rgb(image: Image.Image, factor: int) -> Image.Image:
    """Convert to RGB and divide the sides by `factor`, in bands: few of the pixels are in memory twice."""
    reduced = Image.new("RGB", (-(-image.width // factor), -(-image.height // factor)))
    for index, band in enumerate(_bands(image, BAND_ROWS * factor)):
        reduced.paste(_to_rgb(band).reduce(factor), (0, index * BAND_ROWS))
    return reduced


def _bands(image: Image.Image, rows: int) -> Iterator[Image.Image]:
    """Yield the picture in bands of `rows` rows, from the top."""
    for top in range(0, image.height, rows):
        yield image.crop((0, top, image.width, min(top + rows, image.height)))


def size_within(size: tuple[int, int], max_pixels: int) -> tuple[int, int]:
    """Return the largest size of the same aspect ratio with at most `max_pixels`, never enlarged."""
    width, height = size
    scale = math.sqrt(max_pixels / (width * height))
    return size if scale >= 1 else (max(1, int(width * scale)), max(1, int(height * scale)))


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16-bit greyscale
        to_eight_bits: Callable[[int], float] = lambda value: value * (1 / 256)  # noqa: E731
        return image.point(to_eight_bits).convert("L").convert("RGB")
    if not image.has_transparency_data:
        return image.convert("RGB")
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def _encode_jpeg(image: ImageData, side: int) -> tuple[bytes, int, int]:
    resized = resize_to_fit(image, side)
    return encode_image(resized, "jpeg", PREVIEW_QUALITY), resized.width, resized.height


def _too_many_pixels(pixels: int, param: str) -> InvalidMedia:
    limit = f"at most {MAX_PIXELS // 1_000_000} megapixels are accepted. Send a smaller one"
    return _invalid_image(f"has {pixels / 1e6:.1f} megapixels; {limit}", param)


def _invalid_image(problem: str, param: str) -> InvalidMedia:
    return InvalidMedia(f"The image {problem}.", param=param, code="image_parse_error")
