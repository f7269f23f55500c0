"""Pictures in and out: decoding what a caller sends, resizing, previews and file formats. Every Pillow call is here.

What arrives is told by its content, never by its name, and only by decoders that are safe with files of strangers.
"""

import io
from collections.abc import Callable

from PIL import ExifTags, Image, ImageOps, PngImagePlugin

from model_runtime.errors import BadMedia
from model_runtime.media.sniff import DAMAGED, name_content
from model_runtime.media.types import FileFormat, Picture

MAX_BYTES = 50_000_000
MAX_PIXELS = 100_000_000
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")

PREVIEW_SIDES = (768, 512, 384)
PREVIEW_QUALITY = 80
PARAMETERS = "parameters"
"""The PNG text, and the EXIF user comment, under which image tools keep how a picture was made."""

Image.MAX_IMAGE_PIXELS = MAX_PIXELS


def decode_picture(data: bytes, *, param: str = "image") -> Picture:
    """Decode a picture file into an upright RGB picture: the first frame, transparency laid on white.

    Raises:
        BadMedia: `data` is too large, no picture, damaged, or of a kind that is not opened (SVG, HEIC, …). Nothing of
            it is quoted. Size limits are checked before pixels are decoded.
    """
    if len(data) > MAX_BYTES:
        raise _bad(f"has {len(data) / 1e6:.1f} MB; at most {MAX_BYTES // 1_000_000} MB are accepted", param)
    image = _open(data, param)
    if image.width * image.height > MAX_PIXELS:
        raise _too_many_pixels(param)
    try:
        return from_pillow(_upright(image))
    except Exception as error:  # Pillow's parsers raise whatever they stumbled over
        raise _bad(DAMAGED, param) from error


def encode_picture(picture: Picture | bytes, format: FileFormat = "png", quality: int = 90) -> bytes:  # noqa: A002
    """Encode a picture, or re-encode a PNG, keeping the parameters it was drawn with.

    A PNG carries them as text, the other formats as an EXIF user comment. `quality` 1..100 is for JPEG and WebP.
    """
    if isinstance(picture, bytes) and format == "png":
        return picture
    image = Image.open(io.BytesIO(picture), formats=FORMATS) if isinstance(picture, bytes) else to_pillow(picture)
    parameters = image.info.get(PARAMETERS, "")
    out = io.BytesIO()
    if format == "png":
        image.save(out, "PNG")
    else:
        _rgb(image).save(out, format.upper(), quality=quality, exif=_exif(parameters))
    return out.getvalue()


def encode_drawing(image: Image.Image, parameters: str) -> bytes:
    """Encode a drawing as PNG with `parameters` (JSON) in its text; equal input gives equal bytes."""
    info = PngImagePlugin.PngInfo()
    info.add_itxt(PARAMETERS, parameters)
    out = io.BytesIO()
    image.save(out, "PNG", pnginfo=info)
    return out.getvalue()


def preview(png: bytes, max_side: int, max_bytes: int) -> tuple[bytes, int, int]:
    """Make a small JPEG of a picture file and return it with its width and height.

    Sides go down from `max_side` over 512 and 384 pixels until the JPEG fits `max_bytes`; where none does, the
    smallest is returned. A picture is never enlarged.
    """
    picture = decode_picture(png)
    sides = (max_side, *(side for side in PREVIEW_SIDES if side < max_side))
    return next(
        (shot for shot in (_shot(picture, side) for side in sides) if len(shot[0]) <= max_bytes),
        _shot(picture, sides[-1]),
    )


def resize_to_fit(picture: Picture, max_side: int) -> Picture:
    """Shrink a picture so that neither side exceeds `max_side` pixels, keeping its shape."""
    largest = max(picture.width, picture.height)
    if largest <= max_side:
        return picture
    size = (max(1, round(side * max_side / largest)) for side in (picture.width, picture.height))
    return from_pillow(to_pillow(picture).resize((next(size), next(size)), Image.Resampling.LANCZOS))


def to_pillow(picture: Picture) -> Image.Image:
    """The picture as a Pillow image."""
    return Image.frombytes("RGB", (picture.width, picture.height), picture.rgb)


def from_pillow(image: Image.Image) -> Picture:
    """A Pillow image of any mode as a picture."""
    rgb = _rgb(image)
    return Picture(rgb.width, rgb.height, rgb.tobytes())


def _open(data: bytes, param: str) -> Image.Image:
    """Read the header only."""
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many_pixels(param) from error
    except Exception as error:
        raise _bad(name_content(data), param) from error


def _upright(image: Image.Image) -> Image.Image:
    image.load()
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # noqa: BLE001 - a broken EXIF block is no reason to refuse good pixels
        return image


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        to_eight_bits: Callable[[int], float] = lambda value: value * (1 / 256)  # noqa: E731
        return image.point(to_eight_bits).convert("L").convert("RGB")
    if not image.has_transparency_data:
        return image.convert("RGB")
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def _exif(parameters: str) -> Image.Exif:
    """EXIF 2.32: a user comment starts with the name of its character set, padded to eight bytes."""
    exif = Image.Exif()
    if parameters:
        comment = b"UNICODE\0" + parameters.encode("utf-16-be")
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = comment
    return exif


def _shot(picture: Picture, side: int) -> tuple[bytes, int, int]:
    small = resize_to_fit(picture, side)
    return encode_picture(small, "jpeg", PREVIEW_QUALITY), small.width, small.height


def _too_many_pixels(param: str) -> BadMedia:
    return _bad(f"has more than {MAX_PIXELS // 1_000_000} megapixels; send a smaller one", param)


def _bad(problem: str, param: str) -> BadMedia:
    return BadMedia(f"The picture {problem}.", param=param, code="image_parse_error")
