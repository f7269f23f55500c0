"""One line of the table."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """A measured value against what we want to reach; `target` is an upper limit unless `at_least`.

    `value` is None where it could not be measured; `how` then says why.
    """

    name: str
    value: float | None
    unit: str
    target: float | None
    how: str
    at_least: bool = False

    @property
    def ok(self) -> bool | None:
        """Whether the target is reached; None where nothing was measured or no target is set."""
        if self.target is None or self.value is None:
            return None
        return self.value >= self.target if self.at_least else self.value <= self.target

    @property
    def target_text(self) -> str:
        """The target as people write it."""
        if self.target is None:
            return "–"
        return f"{'≥' if self.at_least else '≤'} {self.target:g}"

    @property
    def value_text(self) -> str:
        """The value as people write it."""
        return "–" if self.value is None else f"{self.value:.2f} {self.unit}".strip()

    @property
    def verdict_mark(self) -> str:
        """Whether the target is reached, as a sign."""
        return {True: "✓", False: "✗", None: ""}[self.ok]


def missing(name: str, reason: str) -> Row:
    """A row that could not be measured."""
    return Row(name, None, "", None, reason)


def median(values: Sequence[float]) -> float:
    """The middle value."""
    return statistics.median(values)


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that `percent` of all do not exceed."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(len(ranked) * percent / 100))]
