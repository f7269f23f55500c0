"""Which idle models leave so that enough memory comes back. Pure decisions over plain facts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

EXACT_SEARCH_LIMIT = 12
"""Up to this many candidates every subset is tried (4096 sets); above, the cheapest bytes go first."""


@dataclass(frozen=True, slots=True)
class EvictionCandidate:
    """A model that may be unloaded now. `load_seconds` is what loading it again costs."""

    name: str
    charged_bytes: int
    idle_seconds: float
    load_seconds: float = 1.0
    requests_per_second: float = 0.0


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


def cheapest_set(candidates: Sequence[EvictionCandidate], needed_bytes: int) -> list[str] | None:
    """Take the set that frees enough and is expected to cost the fewest seconds of loading per second.

    A model costs its request rate, which decays with silence, times its load time. Among equally cheap sets the
    smaller one is taken.
    """
    if _freed_bytes(candidates) < needed_bytes:
        return None
    if len(candidates) > EXACT_SEARCH_LIMIT:
        return _densest_first(candidates, needed_bytes)
    sets = (
        subset
        for size in range(len(candidates) + 1)
        for subset in combinations(candidates, size)
        if _freed_bytes(subset) >= needed_bytes
    )
    best = min(sets, key=lambda subset: (sum(map(_cost, subset)), len(subset), _freed_bytes(subset)))
    return [resident.name for resident in best]


def _densest_first(candidates: Sequence[EvictionCandidate], needed_bytes: int) -> list[str]:
    chosen: list[EvictionCandidate] = []
    for resident in sorted(candidates, key=lambda resident: _cost(resident) / resident.charged_bytes):
        if _freed_bytes(chosen) >= needed_bytes:
            break
        chosen.append(resident)
    return [resident.name for resident in chosen]


def _cost(resident: EvictionCandidate) -> float:
    return resident.requests_per_second * resident.load_seconds


def _freed_bytes(residents: Sequence[EvictionCandidate]) -> int:
    return sum(resident.charged_bytes for resident in residents)


POLICIES: dict[str, EvictionPolicy] = {"lru": least_recently_used, "cost": cheapest_set}
