"""Measures generated images by arithmetic on their pixels, without any model."""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from tests.meaning.sights import Color

PALETTE: dict[str, Color] = {
    "red": (220, 30, 30),
    "green": (30, 160, 50),
    "blue": (40, 60, 220),
    "yellow": (250, 225, 40),
    "orange": (255, 140, 0),
    "purple": (140, 40, 160),
    "pink": (255, 150, 190),
    "black": (15, 15, 15),
    "white": (250, 250, 250),
    "gray": (128, 128, 128),
}
"""Colors by name. A pixel has the name of the nearest color."""


@dataclass(frozen=True, slots=True)
class ColorRegion:
    """The pixels of one color: center and extent as shares of the image's sides, and the filled share of their box."""

    x: float
    y: float
    width: float
    height: float
    fill: float


def to_array(file: bytes) -> np.ndarray:
    """Return the image as a float array (rows, columns, 3), 0..255."""
    with Image.open(io.BytesIO(file)) as image:
        return np.asarray(image.convert("RGB"), float)


def edge_color(file: bytes) -> str:
    """Return the most frequent color of the pixels along the edge."""
    names = _nearest_colors(to_array(file))
    edge = np.concatenate([names[0], names[-1], names[:, 0], names[:, -1]])
    return list(PALETTE)[np.bincount(edge).argmax()]


def find_color(file: bytes, color: str) -> ColorRegion | None:
    """Return the region of a color, or None if less than 0.5 % of the pixels have it."""
    mask = _nearest_colors(to_array(file)) == list(PALETTE).index(color)
    if mask.mean() < 0.005:
        return None
    rows, columns = np.nonzero(mask)
    top, bottom = np.quantile(rows, (0.005, 0.995))
    left, right = np.quantile(columns, (0.005, 0.995))
    box = (right - left + 1) * (bottom - top + 1)
    height, width = mask.shape
    return ColorRegion(
        (left + right + 1) / 2 / width,
        (top + bottom + 1) / 2 / height,
        (right - left + 1) / width,
        (bottom - top + 1) / height,
        min(1.0, mask.sum() / box),
    )


def mean_difference(one: bytes, other: bytes) -> float:
    """Return the mean absolute difference of two images of one size over pixels and channels, 0..255."""
    return float(np.abs(to_array(one) - to_array(other)).mean())


def _nearest_colors(picture: np.ndarray) -> np.ndarray:
    palette = np.array(list(PALETTE.values()), float)
    nearest: np.ndarray = ((picture[:, :, None] - palette) ** 2).sum(-1).argmin(-1)
    return nearest
