"""One request between its arrival and its answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from model_runtime.catalog.model import Model
from model_runtime.events import (
    AudioChunk,
    ChatResult,
    EmbeddingResult,
    EngineEvent,
    GeneratedImage,
    LanguageDetected,
    Preview,
    Progress,
    ReasoningDelta,
    Result,
    Segment,
    SpeechResult,
    TextDelta,
    Timings,
    ToolCallDelta,
    TranscriptionResult,
)
from model_runtime.history.events import RequestEnded
from model_runtime.requests import Embed, GenerateImage, Request, Speak, Task, Transcribe
from model_runtime.supervisor.output_queue import OutputQueue
from model_runtime.supervisor.views import RequestView

BATCH_SECONDS = 120.0
"""A request for the transcript of a longer recording, or for longer speech, is a batch request."""

BATCH_CHARACTERS = 20_000
"""A request to embed more text is a batch request, so that the question of a search overtakes those of its index."""

CHARACTERS_PER_SECOND = 15
"""Estimated rate of speech."""

TASKS_OF_UNKNOWN_LENGTH = (Task.VISION, Task.TEXT)
"""A chat ends when its model ends it."""


def audio_seconds(request: Request) -> float:
    """Return the duration of the recording of a request, or of its speech by the length of the text; else 0."""
    match request:
        case Transcribe(audio=audio):
            return audio.duration_seconds
        case Speak(text=text):
            return len(text) / CHARACTERS_PER_SECOND
        case _:
            return 0.0


def amount_of(result: Result) -> float:
    """Return how much came out of a request: tokens, one image, or seconds of sound that were heard or spoken."""
    match result:
        case ChatResult(completion_tokens=tokens):
            return tokens
        case GeneratedImage():
            return 1.0
        case TranscriptionResult(duration_seconds=seconds) | SpeechResult(duration_seconds=seconds):
            return seconds
        case EmbeddingResult(prompt_tokens=tokens):
            return tokens


def is_batch(request: Request) -> bool:
    """Return whether a request is a batch request: interactive requests are served first."""
    if isinstance(request, Embed):
        return sum(map(len, request.texts)) > BATCH_CHARACTERS
    return isinstance(request, GenerateImage) or audio_seconds(request) > BATCH_SECONDS


@dataclass(slots=True, eq=False)
class ActiveRequest:
    """An open request. Times are in seconds of the runtime's clock."""

    id: int
    model: Model
    task: Task
    client: str
    encoded_command: Sequence[bytes]
    """Frame of the command that starts it in the worker; empty for an operator's load."""
    arrived_at: float
    outputs: OutputQueue
    working_bytes: int = 0
    warnings: tuple[str, ...] = ()
    is_batch: bool = False
    """Whether it is a batch request."""
    position: int = 0
    """Its place in the queue, from 1; 0 while it runs."""
    granted_at: float | None = None
    incarnation: int = 0
    """Of the worker that runs it."""
    loading_seconds: float = 0.0
    last_progress_at: float = 0.0
    first_result_at: float | None = None
    """When the first part of its result arrived."""
    has_output: bool = False
    """Whether its caller has received output; running it again in another worker would then repeat that."""
    has_result: bool = False
    """Whether that output was a part of the result, not only progress: after a lack of memory, progress may repeat."""
    was_retried: bool = False
    """Whether the first worker that ran it has died."""
    queue_full_since: float | None = None
    """When its output queue became full; None while there is room."""
    preview: Preview | None = None
    """The newest unfinished picture, if its caller asked for such."""
    stage: str = ""
    """Unit of `done` and `total`, such as "tokens" or "seconds"."""
    done: float = 0.0
    total: float = 0.0

    @property
    def request_bytes(self) -> int:
        """Encoded size of the request."""
        return sum(map(len, self.encoded_command))

    @property
    def done_share(self) -> float:
        """The part of its work that is done, 0..1; 0 while unknown."""
        if self.task in TASKS_OF_UNKNOWN_LENGTH or self.total <= 0:
            return 0.0
        return min(self.done / self.total, 1.0)

    @property
    def is_load(self) -> bool:
        """Whether it only loads the model, for an operator."""
        return not self.encoded_command

    def start(self, incarnation: int, loading_seconds: float, now: float) -> None:
        """Record that it runs from now on, in this incarnation of its model."""
        self.granted_at = self.last_progress_at = now
        self.incarnation, self.loading_seconds = incarnation, loading_seconds
        self.position, self.stage, self.done, self.total = 0, "", 0.0, 0.0

    def deliver(self, event: EngineEvent, now: float) -> None:
        """Queue an output for the caller and record the progress."""
        self.last_progress_at, self.has_output = now, True
        if not self.has_result and not isinstance(event, Progress | LanguageDetected):
            self.has_result, self.first_result_at = True, now
        match event:
            case TextDelta() | ReasoningDelta() | ToolCallDelta():
                self.stage, self.done = "tokens", self.done + 1
            case Progress(stage, done, total):
                self.stage, self.done, self.total = stage, done, total
            case Segment(end=end):
                self.stage, self.done = "seconds", end
            case AudioChunk(pcm, sample_rate):
                self.stage, self.done = "seconds", self.done + len(pcm) / 2 / sample_rate  # 16-bit mono samples
            case Preview():
                self.preview, self.stage = event, self.stage or "working"
            case LanguageDetected(language):
                self.stage = f"language {language}"
            case _:
                self.stage = self.stage or "working"
        if self.outputs.put(event) and self.queue_full_since is None:
            self.queue_full_since = now

    def requeue(self) -> None:
        """Record that it waits for another worker because the first one died before any output."""
        self.granted_at, self.was_retried, self.preview = None, True, None

    def timings(self, now: float) -> Timings:
        """Return how many seconds it was queued, its model was loading, and it ran."""
        granted_at = self.granted_at or now
        waited_seconds = granted_at - self.arrived_at
        return Timings(max(waited_seconds - self.loading_seconds, 0.0), self.loading_seconds, now - granted_at)

    def ended(self, at: float, now: float, code: str, amount: float) -> RequestEnded:
        """Return what the history keeps of it: `at` is in seconds since the epoch. The end is the output of a success."""
        timings, first_at = self.timings(now), self.first_result_at
        if first_at is None and code == "ok":
            first_at = now
        return RequestEnded(
            at,
            self.model.name,
            self.client,
            self.task,
            code,
            timings.queued_seconds,
            timings.loading_seconds,
            timings.running_seconds,
            None if first_at is None else first_at - self.arrived_at,
            amount,
        )

    def view(self, explain: Callable[[str], str]) -> RequestView:
        """Return the request as it is now, frozen; `explain` says what a queued request of a model waits for."""
        return RequestView(
            id=self.id,
            model=self.model.name,
            task=self.task,
            client=self.client,
            arrived_at=self.arrived_at,
            granted_at=self.granted_at,
            last_progress_at=self.last_progress_at,
            queue_full_since=self.queue_full_since,
            position=self.position,
            stage=self.stage,
            done=self.done,
            total=self.total,
            reason=explain(self.model.name) if self.granted_at is None else "",
            preview_step=self.preview.step if self.preview else 0,
        )
