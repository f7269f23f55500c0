"""A picture file within a number of bytes: lower quality first, then fewer pixels."""

from collections.abc import Iterator
from dataclasses import dataclass

from model_runtime.errors import InvalidInput
from model_runtime.media.images import decode_image, encode_image, resize_to_fit
from model_runtime.media.types import ImageFormat

QUALITY_STEPS = (90, 80, 70, 60, 50)
MAX_SIDE_STEPS = (1024, 768, 512, 384, 256)


@dataclass(frozen=True, slots=True)
class EncodedImage:
    """A picture file, its pixels, and the quality 1..100 it was encoded with; None for PNG, which loses nothing."""

    data: bytes
    width: int
    height: int
    quality: int | None


def encode_within_bytes(png: bytes, format: ImageFormat, max_bytes: int) -> EncodedImage:  # noqa: A002 - the user's word
    """Re-encode a PNG as the best file of `format` that has at most `max_bytes`; 0 means any number.

    Raises:
        InvalidInput: even the smallest one is larger.
    """
    smallest_bytes = 0
    for candidate in _encode_candidates(png, format):
        if not max_bytes or len(candidate.data) <= max_bytes:
            return candidate
        smallest_bytes = len(candidate.data)
    raise InvalidInput(
        f"The picture cannot be made smaller than {smallest_bytes / 1000:.0f} kB as {format}; {max_bytes / 1000:.0f} kB were "
        "asked for. Allow more, or choose webp.",
        param="max_kb",
    )


def _encode_candidates(png: bytes, format: ImageFormat) -> Iterator[EncodedImage]:  # noqa: A002
    """From the whole picture at its best, with how it was drawn in its metadata, down to a thumbnail without."""
    qualities = (None,) if format == "png" else QUALITY_STEPS
    image = decode_image(png)
    for quality in qualities:
        yield EncodedImage(encode_image(png, format, quality or 0), image.width, image.height, quality)
    for side in (side for side in MAX_SIDE_STEPS if side < max(image.width, image.height)):
        resized = resize_to_fit(image, side)
        for quality in qualities:
            yield EncodedImage(encode_image(resized, format, quality or 0), resized.width, resized.height, quality)
