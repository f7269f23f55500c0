"""Describe bytes that are not a supported image, for error messages. Nothing of them is quoted."""

import re

ACCEPTED_FORMATS = "PNG, JPEG, WebP, HEIC, AVIF, GIF, BMP or TIFF"
DAMAGED_MESSAGE = "is damaged or truncated, so it cannot be decoded; send the file again"
IMAGE_SIGNATURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"II*\0", b"MM\0*")
AUDIO_OR_VIDEO_MESSAGE = f"is a video or a recording; send {ACCEPTED_FORMATS}"
SNIFFED_BYTES = 4096
"""Bytes at the start of a file that decide its description."""
SVG_TAG_PATTERN = re.compile(rb"<svg[\s>]")
PICTURE_BRANDS = frozenset(b"heic heix heim heis hevc hevx mif1 msf1 avif avis".split())
"""Brands of ISO base media files that are HEIC photos or AVIF images, the four bytes after `ftyp` (ISO/IEC 14496-12,
23008-12)."""


def sniff_format(data: bytes) -> str:
    """Return the end of the sentence "The image …" for bytes that no image decoder accepts."""
    if not data:
        return "is empty"
    if data[4:8] == b"ftyp":
        return DAMAGED_MESSAGE if data[8:12] in PICTURE_BRANDS else AUDIO_OR_VIDEO_MESSAGE
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


def _is_text(start: bytes) -> bool:
    try:
        text = start.decode("utf-8")
    except UnicodeDecodeError as error:
        # the excerpt may end inside a character of up to four bytes
        return error.start >= len(start) - 3 and _is_text(start[: error.start]) if error.start else False
    return all(character.isprintable() or character in "\t\r\n\f" for character in text)
