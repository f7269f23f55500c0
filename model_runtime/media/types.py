"""Decoded media as plain bytes, so that they cross a process boundary without a library on either side."""

from dataclasses import dataclass
from typing import Literal

ImageFormat = Literal["png", "jpeg", "webp"]
"""The files that pictures are written to."""


@dataclass(frozen=True, slots=True)
class ImageData:
    """An upright RGB picture; `rgb` holds height x width x 3 bytes, row by row, alpha already laid on white."""

    width: int
    height: int
    rgb: bytes


@dataclass(frozen=True, slots=True)
class Audio:
    """A mono recording; `pcm` holds signed 16-bit little-endian samples."""

    sample_rate: int
    pcm: bytes

    @property
    def duration_seconds(self) -> float:
        """How long it plays."""
        return len(self.pcm) / 2 / self.sample_rate
