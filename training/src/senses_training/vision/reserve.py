"""What training must never see: one rule that reserves a fifth of every drawn quantity for scoring.

Sizes, positions, canvases and background shades are continuous, so each is cut into small cells and a fixed fifth of the
cells belongs to scoring. A training picture avoids every reserved cell; a scoring picture uses reserved cells only.
"""

import hashlib
import random
from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import TypeVar

T = TypeVar("T")

ATTEMPTS = 60


class Split(StrEnum):
    """The two kinds of pictures."""

    TRAINING = "training"
    SCORING = "scoring"


class NoDrawError(Exception):
    """No value of this split fits here; draw the picture anew."""


@lru_cache(100_000)
def is_reserved(quantity: str, *cell: int) -> bool:
    """Tell whether this cell of `quantity` belongs to scoring."""
    return hashlib.sha256(f"{quantity} {cell}".encode()).digest()[0] % 5 == 0


def draw(split: Split, quantity: str, sample: Callable[[], T], cell: Callable[[T], tuple[int, ...]]) -> T:
    """Sample until the value falls on the side of the reserve that `split` may use.

    Raises:
        NoDrawError: no sample did.
    """
    for _ in range(ATTEMPTS):
        value = sample()
        if is_reserved(quantity, *cell(value)) == (split is Split.SCORING):
            return value
    raise NoDrawError(quantity)


def size(rng: random.Random, split: Split, low: float, high: float) -> float:
    """Draw a size as a share of the picture's shorter side, in cells of one percent."""
    return draw(split, "size", lambda: rng.uniform(low, high), lambda share: (int(share * 100),))


def position(
    rng: random.Random,
    split: Split,
    margin_x: float,
    margin_y: float,
    spans: Sequence[tuple[float, float]] = (),
) -> tuple[float, float]:
    """Draw a centre as shares of width and height, in cells of a 24 by 24 board, perhaps within narrower `spans`."""
    across, down = spans or ((margin_x, 1 - margin_x), (margin_y, 1 - margin_y))

    def sample() -> tuple[float, float]:
        return rng.uniform(*across), rng.uniform(*down)

    return draw(split, "position", sample, lambda at: (int(at[0] * 24), int(at[1] * 24)))


def shade(split: Split, sample: Callable[[], tuple[int, int, int]]) -> tuple[int, int, int]:
    """Draw a background shade, in cells of eight levels per channel."""
    return draw(split, "backdrop", sample, lambda rgb: (rgb[0] // 8, rgb[1] // 8, rgb[2] // 8))
