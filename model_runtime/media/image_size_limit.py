"""Encode an image into a limited number of bytes: with lower quality first, then with fewer pixels."""

from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image

from model_runtime.errors import InvalidInput
from model_runtime.media.image_encoding import encode_pillow
from model_runtime.media.picture_files import Picture
from model_runtime.media.types import ImageFormat

QUALITY_STEPS = (90, 80, 70, 60, 50)
MAX_SIDE_STEPS = (1024, 768, 512, 384, 256)


@dataclass(frozen=True, slots=True)
class EncodedImage:
    """An image file, its size in pixels, and its quality 1..100; None for a lossless format."""

    data: bytes
    width: int
    height: int
    quality: int | None


def encode_within_bytes(picture: Picture, format: ImageFormat, max_bytes: int) -> EncodedImage:  # noqa: A002 - the user's word
    """Encode a picture with the best quality and size that fit into `max_bytes`; 0 means no limit.

    Raises:
        InvalidInput: even the smallest file has more bytes.
    """
    smallest_bytes = 0
    for candidate in _encode_candidates(picture, format):
        if not max_bytes or len(candidate.data) <= max_bytes:
            return candidate
        smallest_bytes = len(candidate.data)
    raise InvalidInput(
        f"The smallest {format} of this image has {smallest_bytes / 1000:.0f} kB, more than max_kb "
        f"({max_bytes / 1000:.0f} kB). Allow more, or choose webp.",
        param="max_kb",
    )


def _encode_candidates(picture: Picture, format: ImageFormat) -> Iterator[EncodedImage]:  # noqa: A002
    """Yield files from the largest to the smallest."""
    longest_side = max(picture.image.size)
    for side in (longest_side, *(side for side in MAX_SIDE_STEPS if side < longest_side)):
        image = picture.image.copy()
        image.thumbnail((side, side), Image.Resampling.LANCZOS)
        for quality in (None,) if format == "png" else QUALITY_STEPS:
            data = encode_pillow(image, format, quality=quality or 0, provenance=picture.provenance)
            yield EncodedImage(data, *image.size, quality)
