"""What is wrong at present, by name: `/health`, the status and the log report it."""

import logging

log = logging.getLogger(__name__)


class Problems:
    """The current problems of one daemon. Each is logged when it begins, when its reason changes and when it ends."""

    def __init__(self) -> None:
        self._reasons: dict[str, str] = {}

    def report(self, name: str, reason: str) -> None:
        """Record a problem; `reason` is a sentence for people. The same reason again changes nothing."""
        if self._reasons.get(name) != reason:
            self._reasons[name] = reason
            log.warning("%s", reason)

    def clear(self, name: str) -> None:
        """Remove a problem that is solved."""
        if self._reasons.pop(name, None) is not None:
            log.info("Solved: %s", name)

    def reasons(self) -> tuple[str, ...]:
        """Return the reasons of all current problems, oldest first."""
        return tuple(self._reasons.values())
