"""The policies that are compared: the product's, and one that weighs how often a model is used against its load time."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import combinations

from model_runtime.scheduler.eviction import EvictionCandidate, EvictionPolicy, least_recently_used

EXACT_SEARCH_LIMIT = 12
"""Up to this many candidates every subset is tried (4096 sets); above, the cheapest bytes go first."""

RATE_MEMORY_SECONDS = 60.0
"""How long ago a request still counts: agents ask in bursts, and a longer memory keeps what the last burst was about."""

Cost = Callable[[str], float]
"""cost(model): seconds of loading per second that are expected if the model is evicted."""


class ReloadCosts:
    """Estimates the cost of evicting a model: its request rate, which decays with silence, times its load time."""

    def __init__(self, load_seconds: Mapping[str, float]) -> None:
        self._load_seconds = load_seconds
        self._rates: dict[str, tuple[float, float]] = {}
        self._now = 0.0

    def record_request(self, model: str, now: float) -> None:
        """Count a request; `now` never goes back."""
        self._now = now
        self._rates[model] = (self._rate(model) + 1 / RATE_MEMORY_SECONDS, now)

    def cost(self, model: str) -> float:
        """Return the cost at the time of the last request."""
        return self._rate(model) * self._load_seconds[model]

    def _rate(self, model: str) -> float:
        rate, at = self._rates.get(model, (0.0, self._now))
        return rate * math.exp((at - self._now) / RATE_MEMORY_SECONDS)


def cheapest_set(cost: Cost, candidates: Sequence[EvictionCandidate], needed_bytes: int) -> list[str] | None:
    """Return the set of models that frees enough at the lowest cost; of equally cheap sets the smaller one.

    None if all candidates together do not free enough.
    """
    if _freed(candidates) < needed_bytes:
        return None
    if len(candidates) > EXACT_SEARCH_LIMIT:
        return _cheapest_bytes_first(cost, candidates, needed_bytes)
    sets = (
        subset
        for size in range(len(candidates) + 1)
        for subset in combinations(candidates, size)
        if _freed(subset) >= needed_bytes
    )
    best = min(sets, key=lambda subset: (sum(cost(one.name) for one in subset), len(subset), _freed(subset)))
    return [resident.name for resident in best]


POLICIES: dict[str, Callable[[Cost], EvictionPolicy]] = {
    "lru": lambda cost: least_recently_used,
    "cost": lambda cost: partial(cheapest_set, cost),
}


def _cheapest_bytes_first(cost: Cost, candidates: Sequence[EvictionCandidate], needed_bytes: int) -> list[str]:
    chosen: list[EvictionCandidate] = []
    for resident in sorted(candidates, key=lambda resident: cost(resident.name) / resident.charged_bytes):
        if _freed(chosen) >= needed_bytes:
            break
        chosen.append(resident)
    return [resident.name for resident in chosen]


def _freed(residents: Sequence[EvictionCandidate]) -> int:
    return sum(resident.charged_bytes for resident in residents)
