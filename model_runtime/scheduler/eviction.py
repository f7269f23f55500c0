"""Which idle models are unloaded to free memory. Pure functions of plain data."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EvictionCandidate:
    """A model that may be unloaded now."""

    name: str
    charged_bytes: int
    idle_seconds: float


EvictionPolicy = Callable[[Sequence[EvictionCandidate], int], list[str] | None]
"""policy(candidates, needed_bytes) returns the names to unload, or None if all candidates together are too small."""


def least_recently_used(candidates: Sequence[EvictionCandidate], needed_bytes: int) -> list[str] | None:
    """Choose the longest idle models until they free `needed_bytes`, then drop those that turned out unnecessary."""
    chosen: list[EvictionCandidate] = []
    for candidate in sorted(candidates, key=lambda candidate: -candidate.idle_seconds):
        if _freed_bytes(chosen) >= needed_bytes:
            break
        chosen.append(candidate)
    if _freed_bytes(chosen) < needed_bytes:
        return None
    # A large model chosen last may alone be enough: then the small ones chosen before it stay.
    for candidate in sorted(chosen, key=lambda candidate: candidate.idle_seconds):
        if _freed_bytes(chosen) - candidate.charged_bytes >= needed_bytes:
            chosen.remove(candidate)
    return [candidate.name for candidate in chosen]


def _freed_bytes(candidates: Sequence[EvictionCandidate]) -> int:
    return sum(candidate.charged_bytes for candidate in candidates)
