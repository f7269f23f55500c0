"""Counts the outcomes of calls, one per call."""

import time
from collections import Counter
from collections.abc import Awaitable, Callable

import anyio

ANSWER_TIMEOUT_SECONDS = 300.0
"""Longer than any call takes, even if its worker is killed."""
SHIM_ENDED = "shim ended"
"""The outcome of an MCP call whose shim has ended: never expected."""
EXPECTED_OUTCOMES = {
    "ok",
    "cut off",
    "daemon_ended",
    "worker_died",
    "load_failed",
    "model_unavailable",
    "queue_full",
    "queue_timeout",
    "busy",
}
"""How calls may end while workers and the daemon are killed. Over HTTP a closed connection is an answer."""


class CallOutcomes:
    """Outcomes of all calls so far."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.unanswered: list[str] = []
        self.given_up = 0
        self.faults: Counter[str] = Counter()
        """What was done to workers and the daemon."""
        self.longest_seconds = 0.0

    @property
    def unexpected(self) -> dict[str, int]:
        """Outcomes that the faults do not explain."""
        return {outcome: count for outcome, count in self.outcomes.items() if outcome not in EXPECTED_OUTCOMES}

    async def record(
        self,
        name: str,
        call: Callable[[], Awaitable[str]],
        give_up_seconds: float | None,
        answer_seconds: float | None = None,
    ) -> str:
        """Make a call, record and return its outcome; "" if the client gave up, after `give_up_seconds`, or got none."""
        outcome, started = "", time.monotonic()
        with anyio.move_on_after(give_up_seconds or answer_seconds or ANSWER_TIMEOUT_SECONDS) as limit:
            outcome = await call()
            self.outcomes[outcome] += 1
        self.longest_seconds = max(self.longest_seconds, time.monotonic() - started)
        if limit.cancelled_caught and give_up_seconds is None:
            self.unanswered.append(name)
        elif limit.cancelled_caught:
            self.given_up += 1
        return outcome
