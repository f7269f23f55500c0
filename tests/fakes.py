"""A fake runtime service."""

import io
import struct
from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import replace
from itertools import count
from pathlib import Path
from tempfile import mkdtemp

import anyio
from PIL import Image

from model_runtime.catalog.model import ModelInfo
from model_runtime.catalog.openai_names import tier_of
from model_runtime.decoding.decoder import MediaDecoder
from model_runtime.errors import ModelMissing, SensesError, UnknownModel, WrongTask
from model_runtime.events import (
    AudioChunk,
    ChatResult,
    EmbeddingResult,
    Event,
    Finished,
    GeneratedImage,
    Loading,
    ModelChosen,
    Preview,
    Progress,
    Queued,
    Result,
    Segment,
    SpeechResult,
    TextDelta,
    TextLine,
    Timings,
    TokenLogprob,
    TranscriptionResult,
    Warnings,
)
from model_runtime.history.store import HistoryStore
from model_runtime.media.types import ImageData
from model_runtime.problems import Problems
from model_runtime.requests import Chat, Embed, GenerateImage, Request, Task, Transcribe, task_of
from model_runtime.settings import Settings
from model_runtime.status import Counters, MemoryStatus, ModelState, ModelStatus, Status

DEFAULT_MODELS = {
    Task.VISION: "vlm-starter",
    Task.TEXT: "vlm-starter",
    Task.IMAGE: "image-starter",
    Task.TRANSCRIPTION: "stt-starter",
    Task.SPEECH: "tts-starter",
    Task.EMBEDDING: "embed-small",
}
TASK_OF_MODEL = {
    "vlm-starter": Task.VISION,
    "image-starter": Task.IMAGE,
    "stt-starter": Task.TRANSCRIPTION,
    "tts-starter": Task.SPEECH,
    "embed-small": Task.EMBEDDING,
}


def model_status(name: str, task: Task, **changes: object) -> ModelStatus:
    """Return the status of a downloaded starter model that is not loaded."""
    fields: dict[str, object] = {
        "name": name,
        "task": task,
        "engine": "fake",
        "source": "built in",
        "description": "a fake",
        "state": ModelState.ABSENT,
        "present": True,
        "weights_bytes": 1_000_000,
        "starter": True,
        "default": True,
        "voices": ("alma", "otto") if task is Task.SPEECH else (),
        "languages": ("en",) if task is Task.SPEECH else (),
    }
    return ModelStatus(**{**fields, **changes})  # type: ignore[arg-type]


class FakeService:
    """Answers each request at once with fixed results, in the events of the real runtime.

    `task_errors` fail the runs of a task, and `missing_tasks` have no model. `error` fails each run, `error_after_first_event` fails it after its first event. `gate` pauses a run after its
    first event until it is set. `requests` has all requests, `cancelled_requests` those closed before their end.
    `warnings` come with each answer. `chosen` is told first. `lines` are what "ocr-fast" reads, if it is among `models`.
    `segments` are what is heard in every recording. `chat_events` and the `chat_result` after them are the answer to a
    chat in place of `answer_parts`.
    """

    def __init__(self, *, error: SensesError | None = None, gate: anyio.Event | None = None) -> None:
        self.media = MediaDecoder(512_000_000, Path(mkdtemp()))
        self.problems = Problems()
        self.history = HistoryStore(Path(mkdtemp()), self.problems)
        self.error = error
        self.resolve_error: SensesError | None = None
        self.error_after_first_event: SensesError | None = None
        self.task_errors: dict[Task, SensesError] = {}
        self.missing_tasks: set[Task] = set()
        self.gate = gate
        self.warnings: tuple[str, ...] = ()
        self.chosen: ModelChosen | None = None
        self.requests: list[Request] = []
        self.request_ids: list[int | None] = []
        self.ids = count(1)
        self.keep_alives: list[float | None] = []
        self.clients: list[str] = []
        self.cancelled_requests: list[Request] = []
        self.unloaded_models: list[str] = []
        self.loaded_models: list[str] = []
        self.pinned: dict[str, bool] = {}
        self.previews: dict[int, Preview] = {}
        self.applied: list[Settings] = []
        self.kept: dict[str, float] = {}
        self.cancelled_jobs: list[int] = []
        self.answer_parts: tuple[str, ...] = ("A red ", "circle on a ", "white background.")
        self.chat_events: tuple[Event, ...] = ()
        self.chat_result: ChatResult | None = None
        self.models = tuple(
            model_status(name, task) for name, task in TASK_OF_MODEL.items() if name.endswith("starter")
        )
        self.models_changed = anyio.Event()
        self.lines: tuple[TextLine, ...] = ()
        self.segments: tuple[Segment, ...] = (
            Segment(0, 0.0, 1.5, " a red circle", tokens=(1, 2), avg_logprob=-0.1, no_speech_prob=0.01),
        )

    async def resolve(self, name: str, task: Task) -> str:
        """Return the starter of a tier, or the name of a starter, unless `resolve_error` is set."""
        if self.resolve_error is not None:
            raise self.resolve_error
        if task in self.missing_tasks:
            raise ModelMissing(name or f"the model for {task}", 1_800_000_000, "senses pull NAME")
        if name in ("ocr", "ocr-fast") and any(model.name == "ocr-fast" for model in self.models):
            return "ocr-fast"
        if name in ("", "auto", "fast", "best", "ocr", "edit") or is_openai_name(name, task):
            return DEFAULT_MODELS[task]
        if name not in TASK_OF_MODEL:
            raise UnknownModel(name, TASK_OF_MODEL)
        if TASK_OF_MODEL[name] is not task and not (task is Task.TEXT and TASK_OF_MODEL[name] is Task.VISION):
            raise WrongTask(
                name, TASK_OF_MODEL[name], task, [known for known, does in TASK_OF_MODEL.items() if does is task]
            )
        return name

    @property
    def open_request_count(self) -> int:
        """Those of `status`."""
        return len(self.status().jobs)

    def new_request_id(self) -> int:
        """Count from 1."""
        return next(self.ids)

    async def run(
        self,
        request: Request,
        *,
        client: str = "",
        keep_alive_seconds: float | None = None,
        request_id: int | None = None,
    ) -> AsyncGenerator[Event]:
        """Yield the events of the real runtime."""
        request = replace(request, model=await self.resolve(request.model, task_of(request)))
        self.requests.append(request)
        self.request_ids.append(request_id)
        self.clients.append(client)
        self.keep_alives.append(keep_alive_seconds)
        if error := self.error or self.task_errors.get(task_of(request)):
            raise error
        finished = False
        try:
            if self.chosen:
                yield self.chosen
            if self.warnings:
                yield Warnings(self.warnings)
            yield Queued(1)
            yield Loading(request.model, "weights", 0.5)
            first = True
            is_reader = request.model == "ocr-fast"
            events = _reading(self.lines) if is_reader else _events(request, self.answer_parts, self.segments)
            if isinstance(request, Chat) and self.chat_result:
                events = [*self.chat_events, _finished(request, self.chat_result)]
            for event in events:
                yield _with_warnings(event, self.warnings)
                if first and self.gate is not None:
                    await self.gate.wait()
                if self.error_after_first_event is not None:
                    raise self.error_after_first_event
                first = False
            finished = True
        finally:
            if not finished:
                self.cancelled_requests.append(request)

    async def load(self, model: str) -> None:
        """Remember it."""
        self.loaded_models.append(model)

    async def unload(self, model: str) -> int:
        """Remember it."""
        self.unloaded_models.append(model)
        return 1_000_000

    def pin(self, model: str, pinned: bool) -> None:
        """Remember it."""
        self.pinned[model] = pinned

    def keep(self, model: str, seconds: float) -> bool:
        """Remember it, for models that are ready."""
        self.kept[model] = seconds
        return any(one.name == model and one.state is ModelState.READY for one in self.models)

    def cancel(self, job: int) -> bool:
        """Know job 1 only."""
        self.cancelled_jobs.append(job)
        return job == 1

    def preview(self, job: int) -> Preview | None:
        """Return what a test has put there."""
        return self.previews.get(job)

    def model_info(self, name: str) -> ModelInfo | None:
        """Return what the status says of one of the models."""
        model = self.status().model(name)
        if model is None:
            return None
        return ModelInfo(present=model.present, broken_reason=model.error, weights_bytes=model.weights_bytes)

    def status(self) -> Status:
        """Return the models and round numbers."""
        return Status(
            version="0.0.0",
            pid=1,
            uptime_seconds=1.0,
            accepting=True,
            memory=MemoryStatus(8_000_000_000, 0, 0, 6_000_000_000, 70_000_000),
            models=self.models,
            jobs=(),
            counters=Counters({}, {}, {}, {}, {}, {}, {}, {}, {}),
            problems=self.problems.reasons(),
        )

    async def changes(self) -> AsyncGenerator[Status]:
        """Yield the status now, after each `update_models` and at least once a second."""
        while True:
            changed = self.models_changed
            yield self.status()
            with anyio.move_on_after(1):
                await changed.wait()

    def apply(self, settings: Settings) -> None:
        """Remember them."""
        self.applied.append(settings)

    async def close(self, grace_seconds: float) -> None:
        """Do nothing."""

    def update_models(self, update: Callable[[tuple[ModelStatus, ...]], Iterable[ModelStatus]]) -> None:
        """Change the models and wake all readers of `changes`."""
        self.models = tuple(update(self.models))
        changed, self.models_changed = self.models_changed, anyio.Event()
        changed.set()


def is_openai_name(name: str, task: Task) -> bool:
    """Return whether the fake takes OpenAI's names for a task: it knows none of models that chat, hear or speak."""
    return task in {Task.IMAGE, Task.EMBEDDING} and bool(tier_of(name, task))


def _reading(lines: tuple[TextLine, ...]) -> Iterable[Event]:
    text = "\n".join(line.text for line in lines)
    yield TextDelta(text)
    yield Finished("ocr-fast", ChatResult(text, "stop", 0, 0, lines=lines), Timings(0.0, 0.1, 0.2))


def _events(request: Request, answer_parts: tuple[str, ...], segments: tuple[Segment, ...]) -> Iterable[Event]:
    if isinstance(request, Chat):
        logprobs = tuple(_token_logprob(part, request.top_logprobs) for part in answer_parts)
        if request.top_logprobs is None:
            logprobs = ()
        yield from (TextDelta(part, logprobs[index : index + 1]) for index, part in enumerate(answer_parts))
        result: Result = ChatResult(
            "".join(answer_parts), "stop", 12, len(answer_parts), cached_tokens=5, logprobs=logprobs
        )
    elif isinstance(request, GenerateImage):
        steps = request.steps or 4
        yield from (Progress("steps", step, steps) for step in range(steps + 1))
        if request.preview_every:
            grey = ImageData(request.width, request.height, b"\x80" * (request.width * request.height * 3))
            yield from (Preview(grey, step, steps) for step in range(1, steps) if step % request.preview_every == 0)
        result = GeneratedImage(_png(request.width, request.height), request.width, request.height, request.seed, steps)
    elif isinstance(request, Transcribe):
        yield from segments
        text = "".join(segment.text for segment in segments).strip()
        result = TranscriptionResult(text, "en", request.audio.duration_seconds, segments)
    elif isinstance(request, Embed):
        yield Progress("texts", 1, len(request.texts))
        result = _embeddings(request)
    else:
        yield from (AudioChunk(b"\x00\x10" * 2400, 24_000) for _ in range(3))
        result = SpeechResult(0.3, 24_000, request.voice or "alma", "en")
    yield _finished(request, result)


def _finished(request: Request, result: Result) -> Finished:
    return Finished(request.model, result, Timings(0.0, 0.1, 0.2), starter=request.model.endswith("-starter"))


def _token_logprob(text: str, top_count: int | None) -> TokenLogprob:
    return TokenLogprob(text, -0.5, tuple(TokenLogprob(f"{text}{rank}", -1.0 - rank) for rank in range(top_count or 0)))


def _with_warnings(event: Event, warnings: tuple[str, ...]) -> Event:
    return replace(event, result=replace(event.result, warnings=warnings)) if isinstance(event, Finished) else event


def _embeddings(request: Embed) -> EmbeddingResult:
    """Return vectors whose first number is the length of the text; the length 1 is not theirs."""
    dimensions = request.dimensions or 4
    vectors = b"".join(struct.pack("<f", len(text)) + bytes(4 * (dimensions - 1)) for text in request.texts)
    return EmbeddingResult(vectors, dimensions, sum(map(len, request.texts)))


def _png(width: int, height: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(out, "PNG")
    return out.getvalue()
