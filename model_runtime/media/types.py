"""Decoded media as plain bytes, which cross the process boundary without a media library."""

from dataclasses import dataclass
from typing import Literal

ImageFormat = Literal["png", "jpeg", "webp"]
"""File formats of generated images."""


@dataclass(frozen=True, slots=True)
class ImageData:
    """An upright RGB image without alpha. `rgb` is uint8 of shape (height, width, 3)."""

    width: int
    height: int
    rgb: bytes


@dataclass(frozen=True, slots=True)
class Audio:
    """A mono recording. `pcm` is signed 16-bit little-endian samples, `sample_rate` is in Hz."""

    sample_rate: int
    pcm: bytes

    @property
    def duration_seconds(self) -> float:
        """Duration of the recording."""
        return len(self.pcm) / 2 / self.sample_rate
