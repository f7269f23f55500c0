"""One line of the table."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """A measured value against what we want to reach; `target` is an upper limit unless `at_least`."""

    name: str
    value: float
    unit: str
    target: float | None
    how: str
    at_least: bool = False

    @property
    def ok(self) -> bool:
        """Whether the target is reached; rows without a target only inform."""
        if self.target is None:
            return True
        return self.value >= self.target if self.at_least else self.value <= self.target

    @property
    def wanted(self) -> str:
        """The target as people write it."""
        if self.target is None:
            return "–"
        return f"{'≥' if self.at_least else '≤'} {self.target:g}"


def median(values: Sequence[float]) -> float:
    """The middle value."""
    return statistics.median(values)


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that `percent` of all do not exceed."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(len(ranked) * percent / 100))]
