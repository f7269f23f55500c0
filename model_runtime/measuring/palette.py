"""The colours of a picture, without those that only blend an edge."""

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from model_runtime.measuring.colors import from_hex, to_hex, to_lab
from model_runtime.measuring.ink import pack
from model_runtime.measuring.regions import Integers, Pixels
from model_runtime.measuring.results import PaletteColor

MAX_COLORS = 12
MAX_CANDIDATES = 128
BIN_BITS = 6
"""Colours with the same upper bits of each channel are counted together first."""
SAME_DELTA_E = 3.0
MIN_SHARE = 0.0005
BLEND_STEP = 8
"""Levels within which a colour lies between two others."""


def measure_palette(pixels: Pixels, drawn: Collection[str]) -> tuple[PaletteColor, ...]:
    """Return the most frequent colours, at most `MAX_COLORS`.

    Those in `drawn` are neither taken for a blend nor for another one that is nearly the same.
    """
    colors, counts = _candidates(pixels)
    total = pixels.shape[0] * pixels.shape[1]
    names, places = list(map(to_hex, colors)), to_lab(colors)
    owners: list[int] = []
    merged: dict[int, int] = {}
    for index, count in enumerate(counts):
        near = np.flatnonzero(np.linalg.norm(places[owners] - places[index], axis=1) <= SAME_DELTA_E)
        owner = owners[int(near[0])] if near.size and names[index] not in drawn else index
        merged[owner] = merged.get(owner, 0) + int(count)
        owners = list(merged)
    kept: list[PaletteColor] = []
    for index, count in sorted(merged.items(), key=lambda entry: -entry[1]):
        is_seen = names[index] in drawn or not _is_blend(names[index], [other.color for other in kept])
        if count >= MIN_SHARE * total and is_seen and len(kept) < MAX_COLORS:
            kept.append(PaletteColor(names[index], round(count / total, 4)))
    return tuple(kept)


def _candidates(pixels: Pixels) -> tuple[Pixels, Integers]:
    """Return the most frequent colour of each bin and the pixels in the bin, the fullest bins first."""
    values, counts = np.unique(pack(pixels), return_counts=True)
    channels = np.stack([values >> 16, values >> 8 & 255, values & 255], axis=1)
    shift = 8 - BIN_BITS
    bins = (channels[:, 0] >> shift) << (2 * BIN_BITS) | (channels[:, 1] >> shift) << BIN_BITS | channels[:, 2] >> shift
    totals = np.bincount(bins, counts, minlength=1 << (3 * BIN_BITS)).astype(np.int64)
    best = np.zeros(len(totals), np.int64)
    order = np.argsort(counts, kind="stable")
    best[bins[order]] = order  # the last one, the most frequent, stays
    fullest = np.argsort(-totals, kind="stable")[:MAX_CANDIDATES]
    fullest = fullest[totals[fullest] > 0]
    return channels[best[fullest]].astype(np.uint8), totals[fullest]


def _is_blend(color: str, others: list[str]) -> bool:
    """Return whether a colour lies between two others, as the pixels of a blended edge do."""
    point = np.array(from_hex(color), np.float64)
    ends = [np.array(from_hex(other), np.float64) for other in others]
    return any(
        _distance(point, first, second) <= BLEND_STEP for first in ends for second in ends if first is not second
    )


def _distance(point: NDArray[np.float64], first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    along = second - first
    share = float(np.clip((point - first) @ along / (along @ along), 0, 1))
    return float(np.abs(point - first - share * along).max())
