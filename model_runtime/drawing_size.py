"""The sizes of generated pictures: any size can be asked for; a model draws the nearest one that it supports."""

import math
from collections.abc import Callable

MIN_SIDE, MAX_SIDE = 16, 4096
"""Sides that can be asked for, in pixels."""
DRAWN_SIDE_STEP = 16
"""Pixels. The VAE and the transformer of every family together reduce a side by 16."""
MIN_DRAWN_SIDE, MAX_DRAWN_SIDE = 64, 2048
MAX_DRAWN_PIXELS = 4_000_000


def drawn_size(width: int, height: int, min_pixels: int = 0) -> tuple[int, int]:
    """Return the width and height that a model draws for a picture of `width` x `height` pixels.

    It is the nearest size of about the same shape that covers the picture. It has at least `min_pixels` pixels, and
    fewer than the picture where that has more than a model draws.
    """
    pixels, shorter, longer = width * height, min(width, height), max(width, height)
    smallest_scale = max(1, math.sqrt(min_pixels / pixels), MIN_DRAWN_SIDE / shorter)
    scale = min(smallest_scale, math.sqrt(MAX_DRAWN_PIXELS / pixels), MAX_DRAWN_SIDE / longer)
    covering = _whole_steps(width * scale, height * scale, math.ceil)
    if covering[0] * covering[1] <= MAX_DRAWN_PIXELS:
        return covering
    return _whole_steps(width * scale, height * scale, math.floor)


def _whole_steps(width: float, height: float, rounding: Callable[[float], int]) -> tuple[int, int]:
    steps = (rounding(side / DRAWN_SIDE_STEP) * DRAWN_SIDE_STEP for side in (width, height))
    drawn_width, drawn_height = (min(max(side, MIN_DRAWN_SIDE), MAX_DRAWN_SIDE) for side in steps)
    return drawn_width, drawn_height
