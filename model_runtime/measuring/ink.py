"""Find what is drawn on the boxes: lines of text, icons and pictures."""

from collections import defaultdict
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from model_runtime.measuring.boxes import Edges, Rectangle, is_inside
from model_runtime.measuring.regions import Pixels, Regions, find_regions, step

MIN_GROUND_PIXELS = 2500
"""A region of so many pixels that is no box is still the ground on which others stand."""
CLOSED_PIXELS = 3
"""Marks with gaps of so many pixels to each side are one piece."""
MIN_PIECE_PIXELS = 4
MAX_TEXT_HEIGHT = 120
MAX_WORD_GAP = 0.8
"""Between words of a line, in heights of the line."""
MIN_COMMON_HEIGHT = 0.5
MIN_INK_STEP = 24
"""Levels between a ground and what is drawn on it."""
FULL_INK = 0.97
"""Pixels with this share of the largest distance from the ground have the colour of the ink, not a blend."""
MAX_PIECES = 4000
BAND_ROWS, MAX_DOT_GAP = 32, 24
"""Pixels of a band of rows in which lines are looked up, and from a letter to its dot at most."""
MAX_SHADOW, MIN_SHADOW_SHARE = 12, 0.5
"""Pixels around a rectangle in which its shadow lies, and the share of its side that a shadow has at least."""
MAX_THINNESS = 10
"""A mark that is so much higher than wide is no letter."""
MAX_CORNER, MAX_FRINGE, MAX_ARC = 24, 24, 6
"""Pixels of a rounded corner, of the blended pixels that touch an edge, and of those that only lie in a corner."""


def find_ink(regions: Regions, boxes: Iterable[int]) -> NDArray[np.bool_]:
    """Return where something is drawn on the ground; `boxes` are the regions that are ground however small."""
    is_ground = regions.areas >= MIN_GROUND_PIXELS
    is_ground[list(boxes)] = True
    is_ink: NDArray[np.bool_] = ~is_ground[regions.labels]
    return is_ink


def find_lines(is_ink: NDArray[np.bool_], rectangles: list[Rectangle]) -> list[Edges]:
    """Return the edges of all lines of text, icons and pictures in the ink, which is changed."""
    for rectangle in rectangles:
        _clear_border(is_ink, rectangle)
    pieces = [piece for piece in _pieces(is_ink) if not any(_is_fringe(piece, other) for other in rectangles)]
    owners = [_owner(piece, rectangles) for piece in pieces]
    lines: list[Edges] = []
    for owner in sorted(set(owners)):
        lines += _join([piece for piece, other in zip(pieces, owners, strict=True) if other == owner])
    return lines


def ink_colors(pixels: Pixels, edges: Edges) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.bool_]]:
    """Return the colours of the ink and of the ground within edges, and where the ink is."""
    left, top, right, bottom = edges
    part = pixels[top:bottom, left:right]
    ground = most_frequent(part.reshape(-1, 3))
    distance = step(part, ground.reshape(1, 1, 3))
    is_full = distance >= FULL_INK * int(distance.max())
    return most_frequent(part[is_full]), ground, distance >= MIN_INK_STEP


def most_frequent(pixels: Pixels) -> NDArray[np.uint8]:
    """Return the most frequent colour of pixels of shape (count, 3)."""
    values, counts = np.unique(pack(pixels), return_counts=True)
    value = int(values[counts.argmax()])
    return np.array([value >> 16, value >> 8 & 255, value & 255], np.uint8)


def pack(pixels: Pixels) -> NDArray[np.int32]:
    """Return colours as one number each: 0xrrggbb."""
    wide = pixels.astype(np.int32)
    packed: NDArray[np.int32] = wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]
    return packed


def _clear_border(is_ink: NDArray[np.bool_], rectangle: Rectangle) -> None:
    left, top, right, bottom = rectangle.edges
    width = rectangle.border_width
    if width:
        inner = is_ink[top + width : bottom - width, left + width : right - width].copy()
        is_ink[top:bottom, left:right] = False
        is_ink[top + width : bottom - width, left + width : right - width] = inner


def _pieces(is_ink: NDArray[np.bool_]) -> list[Edges]:
    """Return the edges of marks, those that nearly touch from the left to the right together."""
    closed = is_ink.copy()
    for shift in range(1, CLOSED_PIXELS + 1):
        closed[:, shift:] |= is_ink[:, :-shift]
    found = find_regions(np.repeat(closed[:, :, None], 3, axis=2).astype(np.uint8) * 255, 0)
    is_mark = (found.colors[:, 0] > 0) & (found.areas >= MIN_PIECE_PIXELS)
    edges = found.edges[is_mark]
    edges[:, 2] = np.maximum(edges[:, 2] - CLOSED_PIXELS, edges[:, 0] + 1)
    largest = np.argsort(-found.areas[is_mark], kind="stable")[:MAX_PIECES]
    return [(int(left), int(top), int(right), int(bottom)) for left, top, right, bottom in edges[np.sort(largest)]]


def _is_fringe(piece: Edges, rectangle: Rectangle) -> bool:
    """Return whether a piece is the blended edge, a rounded corner or the shadow of a rectangle."""
    left, top, right, bottom = rectangle.edges
    grown = (left - MAX_SHADOW, top - MAX_SHADOW, right + MAX_SHADOW, bottom + MAX_SHADOW)
    if not is_inside(piece, grown):
        return False
    near = rectangle.border_width + 1
    width, height = piece[2] - piece[0], piece[3] - piece[1]
    if piece[2] <= left + near or piece[0] >= right - near or piece[3] <= top + near or piece[1] >= bottom - near:
        return max(width / (right - left), height / (bottom - top)) >= MIN_SHADOW_SHARE or min(width, height) <= 2
    if not is_inside(piece, (left - 1, top - 1, right + 1, bottom + 1)):
        return False
    touches = piece[0] < left + near or piece[1] < top + near or piece[2] > right - near or piece[3] > bottom - near
    corner = min((right - left) // 2, (bottom - top) // 2)
    is_in_corner = (
        min(piece[2] - left, right - piece[0]) <= min(corner, MAX_CORNER)
        and min(piece[3] - top, bottom - piece[1]) <= min(corner, MAX_CORNER)
    )  # fmt: skip
    thickness = min(width, height)
    return (touches and thickness <= min(corner + 2, MAX_FRINGE)) or (is_in_corner and thickness <= MAX_ARC)


def _owner(piece: Edges, rectangles: list[Rectangle]) -> int:
    """Return the index of the smallest rectangle around a piece, or -1; `rectangles` begin with the largest."""
    x, y = (piece[0] + piece[2]) / 2, (piece[1] + piece[3]) / 2
    around = [
        index
        for index, rectangle in enumerate(rectangles)
        if rectangle.edges[0] <= x < rectangle.edges[2] and rectangle.edges[1] <= y < rectangle.edges[3]
    ]
    return around[-1] if around else -1


def _join(pieces: list[Edges]) -> list[Edges]:
    """Join the pieces of each line, the tallest first, so that dots and commas find their line."""
    lines = sorted(pieces, key=lambda edges: (-(edges[3] - edges[1]), edges[0]))
    count = 0
    while len(lines) != count:
        count = len(lines)
        lines = _join_once(lines)
    return lines


def _join_once(pieces: list[Edges]) -> list[Edges]:
    """Join each piece with the first line that it belongs to; only lines in the same bands of rows are looked at."""
    lines: list[Edges] = []
    bands: defaultdict[int, dict[int, None]] = defaultdict(dict)
    for piece in pieces:
        near = sorted({index for band in _bands(piece) for index in bands[band]})
        place = next((index for index in near if _belong_together(lines[index], piece)), len(lines))
        if place == len(lines):
            lines.append(piece)
        lines[place] = _around(lines[place], piece)
        for band in _bands(lines[place]):
            bands[band][place] = None
    return lines


def _bands(edges: Edges) -> range:
    return range((edges[1] - MAX_DOT_GAP) // BAND_ROWS, (edges[3] + MAX_DOT_GAP) // BAND_ROWS + 1)


def _belong_together(line: Edges, piece: Edges) -> bool:
    heights = (line[3] - line[1], piece[3] - piece[1])
    if max(heights) > MAX_TEXT_HEIGHT or any(h > MAX_THINNESS * (e[2] - e[0]) for h, e in zip(heights, (line, piece))):
        return False
    common = min(line[3], piece[3]) - max(line[1], piece[1])
    gap = max(line[0], piece[0]) - min(line[2], piece[2])
    is_beside = common >= MIN_COMMON_HEIGHT * min(heights) and gap <= MAX_WORD_GAP * max(heights)
    is_dot = gap <= 0 and -common <= min(max(2, 0.2 * max(heights)), MAX_DOT_GAP) and min(heights) <= 0.4 * max(heights)
    return is_beside or is_dot


def _around(first: Edges, second: Edges) -> Edges:
    return min(first[0], second[0]), min(first[1], second[1]), max(first[2], second[2]), max(first[3], second[3])
