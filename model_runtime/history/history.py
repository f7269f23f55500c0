"""The history in memory: buckets of two widths, the last requests, the last loads and unloads. Pure."""

from collections import defaultdict, deque
from dataclasses import dataclass
from typing import Literal

from model_runtime.history.buckets import Bucket, Tier
from model_runtime.history.events import HistoryEvent, LifecycleEvent, LoadEnded, RequestEnded, Sampled
from model_runtime.history.histogram import Histogram

Range = Literal["hour", "day"]
TIER_SIZES: dict[Range, tuple[int, int]] = {"hour": (20, 180), "day": (600, 144)}
"""Name of a range → width of its buckets in seconds, and their number."""
MAX_REQUESTS = 200
MAX_CHANGES = 400

HISTOGRAMS = ("request_duration", "first_output", "queue_duration", "load_duration")


class History:
    """The last hour, the last day, and the last requests and changes. Each event is counted in both ranges."""

    def __init__(self) -> None:
        self.tiers = {name: Tier(*size) for name, size in TIER_SIZES.items()}
        self.requests: deque[RequestEnded] = deque(maxlen=MAX_REQUESTS)
        self.changes: deque[LifecycleEvent] = deque(maxlen=MAX_CHANGES)
        self.request_count = self.change_count = 0
        """How many were ever remembered: who follows the history knows by them how many are new."""

    def add(self, event: HistoryEvent) -> None:
        """Count an event, and remember it unless it is a sample."""
        for tier in self.tiers.values():
            tier.bucket(event.at).add(event)
        self.remember(event)

    def remember(self, event: HistoryEvent) -> None:
        """Keep an event among the last ones, without counting it."""
        if isinstance(event, RequestEnded):
            self.requests.append(event)
            self.request_count += 1
        elif not isinstance(event, Sampled):
            self.changes.append(event)
            self.change_count += 1

    def view(self, name: Range, now: float) -> "HistoryView":
        """Return a copy of what happened in a range that ends at `now`."""
        tier = self.tiers[name]
        since = now - tier.width_seconds * tier.max_buckets
        return HistoryView(
            name,
            tier.width_seconds,
            now,
            tuple(tier.copies(since, now)),
            tuple(self.requests),
            tuple(self.changes),
            tuple(change for change in self.changes if since < change.at <= now),
        )


@dataclass(frozen=True, slots=True)
class HistoryView:
    """A range of the history at one moment. Times are in seconds since the epoch."""

    range: Range
    bucket_seconds: int
    now: float
    buckets: tuple[tuple[int, Bucket], ...]
    """Their starts and contents, the oldest first; times in which nothing happened have none."""
    requests: tuple[RequestEnded, ...]
    """The last ones, whatever the range."""
    changes: tuple[LifecycleEvent, ...]
    """The last ones, whatever the range."""
    changes_in_range: tuple[LifecycleEvent, ...]


class TotalsSinceStart:
    """Durations by model since the daemon's start, for Prometheus: its counters begin again with each process."""

    def __init__(self) -> None:
        self.histograms: dict[str, dict[str, Histogram]] = {name: defaultdict(Histogram) for name in HISTOGRAMS}
        """Name → model → durations; those of requests are of requests that succeeded."""
        self.reload_seconds: dict[str, float] = {}
        """Model → time of its loads but the first."""

    def add(self, event: HistoryEvent) -> None:
        """Count an event."""
        if isinstance(event, RequestEnded) and event.code == "ok":
            self._observe("request_duration", event.model, event.total_seconds)
            self._observe("queue_duration", event.model, event.queued_seconds)
            if event.first_output_seconds is not None:
                self._observe("first_output", event.model, event.first_output_seconds)
        elif isinstance(event, LoadEnded) and event.code == "ok":
            self._observe("load_duration", event.model, event.seconds)
            reloaded = self.reload_seconds.get(event.model)
            self.reload_seconds[event.model] = 0.0 if reloaded is None else reloaded + event.seconds

    def _observe(self, name: str, model: str, seconds: float) -> None:
        self.histograms[name][model].observe(seconds)
