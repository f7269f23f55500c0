"""Boxes around lines of text, in pixels; the origin is the upper left corner."""

from dataclasses import dataclass

import numpy as np

LEFT_MARGIN, TOP_MARGIN, RIGHT_MARGIN, BOTTOM_MARGIN = 0.14, 0.12, 0.09, 0.0
"""How far the detector's boxes reach beyond the letters, in heights of the box. Measured on lines that Chromium drew."""
ROOM_BELOW = 0.08
"""What is read below a box, in its height: underscores stand there."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """Pixels from left to right."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Pixels from top to bottom."""
        return self.bottom - self.top


def bounds(quad: np.ndarray) -> Box:
    """Return the rectangle around four corners: float of shape (4, 2)."""
    left, top = quad.min(axis=0).tolist()
    right, bottom = quad.max(axis=0).tolist()
    return Box(left, top, right, bottom)


def ink_box(box: Box) -> Box:
    """Return the part of a detected box that the letters take."""
    unit = min(box.width, box.height)
    return Box(
        box.left + LEFT_MARGIN * unit,
        box.top + TOP_MARGIN * unit,
        box.right - RIGHT_MARGIN * unit,
        box.bottom - BOTTOM_MARGIN * unit,
    )


def with_room_below(quad: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return the corners with `ROOM_BELOW`, inside a picture of this shape (height, width, …)."""
    upper_left, upper_right, lower_right, lower_left = quad
    lower = np.stack([lower_right, lower_left]) + ROOM_BELOW * np.stack(
        [lower_right - upper_right, lower_left - upper_left]
    )
    return np.clip([upper_left, upper_right, *lower], 0, [shape[1] - 1, shape[0] - 1]).astype(np.float32)
