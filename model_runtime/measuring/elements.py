"""The elements of a layout: its boxes and what is drawn on them, each with its colours and the box around it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from model_runtime.measuring.boxes import Edges, Rectangle, area, find_rectangles, is_inside, unite
from model_runtime.measuring.colors import to_hex
from model_runtime.measuring.ink import MAX_TEXT_HEIGHT, find_ink, find_lines, ink_colors, most_frequent
from model_runtime.measuring.regions import Pixels, find_regions
from model_runtime.measuring.results import Element, ElementKind
from model_runtime.media.types import PixelBox

MAX_LETTER_HEIGHT, MIN_TEXT_ASPECT = 48, 1.5
"""Higher ink is a text only if it is this much wider than high, and a text of `MAX_TEXT_HEIGHT` at most."""
MIN_COVERED = 0.5
MAX_LINES = 600
"""The largest ones."""


def find_elements(pixels: Pixels, text_boxes: Sequence[PixelBox] = ()) -> tuple[Element, ...]:
    """Return the elements of a picture, the page first, parents before their parts.

    `text_boxes` are lines that were read: they are elements instead of the ink within them.
    """
    height, width = pixels.shape[:2]
    exact, tolerant = find_regions(pixels, 0), find_regions(pixels)
    exact_boxes, tolerant_boxes = find_rectangles(pixels, exact), find_rectangles(pixels, tolerant)
    red, green, blue = map(int, most_frequent(pixels.reshape(-1, 3)))
    page = Rectangle((0, 0, width, height), (red, green, blue))
    _, *rectangles = unite([*exact_boxes.values(), *tolerant_boxes.values()], page)
    is_ink = find_ink(exact, exact_boxes) & find_ink(tolerant, tolerant_boxes)
    given = {index: edges for index, box in enumerate(text_boxes) if area(edges := _clip(box, width, height)) > 0}
    lines = sorted(find_lines(is_ink, rectangles), key=area, reverse=True)[:MAX_LINES]
    drawn = [edges for edges in lines if not _is_covered(edges, list(given.values()))]
    found = [_box(rectangle) for rectangle in (page, *rectangles)]
    found += [ink for edges in drawn if (ink := _ink(pixels, edges)).color != ink.background]
    found += [_ink(pixels, edges, index) for index, edges in given.items()]
    return tuple(_with_parent(element, found) for element in found)


def edges_of(box: PixelBox) -> Edges:
    """Return left, top, right and bottom of a box."""
    return box[0], box[1], box[0] + box[2], box[1] + box[3]


def box_of(edges: Edges) -> PixelBox:
    """Return left, top, width and height."""
    return edges[0], edges[1], edges[2] - edges[0], edges[3] - edges[1]


def _box(rectangle: Rectangle) -> Element:
    border = to_hex(rectangle.border) if rectangle.border else ""
    return Element(
        "box", box_of(rectangle.edges), to_hex(rectangle.color), border=border, border_width=rectangle.border_width
    )


def _ink(pixels: Pixels, edges: Edges, line: int | None = None) -> Element:
    """Measure what is drawn within edges. A line that was read is cut to its ink."""
    color, ground, is_ink = ink_colors(pixels, edges)
    if line is not None and is_ink.any():
        rows, columns = np.flatnonzero(is_ink.any(axis=1)), np.flatnonzero(is_ink.any(axis=0))
        left, top = edges[:2]
        edges = (left + int(columns[0]), top + int(rows[0]), left + int(columns[-1]) + 1, top + int(rows[-1]) + 1)
    kind: ElementKind = "text" if line is not None or _is_text(edges) else "image"
    return Element(kind, box_of(edges), to_hex(color), to_hex(ground), line=line)


def _is_text(edges: Edges) -> bool:
    width, height = edges[2] - edges[0], edges[3] - edges[1]
    return height <= MAX_LETTER_HEIGHT or (height <= MAX_TEXT_HEIGHT and width >= MIN_TEXT_ASPECT * height)


def _with_parent(element: Element, elements: Sequence[Element]) -> Element:
    """Find the smallest box around an element; boxes are sorted from the largest."""
    edges = edges_of(element.box)
    around = [
        index
        for index, other in enumerate(elements)
        if other.kind == "box" and other is not element and is_inside(edges, edges_of(other.box))
        and area(edges_of(other.box)) > area(edges)
    ]  # fmt: skip
    return replace(element, parent=around[-1]) if around else element


def _clip(box: PixelBox, width: int, height: int) -> Edges:
    left, top, right, bottom = edges_of(box)
    return max(left, 0), max(top, 0), max(min(right, width), left), max(min(bottom, height), top)


def _is_covered(edges: Edges, lines: Sequence[Edges]) -> bool:
    return any(_common(edges, line) >= MIN_COVERED * area(edges) for line in lines)


def _common(first: Edges, second: Edges) -> int:
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    return max(width, 0) * max(height, 0)
