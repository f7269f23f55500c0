"""Describe bytes that are not a supported image, for error messages. Nothing of them is quoted."""

import re

ACCEPTED_FORMATS = "PNG, JPEG, WebP, GIF, BMP or TIFF"
DAMAGED_MESSAGE = "is damaged or truncated, so it cannot be decoded; send the file again"
IMAGE_SIGNATURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"II*\0", b"MM\0*")
AUDIO_OR_VIDEO_MESSAGE = f"is a video or a recording; send {ACCEPTED_FORMATS}"
SNIFFED_BYTES = 4096
"""Bytes at the start of a file that decide its description."""
SVG_TAG_PATTERN = re.compile(rb"<svg[\s>]")
ISO_MEDIA_BRANDS = {
    "is a HEIC photo": (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"),
    "is an AVIF image": (b"avif", b"avis"),
}
"""Description → brands of ISO base media files, the four bytes after `ftyp` (ISO/IEC 14496-12, 23008-12)."""


def sniff_format(data: bytes) -> str:
    """Return the end of the sentence "The image …" for bytes that no image decoder accepts."""
    if not data:
        return "is empty"
    if data[4:8] == b"ftyp":
        return _describe_iso_media(data[8:12])
    if data.startswith(b"%PDF"):
        return f"is a PDF document; send a page of it as {ACCEPTED_FORMATS}"
    if SVG_TAG_PATTERN.search(data[:SNIFFED_BYTES]):
        return f"is an SVG drawing; send it as {ACCEPTED_FORMATS}"
    if _is_text(data[:SNIFFED_BYTES]):
        return f"is a text file; send {ACCEPTED_FORMATS}"
    if data.startswith(IMAGE_SIGNATURES) or data[8:12] == b"WEBP":
        return DAMAGED_MESSAGE
    if data.startswith(b"RIFF"):
        return AUDIO_OR_VIDEO_MESSAGE
    return f"is not {ACCEPTED_FORMATS}, or its start is damaged"


def _describe_iso_media(brand: bytes) -> str:
    name = next((name for name, brands in ISO_MEDIA_BRANDS.items() if brand in brands), "")
    if name:
        return f"{name}, which is not supported; on a Mac, `sips -s format jpeg IN --out OUT.jpg` converts it"
    return AUDIO_OR_VIDEO_MESSAGE


def _is_text(start: bytes) -> bool:
    try:
        text = start.decode("utf-8")
    except UnicodeDecodeError as error:
        # the excerpt may end inside a character of up to four bytes
        return error.start >= len(start) - 3 and _is_text(start[: error.start]) if error.start else False
    return all(character.isprintable() or character in "\t\r\n\f" for character in text)
