"""One request between its arrival and its answer."""

from collections.abc import Sequence
from dataclasses import dataclass

from model_runtime.catalog.model import Model
from model_runtime.events import AudioChunk, EngineEvent, LanguageDetected, Progress, Segment, TextDelta, Timings
from model_runtime.requests import Task
from model_runtime.supervisor.output_queue import OutputQueue

BATCH_SECONDS = 120.0
"""A recording longer than this many seconds is batch work."""


@dataclass(slots=True, eq=False)
class ActiveRequest:
    """What the runtime knows of a request until it is answered. Times are of the runtime's clock, in seconds.

    `encoded_command` is the message that starts it in the worker; it is empty for an operator's load.
    """

    id: int
    model: Model
    task: Task
    client: str
    encoded_command: Sequence[bytes]
    arrived_at: float
    outputs: OutputQueue
    working_bytes: int = 0
    warnings: tuple[str, ...] = ()
    audio_seconds: float = 0.0
    """Duration of the recording that it transcribes."""
    position: int = 0
    granted_at: float | None = None
    incarnation: int = 0
    loading_seconds: float = 0.0
    last_progress_at: float = 0.0
    has_output: bool = False
    """Whether its caller has received an output: another worker can then not start it again unnoticed."""
    was_retried: bool = False
    """Whether the first worker that ran it has died."""
    queue_full_since: float | None = None
    """When its caller stopped reading; None while there is room in the output queue."""
    stage: str = ""
    done: float = 0.0
    total: float = 0.0

    @property
    def is_batch(self) -> bool:
        """Whether it is batch work: interactive requests are served first."""
        return self.task is Task.IMAGE or self.audio_seconds > BATCH_SECONDS

    @property
    def is_load(self) -> bool:
        """Whether an operator asks for the model to be loaded and for nothing else."""
        return not self.encoded_command

    def start(self, incarnation: int, loading_seconds: float, now: float) -> None:
        """Note that it runs from now on, in this incarnation of its model."""
        self.granted_at = self.last_progress_at = now
        self.incarnation, self.loading_seconds = incarnation, loading_seconds
        self.position, self.stage, self.done, self.total = 0, "", 0.0, 0.0

    def deliver(self, event: EngineEvent, now: float) -> None:
        """Pass an output on to the caller and note the progress it shows."""
        self.last_progress_at, self.has_output = now, True
        match event:
            case TextDelta():
                self.stage, self.done = "tokens", self.done + 1
            case Progress(stage, done, total):
                self.stage, self.done, self.total = stage, done, total
            case Segment(end=end):
                self.stage, self.done = "seconds", end
            case AudioChunk(pcm, sample_rate):
                self.stage, self.done = "seconds", self.done + len(pcm) / 2 / sample_rate
            case LanguageDetected(language):
                self.stage = f"language {language}"
            case _:
                self.stage = self.stage or "working"
        if self.outputs.put(event) and self.queue_full_since is None:
            self.queue_full_since = now

    def requeue(self) -> None:
        """Wait for another worker: the first one died before it sent any output."""
        self.granted_at, self.was_retried = None, True

    def timings(self, now: float) -> Timings:
        """Return how long it was queued, its model was loading, and it ran."""
        granted = self.granted_at or now
        waited = granted - self.arrived_at
        return Timings(max(waited - self.loading_seconds, 0.0), self.loading_seconds, now - granted)
