"""Guesses from earlier requests which model is loaded next, and keeps a spare worker for it."""

from collections import Counter, deque
from collections.abc import Callable, Container, Iterable, Sequence
from itertools import pairwise

from model_runtime.catalog.model import Model
from model_runtime.supervisor.spare_worker import SpareWorker

SPARE_ESTIMATE_BYTES = 300_000_000
"""Upper bound of the memory of an engine's libraries; measured: 70 to 190 MiB."""
SPARE_IDLE_SECONDS = 3600.0
"""A spare worker is kept this long after the last request."""
MAX_RECENT_REQUESTS = 500
"""Number of past requests that a guess considers."""


def likely_next(requested: Sequence[str], absent: Container[str]) -> str | None:
    """Return the model of `absent` that will most likely be requested next, or None without a guess.

    `requested` holds the models of past requests, the newest at the end. Agents send bursts of requests, so the newest
    model is the first guess; then come the models that followed it, the most frequent first, then the newest absent one.
    """
    if not requested:
        return None
    last = requested[-1]
    followers = Counter(after for before, after in pairwise(requested) if before == last)
    candidates = (last, *(name for name, _ in followers.most_common()), *reversed(requested))
    return next((name for name in candidates if name in absent), None)


class Prewarmer:
    """Keeps a spare worker for the engine that is likely loaded next, as long as memory allows."""

    def __init__(
        self,
        present_models: Callable[[], Iterable[Model]],
        spare: SpareWorker,
        recent_requests: Iterable[str],
        clock: Callable[[], float],
        *,
        is_enabled: bool = True,
    ) -> None:
        """`present_models` returns the models on this disk, from memory."""
        self._present_models = present_models
        self.is_enabled = is_enabled
        self._spare = spare
        self._clock = clock
        self._recent_requests = deque(recent_requests, MAX_RECENT_REQUESTS)
        self._last_request_at = clock()
        self._request_count = 0
        self._chosen: tuple[int, frozenset[str], str] | None = None
        """The number of requests and the loaded models when a spare worker was last chosen, and its engine."""

    def record_request(self, model: str) -> None:
        """Record a request for this model."""
        self._recent_requests.append(model)
        self._request_count += 1
        self._last_request_at = self._clock()

    def prepare(self, resident: frozenset[str], free_bytes: int) -> None:
        """Start a spare worker for the likely next model, or stop it if it is unused for long or memory is short.

        `resident` are the models that have a worker, `free_bytes` what the budget has left. Call it while no request is
        open: the imports take processor time.
        """
        if not self.is_enabled:
            self._spare.stop()
            return
        is_unused = self._clock() - self._last_request_at >= SPARE_IDLE_SECONDS
        if is_unused or free_bytes < max(SPARE_ESTIMATE_BYTES, self._spare.held_bytes):
            self._spare.stop()
            return
        if self._chosen == (self._request_count, resident, self._spare.engine):
            return
        absent = {model.name: model for model in self._present_models() if model.name not in resident}
        name = likely_next(self._recent_requests, absent)
        if name is not None:
            self._spare.preload(absent[name].engine)
        self._chosen = (self._request_count, resident, self._spare.engine)

    def release_if_needed(self, free_bytes: int) -> None:
        """Stop the spare worker if the budget has less left than it holds."""
        if free_bytes < self._spare.held_bytes:
            self._spare.stop()
