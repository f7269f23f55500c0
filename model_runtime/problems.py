"""What is wrong at present, by name: `/health`, the status and the log report it."""

import logging
import time
from collections.abc import Callable

LOG_INTERVAL_SECONDS = 60.0
"""A problem that comes and goes is logged at most once in this time."""

log = logging.getLogger(__name__)


class Problems:
    """The current problems of one daemon. `clock` returns monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._reasons: dict[str, str] = {}
        self._logged: dict[str, tuple[str, float]] = {}
        """Name → the last reason in the log, and when it was logged."""

    def report(self, name: str, reason: str) -> None:
        """Record a problem; `reason` is a sentence for people. The same reason again changes nothing."""
        if self._reasons.get(name) == reason:
            return
        self._reasons[name] = reason
        logged_reason, logged_at = self._logged.get(name, ("", 0.0))
        if reason != logged_reason or self._clock() - logged_at >= LOG_INTERVAL_SECONDS:
            self._logged[name] = (reason, self._clock())
            log.warning("%s", reason)

    def clear(self, name: str) -> None:
        """Remove a problem that is solved."""
        if self._reasons.pop(name, None) is not None:
            log.debug("Solved: %s", name)

    def reasons(self) -> tuple[str, ...]:
        """Return the reasons of all current problems, oldest first."""
        return tuple(self._reasons.values())
