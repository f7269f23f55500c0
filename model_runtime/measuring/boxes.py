"""Find the rectangles of a layout: panels, cards, buttons, fields with a border, rules."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from model_runtime.measuring.regions import Pixels, Regions, step

MIN_WIDTH, MIN_HEIGHT = 12, 8
MIN_FILL = 0.9
"""The share of a bounding box that lies between the ends of the rows, and of the columns, of a rectangle."""
MIN_SOLID, MIN_SMALL_SOLID = 0.55, 0.75
"""The share of its bounding box that a rectangle covers beside what stands on it; a fat letter B covers less."""
MIN_RULE_WIDTH, MIN_RULE_HEIGHT, MAX_RULE_THICKNESS = 24, 64, 4
"""Rules are lines across or down; what is shorter may be the stem of a letter."""
MAX_BORDER, MAX_BORDER_STEP = 4, 3
"""Pixels of a border, and levels within it."""
MAX_RECTANGLES = 400
"""The largest ones; the time grows with the square of their number."""
MAX_SLACK, SMALL = 2, 64
"""Pixels by which two regions of one rectangle differ, and sides of what may be a letter."""
FLAT_PIXELS, MAX_FLAT_STEP, MIN_RULE_STEP, MAX_GROUND_STEP = 4, 1, 14, 24
"""Pixels of flat ground beside a rule; levels within it, from it to the rule, and to the ground on the other side."""
CORNER_SHARE = 0.4
"""Of a side, at each end: rounded corners of borders are looked away from."""

Edges = tuple[int, int, int, int]
"""Left, top, right and bottom; the last two are outside."""


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A rectangle; `border` is the colour around it, `border_width` in pixels."""

    edges: Edges
    color: tuple[int, int, int]
    border: tuple[int, int, int] | None = None
    border_width: int = 0


def find_rectangles(pixels: Pixels, regions: Regions) -> dict[int, Rectangle]:
    """Return the rectangle of each region that is one."""
    return {number: _with_border(pixels, rectangle) for number, rectangle in _candidates(pixels, regions)}


def unite(rectangles: Iterable[Rectangle], page: Rectangle) -> list[Rectangle]:
    """Return the page and the rectangles on it from the largest to the smallest.

    Of two that are nearly the same, the first is kept. Pieces of borders and the insides of letters are left out.
    """
    kept = [page]
    for rectangle in rectangles:
        if not any(_is_nearly(rectangle.edges, other.edges) for other in kept):
            kept.append(rectangle)
    kept.sort(key=lambda rectangle: -area(rectangle.edges))
    seen: list[Rectangle] = []
    for one in kept:
        around = [other for other in seen if is_inside(one.edges, other.edges)]
        is_piece = any(_is_part_of_border(one.edges, other) for other in around)
        if not around or not (is_piece or _is_inside_letter(one, around[-1])):
            seen.append(one)
    return seen


def area(edges: Edges) -> int:
    """Return the pixels within edges."""
    return (edges[2] - edges[0]) * (edges[3] - edges[1])


def is_inside(inner: Edges, outer: Edges) -> bool:
    """Return whether a rectangle lies within another."""
    return inner[0] >= outer[0] and inner[1] >= outer[1] and inner[2] <= outer[2] and inner[3] <= outer[3]


def _candidates(pixels: Pixels, regions: Regions) -> Iterator[tuple[int, Rectangle]]:
    widths, heights = regions.edges[:, 2] - regions.edges[:, 0], regions.edges[:, 3] - regions.edges[:, 1]
    is_box = (widths >= MIN_WIDTH) & (heights >= MIN_HEIGHT) & (regions.areas >= 2 * (widths + heights) - 4)
    is_across = (widths >= MIN_RULE_WIDTH) & (heights <= MAX_RULE_THICKNESS)
    is_down = (heights >= MIN_RULE_HEIGHT) & (widths <= MAX_RULE_THICKNESS)
    is_rule = (is_across | is_down) & (regions.areas == widths * heights)
    numbers = np.flatnonzero(is_box | is_rule)
    for number in numbers[np.argsort(-widths[numbers] * heights[numbers], kind="stable")][:MAX_RECTANGLES]:
        left, top, right, bottom = edges = _edges(regions, int(number))
        if is_rule[number]:
            is_rectangle = _stands_alone(pixels, edges)
        else:
            is_rectangle = _is_rectangular(regions.labels[top:bottom, left:right] == number)
        if is_rectangle:
            red, green, blue = map(int, regions.colors[number])
            yield int(number), Rectangle(edges, (red, green, blue))


def _edges(regions: Regions, number: int) -> Edges:
    left, top, right, bottom = map(int, regions.edges[number])
    return left, top, right, bottom


def _stands_alone(pixels: Pixels, edges: Edges) -> bool:
    """Return whether a rule stands out from flat grounds that are nearly alike; a line of a shadow or letter does not."""
    left, top, right, bottom = edges
    x, y = (left + right) // 2, (top + bottom) // 2
    is_across = right - left > bottom - top
    line, low, high = (pixels[:, x], top, bottom) if is_across else (pixels[y], left, right)
    before, after = line[max(low - FLAT_PIXELS, 0) : low], line[high : high + FLAT_PIXELS]
    if not len(before) or not len(after):
        return False
    is_flat = max(int(step(side, side[:1]).max()) for side in (before, after)) <= MAX_FLAT_STEP
    stands_out = min(int(step(line[low], side[0])) for side in (before, after)) >= MIN_RULE_STEP
    return is_flat and stands_out and int(step(before[0], after[0])) <= MAX_GROUND_STEP


def _is_rectangular(mask: NDArray[np.bool_]) -> bool:
    """Return whether a region is a filled rectangle, but for rounded corners and what stands on it."""
    least = MIN_SMALL_SOLID if max(mask.shape) <= SMALL else MIN_SOLID
    return min(_spans(mask), _spans(mask.T)) >= MIN_FILL and bool(mask.mean() >= least)


def _spans(mask: NDArray[np.bool_]) -> float:
    """Return the share of a mask between the first and the last pixel of each row."""
    firsts, lasts = mask.argmax(axis=1), mask.shape[1] - mask[:, ::-1].argmax(axis=1)
    return float((lasts - firsts)[mask.any(axis=1)].sum() / mask.size)


def _with_border(pixels: Pixels, rectangle: Rectangle) -> Rectangle:
    """Grow a rectangle by the lines of one colour that surround it on all sides."""
    left, top, right, bottom = rectangle.edges
    if min(right - left, bottom - top) <= MAX_RULE_THICKNESS:
        return rectangle
    height, width = pixels.shape[:2]
    room = min(left, top, width - right, height - bottom, MAX_BORDER + 1)
    rings = [_ring_color(pixels, (left - d, top - d, right + d, bottom + d)) for d in range(1, room + 1)]
    thickness = 0
    while thickness < len(rings) and rings[thickness] is not None and _near(rings[thickness], rings[0]):
        thickness += 1
    if not 0 < thickness <= MAX_BORDER or thickness == len(rings) or rings[0] is None:
        return rectangle
    if _near(rings[0], rectangle.color):
        return rectangle
    edges = (left - thickness, top - thickness, right + thickness, bottom + thickness)
    return replace(rectangle, edges=edges, border=rings[0], border_width=thickness)


def _ring_color(pixels: Pixels, edges: Edges) -> tuple[int, int, int] | None:
    """Return the one colour of the middles of the four lines just within edges, or None."""
    left, top, right, bottom = edges
    across, down = int((right - left) * CORNER_SHARE), int((bottom - top) * CORNER_SHARE)
    line = np.concatenate(
        [
            pixels[top, left + across : right - across],
            pixels[bottom - 1, left + across : right - across],
            pixels[top + down : bottom - down, left],
            pixels[top + down : bottom - down, right - 1],
        ]
    )
    if not len(line) or step(line, line[:1]).max() > MAX_BORDER_STEP:
        return None
    red, green, blue = map(int, line[0])
    return red, green, blue


def _near(first: tuple[int, int, int] | None, second: tuple[int, int, int] | None) -> bool:
    return (
        first is not None
        and second is not None
        and max(abs(a - b) for a, b in zip(first, second, strict=True)) <= MAX_BORDER_STEP
    )


def _is_nearly(first: Edges, second: Edges) -> bool:
    return max(abs(one - other) for one, other in zip(first, second, strict=True)) <= MAX_SLACK


def _is_inside_letter(rectangle: Rectangle, ground: Rectangle) -> bool:
    """Return whether a small rectangle shows the ground and has no border, as the hole of a letter D."""
    left, top, right, bottom = rectangle.edges
    is_small = max(right - left, bottom - top) <= SMALL
    return is_small and not rectangle.border_width and _near(rectangle.color, ground.color)


def _is_part_of_border(edges: Edges, other: Rectangle) -> bool:
    """Return whether a rectangle is a piece of another's border, or the ring of a border that it was grown by."""
    left, top, right, bottom = other.edges
    width = other.border_width
    inner = (left + width, top + width, right - width, bottom - width)
    outside = edges[2] <= inner[0] or edges[0] >= inner[2] or edges[3] <= inner[1] or edges[1] >= inner[3]
    return width > 0 and outside
