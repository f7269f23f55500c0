"""Decode, resize and encode images with Pillow. The content decides the format, never the file's name."""

import io
from collections.abc import Callable

from PIL import ExifTags, Image, ImageOps, PngImagePlugin

from model_runtime.errors import InvalidMedia
from model_runtime.media.sniff import DAMAGED_MESSAGE, sniff_format
from model_runtime.media.types import ImageData, ImageFormat

MAX_BYTES = 50_000_000
MAX_PIXELS = 100_000_000
INPUT_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
"""Pillow decoders that are safe with untrusted files; EPS, for example, runs Ghostscript."""

PREVIEW_SIDES = (768, 512, 384)
PREVIEW_QUALITY = 80
PARAMETERS_KEY = "parameters"
"""Key of the PNG text in which image tools store the generation parameters."""

Image.MAX_IMAGE_PIXELS = MAX_PIXELS


def decode_image(data: bytes, *, param: str = "image") -> ImageData:
    """Decode the first frame of an image file, upright, with transparency blended onto white.

    Size limits are checked before pixels are decoded.

    Raises:
        InvalidMedia: `data` is too large, damaged, or not in one of the `INPUT_FORMATS`. It is not quoted.
    """
    if len(data) > MAX_BYTES:
        raise _invalid_image(f"has {len(data) / 1e6:.1f} MB; at most {MAX_BYTES // 1_000_000} MB are accepted", param)
    image = _open_header(data, param)
    if image.width * image.height > MAX_PIXELS:
        raise _too_many_pixels(param)
    try:
        return from_pillow(_apply_exif_orientation(image))
    except Exception as error:  # Pillow's parsers raise exceptions of many types
        raise _invalid_image(DAMAGED_MESSAGE, param) from error


def encode_image(image: ImageData | bytes, format: ImageFormat = "png", quality: int = 90) -> bytes:  # noqa: A002
    """Encode an image, or re-encode a PNG with its generation parameters. `quality` 1..100 is for JPEG and WebP.

    PNG stores the parameters as text, JPEG and WebP as the EXIF user comment.
    """
    if isinstance(image, bytes) and format == "png":
        return image
    pillow_image = (
        Image.open(io.BytesIO(image), formats=INPUT_FORMATS) if isinstance(image, bytes) else to_pillow(image)
    )
    parameters = pillow_image.info.get(PARAMETERS_KEY, "")
    out = io.BytesIO()
    if format == "png":
        pillow_image.save(out, "PNG")
    else:
        _to_rgb(pillow_image).save(out, format.upper(), quality=quality, exif=_exif_with_comment(parameters))
    return out.getvalue()


def encode_png_with_parameters(image: Image.Image, parameters: str) -> bytes:
    """Encode an image as PNG with `parameters` (JSON) as text. Equal input gives equal bytes."""
    info = PngImagePlugin.PngInfo()
    info.add_itxt(PARAMETERS_KEY, parameters)
    out = io.BytesIO()
    image.save(out, "PNG", pnginfo=info)
    return out.getvalue()


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


def _open_header(data: bytes, param: str) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=INPUT_FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many_pixels(param) from error
    except Exception as error:
        raise _invalid_image(sniff_format(data), param) from error


def _apply_exif_orientation(image: Image.Image) -> Image.Image:
    image.load()
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # noqa: BLE001 - a broken EXIF block does not make the pixels unusable
        return image


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16-bit greyscale
        to_eight_bits: Callable[[int], float] = lambda value: value * (1 / 256)  # noqa: E731
        return image.point(to_eight_bits).convert("L").convert("RGB")
    if not image.has_transparency_data:
        return image.convert("RGB")
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def _exif_with_comment(parameters: str) -> Image.Exif:
    """Return EXIF with a user comment, which starts with its character set, padded to 8 bytes (EXIF 2.32, 4.6.5)."""
    exif = Image.Exif()
    if parameters:
        comment = b"UNICODE\0" + parameters.encode("utf-16-be")
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = comment
    return exif


def _encode_jpeg(image: ImageData, side: int) -> tuple[bytes, int, int]:
    resized = resize_to_fit(image, side)
    return encode_image(resized, "jpeg", PREVIEW_QUALITY), resized.width, resized.height


def _too_many_pixels(param: str) -> InvalidMedia:
    return _invalid_image(f"has more than {MAX_PIXELS // 1_000_000} megapixels; send a smaller one", param)


def _invalid_image(problem: str, param: str) -> InvalidMedia:
    return InvalidMedia(f"The image {problem}.", param=param, code="image_parse_error")
