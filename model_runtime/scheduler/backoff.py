"""How long a model rests after it failed. Pure decisions over plain numbers."""

from dataclasses import dataclass

from model_runtime.scheduler.model_record import Limits


@dataclass(frozen=True, slots=True)
class Rest:
    """The pause after a failure. Where it `refuses`, requests that wait are refused instead of kept for the next try."""

    seconds: float
    refuses: bool


FOR_EVER = Rest(float("inf"), refuses=True)
"""After a cause that trying again cannot cure: until files or settings change, or an operator asks."""


def rest_after(failures: int, limits: Limits) -> Rest:
    """Return the pause after so many failures in a row.

    Each of the first doubles it. Then the breaker opens; when that pause ends one process is tried (half-open), and
    its failure doubles the pause again.
    """
    first, longest = limits.backoff_seconds
    if failures < limits.breaker_failures:
        return Rest(min(first * 2 ** (failures - 1), longest), refuses=False)
    opened, longest_open = limits.breaker_seconds
    return Rest(min(opened * 2 ** (failures - limits.breaker_failures), longest_open), refuses=True)


def failures_now(failures: int, seconds_since_last: float, limits: Limits) -> int:
    """Count a new failure; those before a long quiet time are forgotten, unless the breaker is open."""
    if failures < limits.breaker_failures and seconds_since_last > limits.failure_memory_seconds:
        return 1
    return failures + 1
