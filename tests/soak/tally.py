"""Counts the outcomes of calls, one per call."""

import time
from collections import Counter
from collections.abc import Awaitable, Callable

import anyio

ANSWER_TIMEOUT_SECONDS = 300.0
"""Longer than any call takes, even if its worker is killed."""
EXPECTED_OUTCOMES = {
    "ok",
    "cut off",
    "worker_died",
    "load_failed",
    "model_unavailable",
    "queue_full",
    "queue_timeout",
    "busy",
}
"""How calls may end while workers are killed. A stream may be cut off after its headers."""


class CallOutcomes:
    """Outcomes of all calls so far."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.unanswered: list[str] = []
        self.given_up = 0
        self.kills = 0
        self.stops = 0
        self.longest_seconds = 0.0

    @property
    def unexpected(self) -> dict[str, int]:
        """Outcomes that worker kills do not explain."""
        return {outcome: count for outcome, count in self.outcomes.items() if outcome not in EXPECTED_OUTCOMES}

    async def record(self, name: str, call: Callable[[], Awaitable[str]], give_up_seconds: float | None) -> None:
        """Make a call and record its outcome. With `give_up_seconds` the client gives up after that time."""
        started = time.monotonic()
        with anyio.move_on_after(give_up_seconds or ANSWER_TIMEOUT_SECONDS) as limit:
            self.outcomes[await call()] += 1
        self.longest_seconds = max(self.longest_seconds, time.monotonic() - started)
        if limit.cancelled_caught and give_up_seconds is None:
            self.unanswered.append(name)
        elif limit.cancelled_caught:
            self.given_up += 1
