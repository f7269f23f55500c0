"""How long a model rests after it failed. Pure decisions over plain numbers."""

from dataclasses import dataclass

from model_runtime.scheduler.model_record import SchedulerLimits


@dataclass(frozen=True, slots=True)
class Backoff:
    """The pause after a failure. Where it `refuses`, requests that wait are refused instead of kept for the next try."""

    seconds: float
    rejects_queue: bool


PERMANENT_FAILURE = Backoff(float("inf"), rejects_queue=True)
"""After a cause that trying again cannot cure: until files or settings change, or an operator asks."""


def backoff_after(failures: int, limits: SchedulerLimits) -> Backoff:
    """Return the pause after so many failures in a row.

    Each of the first doubles it. Then the breaker opens; when that pause ends one process is tried (half-open), and
    its failure doubles the pause again.
    """
    first, longest = limits.backoff_seconds
    if failures < limits.breaker_failures:
        return Backoff(min(first * 2 ** (failures - 1), longest), rejects_queue=False)
    opened, longest_open = limits.breaker_seconds
    return Backoff(min(opened * 2 ** (failures - limits.breaker_failures), longest_open), rejects_queue=True)


def count_failure(failures: int, seconds_since_last: float, limits: SchedulerLimits) -> int:
    """Count a new failure; those before a long quiet time are forgotten, unless the breaker is open."""
    if failures < limits.breaker_failures and seconds_since_last > limits.failure_memory_seconds:
        return 1
    return failures + 1
