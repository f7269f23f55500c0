"""Durations counted by upper bound: small, added up without loss, good enough for p50 and p95."""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate

BOUNDS_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0)
"""Upper bounds, inclusive. Longer durations are counted in one more place."""
PLACES = len(BOUNDS_SECONDS) + 1


def place(seconds: float) -> int:
    """Return the place of a duration among the counts."""
    return bisect_left(BOUNDS_SECONDS, seconds)


def quantile(counts: Sequence[float], share: float) -> float | None:
    """Estimate the duration that this share of those counted does not exceed; None if nothing was counted.

    Within the bounds of a place durations count as spread evenly, as in Prometheus's `histogram_quantile`. What lies
    beyond the last bound is told as that bound.
    """
    rank = share * sum(counts)
    if not rank:
        return None
    for index, (count, reached) in enumerate(zip(counts, accumulate(counts), strict=True)):
        if reached >= rank and count:
            break
    if index >= len(BOUNDS_SECONDS):
        return BOUNDS_SECONDS[-1]
    low = BOUNDS_SECONDS[index - 1] if index else 0.0
    return low + (BOUNDS_SECONDS[index] - low) * (1 - (reached - rank) / count)


class Histogram:
    """Durations since the start of the daemon: counts by place and their sum in seconds."""

    __slots__ = ("counts", "sum_seconds")

    def __init__(self) -> None:
        self.counts = [0] * PLACES
        self.sum_seconds = 0.0

    def observe(self, seconds: float) -> None:
        """Count a duration."""
        self.counts[place(seconds)] += 1
        self.sum_seconds += seconds
