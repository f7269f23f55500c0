"""Which idle models leave so that enough memory comes back. Pure decisions over plain facts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EvictionCandidate:
    """A model that may be unloaded now."""

    name: str
    charged_bytes: int
    idle_seconds: float


EvictionPolicy = Callable[[Sequence[EvictionCandidate], int], list[str] | None]
"""policy(candidates, needed_bytes) names whom to unload, or None where all of them together are not enough."""


def least_recently_used(candidates: Sequence[EvictionCandidate], needed_bytes: int) -> list[str] | None:
    """Take the longest idle first until enough comes back, then spare whoever turned out not to be needed."""
    chosen: list[EvictionCandidate] = []
    for resident in sorted(candidates, key=lambda resident: -resident.idle_seconds):
        if _freed_bytes(chosen) >= needed_bytes:
            break
        chosen.append(resident)
    if _freed_bytes(chosen) < needed_bytes:
        return None
    for resident in sorted(chosen, key=lambda resident: resident.idle_seconds):
        if _freed_bytes(chosen) - resident.charged_bytes >= needed_bytes:
            chosen.remove(resident)
    return [resident.name for resident in chosen]


def _freed_bytes(residents: Sequence[EvictionCandidate]) -> int:
    return sum(resident.charged_bytes for resident in residents)
