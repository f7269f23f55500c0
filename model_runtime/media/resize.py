"""A picture file within a number of bytes: lower quality first, then fewer pixels."""

from collections.abc import Iterator
from dataclasses import dataclass

from model_runtime.errors import InvalidInput
from model_runtime.media.pictures import decode_picture, encode_picture, resize_to_fit
from model_runtime.media.types import FileFormat

QUALITIES = (90, 80, 70, 60, 50)
SIDES = (1024, 768, 512, 384, 256)


@dataclass(frozen=True, slots=True)
class Fitted:
    """A picture file, its pixels, and the quality 1..100 it was encoded with; None for PNG, which loses nothing."""

    data: bytes
    width: int
    height: int
    quality: int | None


def fit_picture(png: bytes, format: FileFormat, max_bytes: int) -> Fitted:  # noqa: A002 - the user's word
    """Re-encode a PNG as the best file of `format` that has at most `max_bytes`; 0 means any number.

    Raises:
        InvalidInput: even the smallest one is larger.
    """
    smallest = 0
    for fitted in _attempts(png, format):
        if not max_bytes or len(fitted.data) <= max_bytes:
            return fitted
        smallest = len(fitted.data)
    raise InvalidInput(
        f"The picture cannot be made smaller than {smallest / 1000:.0f} kB as {format}; {max_bytes / 1000:.0f} kB were "
        "asked for. Allow more, or choose webp.",
        param="max_kb",
    )


def _attempts(png: bytes, format: FileFormat) -> Iterator[Fitted]:  # noqa: A002
    """From the whole picture at its best, with how it was drawn in its metadata, down to a thumbnail without."""
    qualities = (None,) if format == "png" else QUALITIES
    picture = decode_picture(png)
    for quality in qualities:
        yield Fitted(encode_picture(png, format, quality or 0), picture.width, picture.height, quality)
    for side in (side for side in SIDES if side < max(picture.width, picture.height)):
        small = resize_to_fit(picture, side)
        for quality in qualities:
            yield Fitted(encode_picture(small, format, quality or 0), small.width, small.height, quality)
