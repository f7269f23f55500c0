"""Counts requests, loads, time and output since the start."""

from collections import defaultdict

from model_runtime.events import ChatResult, Finished, GeneratedImage, SpeechResult, TranscriptionResult
from model_runtime.requests import Task
from model_runtime.status import Counters


class CounterRegistry:
    """The totals by label; `model_runtime.status.Counters` describes each."""

    def __init__(self) -> None:
        self._requests: dict[tuple[str, str, str], int] = defaultdict(int)
        self._loads: dict[tuple[str, str], int] = defaultdict(int)
        self._unloads: dict[tuple[str, str], int] = defaultdict(int)
        self._request_seconds: dict[str, float] = defaultdict(float)
        self._load_seconds: dict[str, float] = defaultdict(float)
        self._queue_seconds: dict[str, float] = defaultdict(float)
        self._tokens: dict[tuple[str, str], int] = defaultdict(int)
        self._audio_seconds: dict[tuple[str, str], float] = defaultdict(float)
        self._images: dict[str, int] = defaultdict(int)
        self.last_load_seconds: dict[str, float] = {}

    def count_request(self, model: str, task: Task, code: str) -> None:
        """Count an answered request; `code` is "ok" or the code of its error."""
        self._requests[model, task, code] += 1

    def count_result(self, finished: Finished) -> None:
        """Count the time and the output of a request that succeeded."""
        name, timings = finished.model, finished.timings
        self._request_seconds[name] += timings.running_seconds
        self._queue_seconds[name] += timings.queued_seconds
        match finished.result:
            case ChatResult(prompt_tokens=prompt, completion_tokens=completion):
                self._tokens[name, "prompt"] += prompt
                self._tokens[name, "completion"] += completion
            case GeneratedImage():
                self._images[name] += 1
            case TranscriptionResult(duration_seconds=seconds):
                self._audio_seconds[name, "heard"] += seconds
            case SpeechResult(duration_seconds=seconds):
                self._audio_seconds[name, "spoken"] += seconds

    def count_load(self, model: str, seconds: float) -> None:
        """Count a load that took this long."""
        self._loads[model, "ok"] += 1
        self._load_seconds[model] += seconds
        self.last_load_seconds[model] = seconds

    def count_failed_load(self, model: str) -> None:
        """Count a load that failed."""
        self._loads[model, "failed"] += 1

    def count_unload(self, model: str, reason: str) -> None:
        """Count an unload; "evicted for MODEL" counts as "evicted"."""
        self._unloads[model, "evicted" if reason.startswith("evicted") else reason] += 1

    def snapshot(self) -> Counters:
        """Return a copy of the totals."""
        return Counters(
            requests=dict(self._requests),
            loads=dict(self._loads),
            unloads=dict(self._unloads),
            request_seconds=dict(self._request_seconds),
            load_seconds=dict(self._load_seconds),
            queue_seconds=dict(self._queue_seconds),
            tokens=dict(self._tokens),
            audio_seconds=dict(self._audio_seconds),
            images=dict(self._images),
        )
