"""Divide a picture into regions: pixels that are connected by steps of nearly the same colour.

Steps of a few levels may be within a region, so that gradients, shadows and noise do not fall into pieces. The regions
are the quasi-flat zones of Meyer, "The levelings" (1998), for four neighbours.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TOLERANCE = 8
"""Levels of a channel."""

Pixels = NDArray[np.uint8]
"""Of shape (height, width, 3)."""
Integers = NDArray[np.signedinteger]


@dataclass(frozen=True, slots=True)
class Regions:
    """`labels` has the number of the region of each pixel; the other arrays have one entry for each region.

    `edges` are left, top, right and bottom, `colors` the colour of its longest row.
    """

    labels: NDArray[np.int32]
    areas: Integers
    edges: Integers
    colors: Pixels


def find_regions(pixels: Pixels, tolerance: int = TOLERANCE) -> Regions:
    """Return the regions of a picture."""
    height, width = pixels.shape[:2]
    starts = np.ones((height, width), bool)
    starts[:, 1:] = step(pixels[:, 1:], pixels[:, :-1]) > tolerance
    runs = np.cumsum(starts.ravel(), dtype=np.int32).reshape(height, width) - 1
    run_starts = np.flatnonzero(starts.ravel()).astype(np.int32)
    lengths = np.diff(run_starts, append=np.int32(height * width))
    roots = connect(len(run_starts), *_touching(runs, step(pixels[1:], pixels[:-1]) <= tolerance))
    is_root = roots == np.arange(len(roots), dtype=np.int32)
    numbers = (np.cumsum(is_root, dtype=np.int32) - 1)[roots]
    count = int(is_root.sum())
    return Regions(
        numbers[runs],
        np.bincount(numbers, lengths).astype(np.int64),
        _edges(count, numbers, run_starts, lengths, width),
        _colors(count, numbers, pixels.reshape(-1, 3)[run_starts + lengths // 2], lengths),
    )


def _edges(count: int, numbers: Integers, run_starts: Integers, lengths: Integers, width: int) -> Integers:
    """Return left, top, right and bottom of each region from its runs."""
    edges = np.empty((count, 4), np.int32)
    rows, lefts = np.divmod(run_starts, np.int32(width))
    edges[:, :2], edges[:, 2:] = np.iinfo(np.int32).max, 0
    np.minimum.at(edges[:, 0], numbers, lefts)
    np.minimum.at(edges[:, 1], numbers, rows)
    np.maximum.at(edges[:, 2], numbers, lefts + lengths)
    np.maximum.at(edges[:, 3], numbers, rows + 1)
    return edges


def _colors(count: int, numbers: Integers, middles: Pixels, lengths: Integers) -> Pixels:
    """Return the colour in the middle of the longest run of each region."""
    longest = np.argsort(lengths, kind="stable")
    colors = np.empty((count, 3), np.uint8)
    colors[numbers[longest]] = middles[longest]  # the last, longest one stays
    return colors


def step(first: Pixels, second: Pixels) -> Pixels:
    """Return the largest difference of a channel for each pixel, 0..255."""
    differences = [
        np.maximum(first[..., channel], second[..., channel]) - np.minimum(first[..., channel], second[..., channel])
        for channel in range(3)
    ]
    largest: Pixels = np.maximum(np.maximum(differences[0], differences[1]), differences[2])
    return largest


def connect(count: int, first: Integers, second: Integers) -> Integers:
    """Return for each of `count` nodes the smallest one that the edges between `first` and `second` connect it with."""
    parents = np.arange(count, dtype=np.int32)
    while first.size:
        np.minimum.at(parents, np.maximum(first, second), np.minimum(first, second))
        while not np.array_equal(grandparents := parents[parents], parents):
            parents = grandparents
        first, second = parents[first], parents[second]
        is_open = first != second
        first, second = first[is_open], second[is_open]
    return parents


def _touching(runs: NDArray[np.int32], is_linked: NDArray[np.bool_]) -> tuple[Integers, Integers]:
    """Return the pairs of runs, one below the other, that are linked anywhere."""
    upper, lower = runs[:-1][is_linked], runs[1:][is_linked]
    is_new = np.ones(len(upper), bool)
    is_new[1:] = (upper[1:] != upper[:-1]) | (lower[1:] != lower[:-1])
    return upper[is_new], lower[is_new]
