"""How long a model is not loaded after it failed. Pure functions of numbers."""

from dataclasses import dataclass

from model_runtime.scheduler.model_record import SchedulerLimits


@dataclass(frozen=True, slots=True)
class Backoff:
    """The pause after a failure. If `rejects_queue`, queued requests are rejected instead of kept for the next load."""

    seconds: float
    rejects_queue: bool


PERMANENT_FAILURE = Backoff(float("inf"), rejects_queue=True)
"""For causes that a retry cannot fix: it ends when files or settings change or an operator loads the model."""


def backoff_after(failures: int, limits: SchedulerLimits) -> Backoff:
    """Return the pause after this many failures in a row.

    The first failures double the pause. From `breaker_failures` on the circuit breaker is open: queued requests are
    rejected, one load is tried when the pause ends (half-open), and its failure doubles the pause again.
    """
    first, longest = limits.backoff_seconds
    if failures < limits.breaker_failures:
        return Backoff(min(first * 2 ** (failures - 1), longest), rejects_queue=False)
    first, longest = limits.breaker_seconds
    return Backoff(min(first * 2 ** (failures - limits.breaker_failures), longest), rejects_queue=True)


def count_failure(failures: int, seconds_since_last: float, limits: SchedulerLimits) -> int:
    """Return the number of failures in a row, the new one included.

    Failures before `failure_memory_seconds` without one are forgotten, unless the breaker is open.
    """
    if failures < limits.breaker_failures and seconds_since_last > limits.failure_memory_seconds:
        return 1
    return failures + 1
