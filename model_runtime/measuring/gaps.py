"""Choose the largest elements of a layout, and measure the space between them, in pixels."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from model_runtime.measuring.results import Element
from model_runtime.media.types import PixelBox

MIN_COMMON = 0.5
"""Neighbours share so much of the shorter one's side."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Pixels between two elements with the same parent, from one's right or lower edge to the other's left or upper."""

    first: int
    second: int
    axis: int
    """0: beside each other, 1: one below the other."""
    pixels: int


def select(elements: Sequence[Element], count: int) -> list[Element]:
    """Return the `count` largest elements in the order of reading, with parents among them."""
    order = sorted(range(len(elements)), key=lambda index: -elements[index].box[2] * elements[index].box[3])[:count]
    order.sort(key=lambda index: (elements[index].box[1], elements[index].box[0], index))
    places = {index: place for place, index in enumerate(order)}
    return [replace(elements[index], parent=places.get(elements[index].parent)) for index in order]  # type: ignore[arg-type]


def find_gaps(elements: Sequence[Element]) -> list[Gap]:
    """Return for each element the gap to its nearest neighbour to the right, and to that below."""
    return [
        gap for axis in (0, 1) for first in range(len(elements)) if (gap := _nearest(elements, first, axis)) is not None
    ]


def padding_of(elements: Sequence[Element], index: int) -> tuple[int, int, int, int] | None:
    """Return the pixels between a box's border and its parts at the left, top, right and bottom; None without parts."""
    parts = [element.box for element in elements if element.parent == index]
    if not parts:
        return None
    left, top, width, height = elements[index].box
    border = elements[index].border_width
    return (
        min(box[0] for box in parts) - left - border,
        min(box[1] for box in parts) - top - border,
        left + width - border - max(box[0] + box[2] for box in parts),
        top + height - border - max(box[1] + box[3] for box in parts),
    )


def _nearest(elements: Sequence[Element], first: int, axis: int) -> Gap | None:
    box, parent = elements[first].box, elements[first].parent
    end = box[axis] + box[axis + 2]
    after = [
        Gap(first, index, axis, other.box[axis] - end)
        for index, other in enumerate(elements)
        if index != first and other.parent == parent and other.box[axis] >= end and _is_beside(box, other.box, axis)
    ]
    return min(after, key=lambda gap: gap.pixels, default=None)


def _is_beside(first: PixelBox, second: PixelBox, axis: int) -> bool:
    """Return whether two boxes stand in one row, for axis 0, or in one column."""
    across = 1 - axis
    common = min(first[across] + first[across + 2], second[across] + second[across + 2]) - max(
        first[across], second[across]
    )
    return common >= MIN_COMMON * min(first[across + 2], second[across + 2])
