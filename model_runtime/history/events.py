"""What the history is made of. `at` is in seconds since the epoch; no event holds a word of what was asked."""

from dataclasses import dataclass
from typing import Literal

from model_runtime.requests import Task

MAX_NAME_CHARS = 64
"""Names of models and clients, and reasons, are cut to this length: clients choose their names themselves."""

Unit = Literal["tokens", "images", "seconds of sound"]
UNITS: dict[Task, Unit] = {
    Task.VISION: "tokens",
    Task.TEXT: "tokens",
    Task.IMAGE: "images",
    Task.TRANSCRIPTION: "seconds of sound",
    Task.SPEECH: "seconds of sound",
    Task.EMBEDDING: "tokens",
}
"""Task → what its `RequestEnded.amount` counts."""


@dataclass(frozen=True, slots=True)
class RequestEnded:
    """A request was answered. `code` is "ok" or the code of its error."""

    at: float
    model: str
    client: str
    task: Task
    code: str
    queued_seconds: float
    loading_seconds: float
    running_seconds: float
    first_output_seconds: float | None = None
    """From its arrival to the first part of its result; None without one."""
    amount: float = 0.0
    """How much came out: tokens, images, or seconds of sound that were heard or spoken."""

    @property
    def total_seconds(self) -> float:
        """From its arrival to its answer."""
        return self.queued_seconds + self.loading_seconds + self.running_seconds


@dataclass(frozen=True, slots=True)
class LoadEnded:
    """A load ended after `seconds`; `code` is "ok" or "failed"."""

    at: float
    model: str
    seconds: float
    code: Literal["ok", "failed"] = "ok"


@dataclass(frozen=True, slots=True)
class ModelUnloaded:
    """A worker was stopped; `reason` and `detail` as in `model_runtime.scheduler.messages.StopWorker`."""

    at: float
    model: str
    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class DaemonStarted:
    """The daemon started."""

    at: float


@dataclass(frozen=True, slots=True)
class Sampled:
    """How much memory each model holds, and how many requests run and wait."""

    at: float
    memory_bytes: dict[str, int]
    running: int
    waiting: int


HistoryEvent = RequestEnded | LoadEnded | ModelUnloaded | DaemonStarted | Sampled
LifecycleEvent = LoadEnded | ModelUnloaded | DaemonStarted
