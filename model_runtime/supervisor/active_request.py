"""One request on its way through the runtime."""

from collections.abc import Sequence
from dataclasses import dataclass

from model_runtime.catalog.model import Model
from model_runtime.events import AudioChunk, Event, LanguageDetected, Progress, Segment, TextDelta, Timings
from model_runtime.requests import Chat, GenerateImage, Request, Speak, Task, Transcribe
from model_runtime.supervisor.output_queue import OutputQueue

BATCH_SECONDS = 120.0
"""A recording longer than this is a meeting, not a question."""


@dataclass(slots=True, eq=False)
class ActiveRequest:
    """What the runtime keeps of a request until it is answered. Times are of the runtime's clock.

    `order` is the packed message that starts it in the worker; it is empty for an operator's load.
    """

    id: int
    model: Model
    task: Task
    client: str
    encoded_command: Sequence[bytes]
    arrived_at: float
    outputs: OutputQueue
    audio_seconds: float = 0.0
    """How long the recording is that it writes down."""
    position: int = 0
    granted_at: float | None = None
    incarnation: int = 0
    loading_seconds: float = 0.0
    last_progress_at: float = 0.0
    """When it last showed progress."""
    has_output: bool = False
    """Whether its caller has got a piece of the work: then no other process can begin it anew unnoticed."""
    was_retried: bool = False
    """Whether its first process died under it."""
    queue_full_since: float | None = None
    """Since when its caller does not read."""
    stage: str = ""
    done: float = 0.0
    total: float = 0.0

    @property
    def is_batch(self) -> bool:
        """Whether nobody sits and waits for it: it stands back for speech and questions."""
        return self.task is Task.IMAGE or self.audio_seconds > BATCH_SECONDS

    @property
    def is_load(self) -> bool:
        """Whether an operator wants the model in memory and nothing else."""
        return not self.encoded_command

    def start(self, incarnation: int, loading_seconds: float, now: float) -> None:
        """It runs from now on, in this process of its model."""
        self.granted_at = self.last_progress_at = now
        self.incarnation, self.loading_seconds = incarnation, loading_seconds
        self.position, self.stage, self.done, self.total = 0, "", 0.0, 0.0

    def record_output(self, event: Event, now: float) -> None:
        """Learn from an event how far it is."""
        self.last_progress_at, self.has_output = now, True
        match event:
            case Progress(stage, done, total):
                self.stage, self.done, self.total = stage, done, total
            case TextDelta():
                self.stage, self.done = "tokens", self.done + 1
            case Segment(end=end):
                self.stage, self.done = "seconds", end
            case AudioChunk(pcm, sample_rate):
                self.stage, self.done = "seconds", self.done + len(pcm) / 2 / sample_rate
            case LanguageDetected(language):
                self.stage = f"language {language}"
            case _:
                self.stage = self.stage or "working"

    def requeue(self) -> None:
        """Its process died before it said anything: it waits for another one."""
        self.granted_at, self.was_retried = None, True

    def timings(self, now: float) -> Timings:
        """Tell where its time went."""
        granted = self.granted_at or now
        waited = granted - self.arrived_at
        return Timings(max(waited - self.loading_seconds, 0.0), self.loading_seconds, now - granted)


def task_of(request: Request) -> Task:
    """Tell what a request asks of a model: a chat without pictures is a text task."""
    match request:
        case Chat(messages=messages):
            sees = any(not isinstance(part, str) for message in messages for part in message.content)
            return Task.VISION if sees else Task.TEXT
        case GenerateImage():
            return Task.IMAGE
        case Transcribe():
            return Task.TRANSCRIPTION
        case Speak():
            return Task.SPEECH
