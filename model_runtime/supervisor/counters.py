"""Counts requests, loads, time and output since the start, and records each of them in the history."""

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from model_runtime.events import (
    ChatResult,
    EmbeddingResult,
    Finished,
    GeneratedImage,
    SpeechResult,
    TranscriptionResult,
)
from model_runtime.history.events import HistoryEvent, LoadEnded, ModelUnloaded, RequestEnded
from model_runtime.status import Counters


class CounterRegistry:
    """The totals by label; `model_runtime.status.Counters` describes each."""

    def __init__(
        self,
        record: Callable[[HistoryEvent], None] = lambda event: None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """`record` takes each event; `wall_clock` returns seconds since the epoch."""
        self._record = record
        self._wall_clock = wall_clock
        self._totals = Counters(**{field.name: defaultdict[Any, Any](int) for field in fields(Counters)})
        self.last_load_seconds: dict[str, float] = {}

    def count_request(self, ended: RequestEnded) -> None:
        """Count an answered request."""
        self._totals.requests[ended.model, ended.task, ended.code] += 1
        self._record(ended)

    def count_result(self, finished: Finished) -> None:
        """Count the time and the output of a request that succeeded."""
        name, timings = finished.model, finished.timings
        self._totals.request_seconds[name] += timings.running_seconds
        self._totals.queue_seconds[name] += timings.queued_seconds
        match finished.result:
            case ChatResult(prompt_tokens=prompt, completion_tokens=completion):
                self._totals.tokens[name, "prompt"] += prompt
                self._totals.tokens[name, "completion"] += completion
            case GeneratedImage():
                self._totals.images[name] += 1
            case TranscriptionResult(duration_seconds=seconds):
                self._totals.audio_seconds[name, "heard"] += seconds
            case SpeechResult(duration_seconds=seconds):
                self._totals.audio_seconds[name, "spoken"] += seconds
            case EmbeddingResult(prompt_tokens=prompt):
                self._totals.tokens[name, "prompt"] += prompt

    def count_load(self, model: str, seconds: float) -> None:
        """Count a load that took this long."""
        self._totals.loads[model, "ok"] += 1
        self._record(LoadEnded(self._wall_clock(), model, seconds))
        self._totals.load_seconds[model] += seconds
        self.last_load_seconds[model] = seconds

    def count_failed_load(self, model: str) -> None:
        """Count a load that failed."""
        self._totals.loads[model, "failed"] += 1
        self._record(LoadEnded(self._wall_clock(), model, 0.0, "failed"))

    def count_unload(self, model: str, reason: str, detail: str = "") -> None:
        """Count an unload; "evicted for MODEL" counts as "evicted"."""
        self._totals.unloads[model, "evicted" if reason.startswith("evicted") else reason] += 1
        self._record(ModelUnloaded(self._wall_clock(), model, reason, detail))

    def snapshot(self) -> Counters:
        """Return a copy of the totals."""
        return Counters(**{field.name: dict(getattr(self._totals, field.name)) for field in fields(Counters)})
