"""Whether an element of one picture and an element of another are alike in place, size, colour and shape."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model_runtime.measuring.boxes import Edges, area
from model_runtime.measuring.colors import delta_e
from model_runtime.measuring.difference import Difference
from model_runtime.measuring.elements import edges_of
from model_runtime.measuring.ink import most_frequent
from model_runtime.measuring.regions import Pixels, step
from model_runtime.measuring.results import Element

NOISY_SLACK, BLENDED_PIXELS = 2, 1
"""Pixels by which noise shifts an edge, and another ground that of a drawing."""
SAME_BOX_DELTA_E, SAME_INK_DELTA_E, NOISY_DELTA_E = 1.0, 6.0, 10.0
"""Colours within these are the same. Thin letters have no pixel of their full colour."""
MIN_TYPE_STEP, MAX_STRETCH = 1.08, 1.2
"""Type of another size is higher or lower by this at least, and wider or narrower by nearly as much."""
SAME_SHAPE, NOISY_SHAPE, SCALED_SHAPE = 0.7, 0.6, 0.33
"""The least likeness of two drawings of the same, without and with noise, and of two sizes of the same."""
MIN_CHANGED_OUTLINE, MIN_CHANGED_INK, MIN_CHANGED_STRIP = 0.5, 0.02, 0.25
"""The share of the outline of a box, and of the area of a text, that differs where it went or came; and, with noise, of
what a box has grown or moved by."""
MIN_COMMON_AREA = 0.2
MIN_COMMON_ROWS, MAX_HEIGHT_RATIO = 0.5, 1.5
"""Two texts of one place: rows in common, in heights of the lower one, and how much higher the other may be."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """Judges an element of `before` and one of `after`, which are pictures of one size."""

    before: Pixels
    after: Pixels
    difference: Difference

    def is_changed(self, first: Element, second: Element) -> bool:
        """Return whether two elements that are paired differ in fact; noise alone may blur the edges of a box."""
        if not self._mask(first).any() and not self._mask(second).any():
            return False
        if first.kind != "box" or first.box == second.box or not self.difference.is_noisy:
            return True
        return self._changed_share(edges_of(first.box), edges_of(second.box)) >= MIN_CHANGED_STRIP

    def is_changed_itself(self, element: Element) -> bool:
        """Return whether an element differs, not only what stands on it."""
        mask = self._mask(element)
        if element.kind != "box":
            return bool(mask.mean() >= MIN_CHANGED_INK)
        outline = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
        return bool(outline.mean() >= MIN_CHANGED_OUTLINE)

    def is_equal(self, first: Element, second: Element) -> bool:
        """Return whether nothing of two elements differs."""
        return self.is_recoloured(first, second) and self._has_same_color(first, second)

    def is_recoloured(self, first: Element, second: Element) -> bool:
        """Return whether two elements have the same place and shape, in whatever colour."""
        one, other = edges_of(first.box), edges_of(second.box)
        slack = self._slack if first.kind == "box" else max(self._slack, BLENDED_PIXELS)
        if max(abs(edge - same) for edge, same in zip(one, other, strict=True)) > slack:
            return False
        around = (min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3]))
        return first.kind == "box" or self._is_same_shape(around, around)

    def is_moved(self, first: Element, second: Element) -> bool:
        """Return whether two elements have the same size, colour and shape, wherever they are."""
        growth = max(abs(first.box[side] - second.box[side]) for side in (2, 3))
        if growth > self._slack or not self._has_same_color(first, second):
            return False
        return first.kind == "box" or self._is_same_shape(edges_of(first.box), edges_of(second.box))

    def is_resized(self, first: Element, second: Element) -> bool:
        """Return whether two elements of one place and colour have other sizes."""
        if not _has_same_place(first, second) or not self._has_same_color(first, second):
            return False
        if first.kind == "box":
            return True
        across, down = (second.box[side] / first.box[side] for side in (2, 3))
        is_scaled = max(down, 1 / down) >= MIN_TYPE_STEP and 1 / MAX_STRETCH <= across / down <= MAX_STRETCH
        return is_scaled and self._is_same_shape(edges_of(first.box), edges_of(second.box), scaled=True)

    def is_retyped(self, first: Element, second: Element) -> bool:
        """Return whether two texts of one colour stand in one place."""
        low, high = sorted((first.box[3], second.box[3]))
        rows, columns = (_common(first, second, axis) for axis in (1, 0))
        is_in_place = columns > 0 and rows >= MIN_COMMON_ROWS * low and high <= MAX_HEIGHT_RATIO * low
        return first.kind == "text" and is_in_place and self._has_same_color(first, second)

    @property
    def _slack(self) -> int:
        return NOISY_SLACK if self.difference.is_noisy else 0

    def _mask(self, element: Element) -> NDArray[np.bool_]:
        left, top, right, bottom = edges_of(element.box)
        return self.difference.mask[top:bottom, left:right]

    def _changed_share(self, first: Edges, second: Edges) -> float:
        """Return the share of the pixels in one of two boxes, not in both, that differ."""
        around = np.zeros(self.difference.mask.shape, bool)
        for left, top, right, bottom in (first, second):
            around[top:bottom, left:right] ^= True
        return float(self.difference.mask[around].mean()) if around.any() else 0.0

    def _has_same_color(self, first: Element, second: Element) -> bool:
        exact = SAME_BOX_DELTA_E if first.kind == "box" else SAME_INK_DELTA_E
        limit = NOISY_DELTA_E if self.difference.is_noisy else exact
        if delta_e(first.color, second.color) > limit:
            return False
        if self.difference.is_noisy and not (first.border and second.border):
            return True
        return delta_e(first.border or first.color, second.border or second.color) <= limit

    def _is_same_shape(self, first: Edges, second: Edges, *, scaled: bool = False) -> bool:
        one, other = _coverage(self.before, first), _coverage(self.after, second)
        if scaled:
            size = (other.shape[1], other.shape[0])
            one = np.asarray(Image.fromarray(one).resize(size, Image.Resampling.BOX))
            return _overlap(one, other) >= SCALED_SHAPE
        return _overlap(one, other) >= (NOISY_SHAPE if self.difference.is_noisy else SAME_SHAPE)


def _overlap(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Return the ink that two coverages have in common over all of it, from their upper left corners."""
    height, width = min(len(first), len(second)), min(first.shape[1], second.shape[1])
    first, second = first[:height, :width], second[:height, :width]
    return float(np.minimum(first, second).sum() / max(np.maximum(first, second).sum(), 1.0))


def _coverage(pixels: Pixels, edges: Edges) -> NDArray[np.float32]:
    """Return how much of each pixel is covered by ink, 0..1, whatever the colours are."""
    left, top, right, bottom = edges
    part = pixels[top:bottom, left:right]
    ground = most_frequent(part.reshape(-1, 3))
    distance = step(part, ground.reshape(1, 1, 3)).astype(np.float32)
    return distance / max(float(distance.max()), 1.0)


def _has_same_place(first: Element, second: Element) -> bool:
    """Return whether two elements overlap, or have at least two edges in common."""
    common = max(_common(first, second, 0), 0) * max(_common(first, second, 1), 0)
    one, other = edges_of(first.box), edges_of(second.box)
    is_over = common >= MIN_COMMON_AREA * (area(one) + area(other) - common)
    return is_over or sum(edge == same for edge, same in zip(one, other, strict=True)) >= 2


def _common(first: Element, second: Element, axis: int) -> int:
    """Return the pixels of an axis that two elements share; negative is the gap between them."""
    one, other = edges_of(first.box), edges_of(second.box)
    return min(one[axis + 2], other[axis + 2]) - max(one[axis], other[axis])
