"""In which order people read boxes of text: columns from left to right, rows from top to bottom. Pure.

The recursive X-Y cut (Nagy and Seth, 1984): a region is cut along its gaps, and each part is read on its own. A gutter
between columns is cut first, unless what stands left and right of it are the cells of one table, which is read by rows.
"""

from collections.abc import Callable, Iterator, Sequence

from model_runtime.engines.ocr.geometry import Box

GUTTER_HEIGHTS = 0.8
"""Width of the gap between two columns, in heights of a line."""
DEEPEST_GAP_SHARE = 0.6
"""A region is cut at all gaps that are this large compared to its largest."""
ALIGNED_SHARE = 0.7
"""So many of the boxes of a table have one in the same row on the other side of a gutter."""
PROSE_ASPECT = 14
"""Lines this much longer than high are sentences, which no table has."""
SAME_ROW_HEIGHTS = 0.5
"""Boxes are in one row if their middles are closer than this, in heights of a line."""

Rows = list[list[int]]
"""Indices of boxes; those of one row stand side by side."""


def reading_rows(boxes: Sequence[Box]) -> Rows:
    """Return the indices of all boxes, in the order of reading."""
    return list(_read(boxes, list(range(len(boxes)))))


def _read(boxes: Sequence[Box], region: list[int]) -> Iterator[list[int]]:
    columns = _cut(boxes, region, lambda box: (box.left, box.right), GUTTER_HEIGHTS * _line_height(boxes, region))
    if len(columns) > 1 and _is_table(boxes, columns):
        yield from _rows(boxes, region)
        return
    parts = columns if len(columns) > 1 else _cut(boxes, region, lambda box: (box.top, box.bottom), 0)
    if len(parts) == 1:
        yield from _rows(boxes, region)
        return
    for part in parts:
        yield from _read(boxes, part)


def _cut(
    boxes: Sequence[Box], region: list[int], side: Callable[[Box], tuple[float, float]], min_gap: float
) -> list[list[int]]:
    """Return the parts of a region between its largest gaps along one axis; one part if there is no gap."""
    ordered = sorted(region, key=lambda index: side(boxes[index]))
    gaps, reach = [], float("-inf")
    for index in ordered:
        start, end = side(boxes[index])
        gaps.append(start - reach)
        reach = max(reach, end)
    largest = max(gaps[1:], default=0)
    threshold = max(min_gap, DEEPEST_GAP_SHARE * largest)
    parts: list[list[int]] = []
    for index, gap in zip(ordered, gaps, strict=True):
        if not parts or (largest > 0 and gap >= threshold):
            parts.append([])
        parts[-1].append(index)
    return parts


def _is_table(boxes: Sequence[Box], columns: list[list[int]]) -> bool:
    """Return whether columns hold cells: short texts, nearly each with another in its row."""
    everything = [index for column in columns for index in column]
    aspects = sorted(boxes[index].width / boxes[index].height for index in everything)
    if aspects[len(aspects) // 2] > PROSE_ASPECT:
        return False
    row_sets = [set(row) for row in _rows(boxes, everything)]
    return all(_aligned_count(column, row_sets) >= ALIGNED_SHARE * len(column) for column in columns)


def _aligned_count(column: list[int], rows: Sequence[set[int]]) -> int:
    """Return how many boxes of a column share their row with one outside the column."""
    return sum(len(row.intersection(column)) for row in rows if not row <= set(column))


def _rows(boxes: Sequence[Box], region: list[int]) -> Rows:
    """Return the boxes row by row, each from left to right."""
    rows: Rows = []
    for index in sorted(region, key=lambda index: boxes[index].top + boxes[index].bottom):
        box = boxes[index]
        if rows and _are_in_one_row(boxes[rows[-1][0]], box):
            rows[-1].append(index)
        else:
            rows.append([index])
    return [sorted(row, key=lambda index: boxes[index].left) for row in rows]


def _are_in_one_row(first: Box, other: Box) -> bool:
    distance = abs(first.top + first.bottom - other.top - other.bottom) / 2
    return distance < SAME_ROW_HEIGHTS * min(first.height, other.height)


def _line_height(boxes: Sequence[Box], region: list[int]) -> float:
    heights = sorted(boxes[index].height for index in region)
    return heights[len(heights) // 2] if heights else 0
