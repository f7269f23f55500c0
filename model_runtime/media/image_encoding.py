"""Encode Pillow images, with the text that says what a picture was drawn from in their metadata.

PNG holds the text under the key `parameters`, JPEG and WebP as the EXIF user comment: where AUTOMATIC1111's web UI
writes it and other tools look for it.
"""

import io
from contextlib import suppress

from PIL import ExifTags, Image, PngImagePlugin

from model_runtime.media.types import ImageFormat

PROVENANCE_KEY = "parameters"
COMMENT_ENCODINGS = {b"UNICODE\0": "utf-16-be", b"ASCII\0\0\0": "ascii"}
"""First 8 bytes of an EXIF user comment → its encoding (EXIF 2.32, 4.6.5)."""
UNICODE_COMMENT = b"UNICODE\0"


def encode_pillow(
    image: Image.Image,
    format: ImageFormat,  # noqa: A002 - the user's word
    *,
    quality: int = 90,
    provenance: str = "",
) -> bytes:
    """Encode an image, with `provenance` in its metadata. `quality` 1..100 is for JPEG and WebP.

    Equal input gives equal bytes.
    """
    out = io.BytesIO()
    if format == "png":
        info = PngImagePlugin.PngInfo()
        if provenance:
            info.add_itxt(PROVENANCE_KEY, provenance)
        image.save(out, "PNG", pnginfo=info)
    else:
        image.save(out, format.upper(), quality=quality, exif=_exif_with_comment(provenance))
    return out.getvalue()


def provenance_text(file: Image.Image) -> str:
    """Return the text in the metadata of an opened image file that says what it was drawn from, or "" without one."""
    text = file.info.get(PROVENANCE_KEY)
    if isinstance(text, str):
        return str(text)
    with suppress(Exception):  # a broken EXIF block does not make a picture unusable
        comment = file.getexif().get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment]
        return bytes(comment[8:]).decode(COMMENT_ENCODINGS[comment[:8]])
    return ""


def _exif_with_comment(text: str) -> Image.Exif:
    exif = Image.Exif()
    if text:
        comment = UNICODE_COMMENT + text.encode(COMMENT_ENCODINGS[UNICODE_COMMENT])
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = comment
    return exif
