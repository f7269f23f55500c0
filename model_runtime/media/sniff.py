"""Say what bytes are that are no picture we open, in words that help; nothing of them is quoted."""

import re

OPENED = "PNG, JPEG, WebP, GIF, BMP or TIFF"
DAMAGED = "is damaged or cut off, so it cannot be decoded; send the file again"
SIGNATURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"II*\0", b"MM\0*")
SOUND_OR_VIDEO = f"is a video or a recording; send {OPENED}"
SVG = re.compile(rb"<svg[\s>]")
BOX_BRANDS = {
    "is a HEIC photo": (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"),
    "is an AVIF picture": (b"avif", b"avis"),
}
"""Brands of ISO base media files (ISO/IEC 14496-12, 23008-12): the four bytes after `ftyp`."""


def name_content(data: bytes) -> str:
    """Complete the sentence "The picture …" for bytes that no picture decoder accepts."""
    if not data:
        return "is empty"
    if data[4:8] == b"ftyp":
        return _named_box(data[8:12])
    if data.startswith(b"%PDF"):
        return f"is a PDF document; send a page of it as {OPENED}"
    if SVG.search(data[:4096]):
        return f"is an SVG drawing; send it as {OPENED}"
    if _is_text(data[:4096]):
        return f"is a text file; send {OPENED}"
    if data.startswith(SIGNATURES) or data[8:12] == b"WEBP":
        return DAMAGED
    if data.startswith(b"RIFF"):
        return SOUND_OR_VIDEO
    return f"is not {OPENED}, or its start is damaged"


def _named_box(brand: bytes) -> str:
    name = next((name for name, brands in BOX_BRANDS.items() if brand in brands), "")
    if name:
        return f"{name}, which is not opened; on a Mac, `sips -s format jpeg IN --out OUT.jpg` converts it"
    return SOUND_OR_VIDEO


def _is_text(start: bytes) -> bool:
    try:
        text = start.decode("utf-8")
    except UnicodeDecodeError as error:
        # a character cut in two at the end of the excerpt
        return error.start >= len(start) - 3 and _is_text(start[: error.start]) if error.start else False
    return all(letter.isprintable() or letter in "\t\r\n\f" for letter in text)
