"""The history in memory and its file. Recording an event waits for nothing: the file is written in a thread."""

import logging
from collections import deque
from pathlib import Path

from anyio import to_thread

from model_runtime.atomic_file import PRIVATE, append_lines, write_atomically
from model_runtime.history.events import HistoryEvent
from model_runtime.history.history import History, TotalsSinceStart
from model_runtime.history.lines import compact, encode, read
from model_runtime.problems import Problems

NAME = "history.jsonl"
COMPACT_BYTES = 2_500_000
"""A larger file is rewritten as totals, which take far less."""
MAX_UNSAVED = 10_000
"""If the disk does not answer, older events are kept in memory only."""
PROBLEM = "history"

log = logging.getLogger(__name__)


class HistoryStore:
    """Owns the history. `record` is called on the event loop, once for each event."""

    def __init__(self, folder: Path, problems: Problems | None = None) -> None:
        self.path = folder / NAME
        self.history = History()
        self.since_start = TotalsSinceStart()
        self._problems = problems or Problems()
        self._unsaved: deque[HistoryEvent] = deque(maxlen=MAX_UNSAVED)

    def record(self, event: HistoryEvent) -> None:
        """Add an event to the history; `save` writes it."""
        self.history.add(event)
        self.since_start.add(event)
        self._unsaved.append(event)

    async def restore(self) -> None:
        """Read the file in a thread; what was recorded meanwhile comes after it. Call it before the first `save`."""
        restored = await to_thread.run_sync(_read_file, self.path, abandon_on_cancel=True)
        for event in self._unsaved:
            restored.add(event)
        self.history = restored

    async def save(self) -> None:
        """Append the new events to the file in a thread; if the disk refuses, report a problem and drop them."""
        events, self._unsaved = self._unsaved, deque(maxlen=MAX_UNSAVED)
        if not events:
            return
        try:
            await to_thread.run_sync(_append, self.path, list(events), abandon_on_cancel=True)
        except OSError as error:
            consequence = "After a restart the history lacks the present."
            self._problems.report(PROBLEM, f"{self.path} cannot be written: {error.strerror}. {consequence}")
        else:
            self._problems.clear(PROBLEM)


def _read_file(path: Path) -> History:
    try:
        with path.open(encoding="utf-8", errors="replace") as lines:
            return read(lines)
    except FileNotFoundError:
        return History()
    except OSError as error:
        log.warning("%s is ignored: %s", path, error)
        return History()


def _append(path: Path, events: list[HistoryEvent]) -> None:
    """Append events; rewrite the file as totals when it is large. There is no fsync: `read` takes any part of it.

    Raises:
        OSError: the disk refuses.
    """
    if append_lines(path, map(encode, events)) > COMPACT_BYTES:
        lines = "".join(f"{line}\n" for line in compact(_read_file(path)))
        write_atomically(path, lines.encode("utf-8", "replace"), mode=PRIVATE)
