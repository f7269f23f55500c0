"""Encode an image into a limited number of bytes: with lower quality first, then with fewer pixels."""

from collections.abc import Iterator
from dataclasses import dataclass

from model_runtime.errors import InvalidInput
from model_runtime.media.images import decode_image, encode_image, resize_to_fit
from model_runtime.media.types import ImageFormat

QUALITY_STEPS = (90, 80, 70, 60, 50)
MAX_SIDE_STEPS = (1024, 768, 512, 384, 256)


@dataclass(frozen=True, slots=True)
class EncodedImage:
    """An image file, its size in pixels, and its quality 1..100; None for PNG, which is lossless."""

    data: bytes
    width: int
    height: int
    quality: int | None


def encode_within_bytes(png: bytes, format: ImageFormat, max_bytes: int) -> EncodedImage:  # noqa: A002 - the user's word
    """Re-encode a PNG with the best quality and size that fit into `max_bytes`; 0 means no limit.

    Raises:
        InvalidInput: even the smallest file has more bytes.
    """
    smallest_bytes = 0
    for candidate in _encode_candidates(png, format):
        if not max_bytes or len(candidate.data) <= max_bytes:
            return candidate
        smallest_bytes = len(candidate.data)
    raise InvalidInput(
        f"The smallest {format} of this image has {smallest_bytes / 1000:.0f} kB, more than max_kb "
        f"({max_bytes / 1000:.0f} kB). Allow more, or choose webp.",
        param="max_kb",
    )


def _encode_candidates(png: bytes, format: ImageFormat) -> Iterator[EncodedImage]:  # noqa: A002
    """Yield files from the largest to the smallest. Only those of full size keep the generation parameters."""
    qualities = (None,) if format == "png" else QUALITY_STEPS
    image = decode_image(png)
    for quality in qualities:
        yield EncodedImage(encode_image(png, format, quality or 0), image.width, image.height, quality)
    for side in (side for side in MAX_SIDE_STEPS if side < max(image.width, image.height)):
        resized = resize_to_fit(image, side)
        for quality in qualities:
            yield EncodedImage(encode_image(resized, format, quality or 0), resized.width, resized.height, quality)
