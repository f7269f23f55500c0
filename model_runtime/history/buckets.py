"""Totals by time, model and client, in a bounded number of buckets. Pure: events in, totals out."""

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from model_runtime.history.events import (
    MAX_NAME_CHARS,
    UNITS,
    DaemonStarted,
    HistoryEvent,
    LoadEnded,
    ModelUnloaded,
    RequestEnded,
    Sampled,
)
from model_runtime.history.histogram import PLACES, place

MAX_ROWS = 10
"""Pairs of model and client in one bucket, and models in its memory; what comes beyond is counted as `OTHER`."""
OTHER = "others"

FIELDS = (
    "ok",
    "failed",
    "cancelled",
    "queued_seconds",
    "loading_seconds",
    "running_seconds",
    "total_seconds",
    "first_output_seconds",
    "first_outputs",
    "amount",
    "amount_seconds",
    "loads",
    "failed_loads",
    "load_seconds",
    "unloads",
    "evictions",
)
"""Names of the first numbers of a row; then come the counts of the total durations of the requests that succeeded.

Sums of seconds are of requests that succeeded; `amount_seconds` is the time in which `amount` came out.
"""
NUMBERS = len(FIELDS) + PLACES
_AT = {name: index for index, name in enumerate(FIELDS)}


class Row:
    """The totals of one model and one client."""

    __slots__ = ("numbers", "unit")

    def __init__(self, numbers: Iterable[float] | None = None, unit: str = "") -> None:
        self.numbers = array("d", numbers if numbers is not None else bytes(8 * NUMBERS))
        self.unit = unit
        """What `amount` counts; empty while nothing was counted."""

    def __getitem__(self, name: str) -> float:
        return self.numbers[_AT[name]]

    @property
    def durations(self) -> Sequence[float]:
        """The counts of total durations, as in `model_runtime.history.histogram`."""
        return self.numbers[len(FIELDS) :]

    def count(self, **amounts: float) -> None:
        """Add to numbers by name."""
        for name, amount in amounts.items():
            self.numbers[_AT[name]] += amount

    def count_duration(self, seconds: float) -> None:
        """Count a total duration."""
        self.numbers[len(FIELDS) + place(seconds)] += 1

    def add(self, other: Self) -> None:
        """Add another row."""
        for index, value in enumerate(other.numbers):
            self.numbers[index] += value
        self.unit = self.unit or other.unit


@dataclass(slots=True)
class Bucket:
    """What happened between `start` and the start of the next bucket."""

    rows: dict[tuple[str, str], Row] = field(default_factory=dict)
    """(model, client) → totals; the client is empty for loads and unloads."""
    memory_bytes: dict[str, int] = field(default_factory=dict)
    """Model → the most memory that it held."""
    running: int = 0
    """The most requests that ran at once when it was looked."""
    waiting: int = 0

    def copy(self) -> "Bucket":
        """Return a copy that later events do not change."""
        rows = {key: Row(row.numbers, row.unit) for key, row in self.rows.items()}
        return Bucket(rows, dict(self.memory_bytes), self.running, self.waiting)

    def row(self, model: str, client: str) -> Row:
        """Return the row of a model and a client, that of all others if there are too many."""
        key = (model[:MAX_NAME_CHARS], client[:MAX_NAME_CHARS])
        if key not in self.rows and len(self.rows) >= MAX_ROWS:
            key = (OTHER, OTHER)
        if key not in self.rows:
            self.rows[key] = Row()
        return self.rows[key]

    def add(self, event: HistoryEvent) -> None:
        """Count an event."""
        match event:
            case RequestEnded():
                count_request(self.row(event.model, event.client), event)
            case LoadEnded(model=model, seconds=seconds, code=code):
                self.row(model, "").count(loads=code == "ok", failed_loads=code != "ok", load_seconds=seconds)
            case ModelUnloaded(model=model, reason=reason):
                self.row(model, "").count(unloads=1, evictions=reason.startswith("evicted"))
            case Sampled():
                self.sample(event.memory_bytes, event.running, event.waiting)
            case DaemonStarted():
                pass

    def sample(self, memory_bytes: Mapping[str, int], running: int, waiting: int) -> None:
        """Keep the highest of what was seen."""
        for model, held in memory_bytes.items():
            name = model[:MAX_NAME_CHARS]
            name = name if name in self.memory_bytes or len(self.memory_bytes) < MAX_ROWS else OTHER
            self.memory_bytes[name] = max(self.memory_bytes.get(name, 0), held)
        self.running, self.waiting = max(self.running, running), max(self.waiting, waiting)


def count_request(row: Row, ended: RequestEnded) -> None:
    """Count a request in a row: its outcome and, if it succeeded, its times and what came out."""
    if ended.code != "ok":
        row.count(cancelled=ended.code == "cancelled", failed=ended.code != "cancelled")
        return
    total_seconds = ended.total_seconds
    row.count(
        ok=1,
        queued_seconds=ended.queued_seconds,
        loading_seconds=ended.loading_seconds,
        running_seconds=ended.running_seconds,
        total_seconds=total_seconds,
    )
    row.count_duration(total_seconds)
    if ended.first_output_seconds is not None:
        row.count(first_outputs=1, first_output_seconds=ended.first_output_seconds)
    if ended.amount:
        row.unit = UNITS[ended.task]
        row.count(amount=ended.amount, amount_seconds=ended.running_seconds)


class Tier:
    """Buckets of one width. When there are too many, the one farthest in time from the newest one goes.

    A clock that jumps, either way, therefore costs one old bucket for each new one, and never all of them.
    """

    def __init__(self, width_seconds: int, max_buckets: int) -> None:
        self.width_seconds = width_seconds
        self.max_buckets = max_buckets
        self.buckets: dict[int, Bucket] = {}
        """Start, in seconds since the epoch → what happened then; times in which nothing happened have none."""

    def bucket(self, at: float) -> Bucket:
        """Return the bucket of a time."""
        start = int(at // self.width_seconds) * self.width_seconds
        if start not in self.buckets:
            self.buckets[start] = Bucket()
            if len(self.buckets) > self.max_buckets:
                del self.buckets[max(self.buckets, key=lambda other: abs(other - start))]
        return self.buckets[start]

    def copies(self, since: float, until: float) -> Iterator[tuple[int, Bucket]]:
        """Yield copies of the buckets that begin after `since` and up to `until`, the oldest first."""
        return ((start, self.buckets[start].copy()) for start in sorted(self.buckets) if since < start <= until)
