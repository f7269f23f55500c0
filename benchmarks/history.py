"""What the history takes: memory when it is full, and time on the event loop for each request."""

import gc
import time
import tracemalloc
from pathlib import Path

from benchmarks.lab import BenchmarkContext
from benchmarks.row import Row, median
from model_runtime.history.buckets import MAX_ROWS
from model_runtime.history.events import RequestEnded, Sampled
from model_runtime.history.history import TIER_SIZES, History
from model_runtime.history.store import HistoryStore
from model_runtime.requests import Task

NOW = 1_764_000_000.0
REQUESTS = 20_000


def measure(context: BenchmarkContext) -> list[Row]:
    """Fill a history, then record requests."""
    gc.collect()
    tracemalloc.start()
    history = fullest_history()
    held_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del history
    full = f"every bucket full: {MAX_ROWS + 1} pairs of model and client, names of 60 and 40 characters"
    count = context.rounds(REQUESTS)
    how = f"{count} requests, one a millisecond, each counted in both ranges, in the histograms and for the file"
    return [
        Row("history's memory", held_bytes / 1e6, "MB", 3, full),
        Row("history, each request", 1e3 * _seconds_for_a_request(count), "ms", 0.1, how),
    ]


def fullest_history() -> History:
    """Return a history in which every bucket is full."""
    history = History()
    for width_seconds, count in sorted(TIER_SIZES.values(), reverse=True):
        for step in range(count):
            _fill_bucket(history, NOW + step * width_seconds)
    return history


def _fill_bucket(history: History, at: float) -> None:
    history.add(Sampled(at, {f"{'m' * 60}{number}": 10**10 for number in range(MAX_ROWS + 1)}, 9, 9))
    for pair in range(MAX_ROWS + 1):
        history.add(_request(at, pair))


def _request(at: float, pair: int) -> RequestEnded:
    return RequestEnded(at, f"{'m' * 60}{pair}", "c" * 40, Task.TEXT, "ok", 1.111, 2.222, 3.333, 4.444, 55.0)


def _seconds_for_a_request(count: int) -> float:
    store, took = HistoryStore(Path("nowhere")), []
    for step in range(count):
        ended = _request(NOW + step / 1000, step % 5)
        started = time.perf_counter()
        store.record(ended)
        took.append(time.perf_counter() - started)
    return median(took)
