"""Drawn pictures read by plain arithmetic on their pixels, independently of any model of ours."""

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
"""Colours as people name them; a pixel has the name of the nearest."""


@dataclass(frozen=True, slots=True)
class ColorRegion:
    """All pixels of one colour: their middle and extent as shares of the sides, and how much of their box they fill."""

    x: float
    y: float
    width: float
    height: float
    fill: float


def to_array(file: bytes) -> np.ndarray:
    """The picture as rows x columns x 3, 0..255."""
    with Image.open(io.BytesIO(file)) as image:
        return np.asarray(image.convert("RGB"), float)


def edge_color(file: bytes) -> str:
    """The colour of most of the pixels along the edge."""
    names = _nearest_colors(to_array(file))
    edge = np.concatenate([names[0], names[-1], names[:, 0], names[:, -1]])
    return list(PALETTE)[np.bincount(edge).argmax()]


def find_color(file: bytes, color: str) -> ColorRegion | None:
    """Where a colour is; None where hardly any pixel has it."""
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
    """How far two pictures of one size are apart: the mean over all pixels and colours, 0..255."""
    return float(np.abs(to_array(one) - to_array(other)).mean())


def _nearest_colors(picture: np.ndarray) -> np.ndarray:
    palette = np.array(list(PALETTE.values()), float)
    nearest: np.ndarray = ((picture[:, :, None] - palette) ** 2).sum(-1).argmin(-1)
    return nearest
