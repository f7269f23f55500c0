"""Which model is loaded next, guessed from what was asked for before, and a spare process for it."""

from collections import Counter, deque
from collections.abc import Callable, Container, Iterable, Sequence
from itertools import pairwise

from model_runtime.catalog.protocol import CatalogProtocol
from model_runtime.supervisor.spare_worker import SpareWorker

SPARE_ESTIMATE_BYTES = 300_000_000
"""What an engine's libraries take at most; measured: 70 to 190 MiB."""
SPARE_IDLE_SECONDS = 3600.0
"""How long after the last request a spare process is kept: after that nobody seems to work here."""
MAX_RECENT_REQUESTS = 500
"""Requests the guess looks back on."""


def likely_next(asked: Sequence[str], absent: Container[str]) -> str | None:
    """Name the absent model that will most likely be asked for; None where nothing was asked for yet, or all are there.

    `asked` are the models of past requests, the newest at the end. The last one comes first: agents ask in bursts.
    Where it is in memory still, the model that most often followed it is next, else the last one that is absent.
    """
    if not asked:
        return None
    last = asked[-1]
    followers = Counter(after for before, after in pairwise(asked) if before == last)
    candidates = (last, *(name for name, _ in followers.most_common()), *reversed(asked))
    return next((name for name in candidates if name in absent), None)


class Prewarmer:
    """Keeps the spare process that will most likely be wanted, as long as there is room for it."""

    def __init__(
        self,
        catalog: CatalogProtocol,
        spare: SpareWorker,
        recent_requests: Iterable[str],
        clock: Callable[[], float],
        *,
        is_enabled: bool = True,
    ) -> None:
        self._catalog = catalog
        self._is_enabled = is_enabled
        self._spare = spare
        self._clock = clock
        self._recent_requests = deque(recent_requests, MAX_RECENT_REQUESTS)
        self._last_request_at = clock()
        self._request_count = 0
        self._prepared_for: tuple[int, frozenset[str]] | None = None
        """The requests and loaded models for which the spare worker was last chosen."""

    def record_request(self, model: str) -> None:
        """Note a request for this model."""
        self._recent_requests.append(model)
        self._request_count += 1
        self._last_request_at = self._clock()

    def prepare(self, resident: frozenset[str], free_bytes: int) -> None:
        """Start a spare process for what is likely next, where there is room. Call it while nothing else is done."""
        if not self._is_enabled:
            return
        is_late = self._clock() - self._last_request_at >= SPARE_IDLE_SECONDS
        if is_late or free_bytes < max(SPARE_ESTIMATE_BYTES, self._spare.held_bytes):
            self._spare.stop()
            return
        state = (self._request_count, resident)
        if self._spare.engine and state == self._prepared_for:
            return
        self._prepared_for = state
        absent = {model.name: model for model in self._catalog.models() if model.name not in resident}
        name = likely_next(self._recent_requests, absent)
        if name is not None and self._catalog.is_present(absent[name]):
            self._spare.preload(absent[name].engine)

    def release_if_needed(self, free_bytes: int) -> None:
        """Give the spare process up where models need its memory."""
        if free_bytes < self._spare.held_bytes:
            self._spare.stop()
