"""Hand-made stand-ins behind narrow interfaces."""

import io
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from dataclasses import replace

import anyio
from PIL import Image

from model_runtime.errors import SensesError, UnknownModel, WrongTask
from model_runtime.events import (
    Answer,
    AudioChunk,
    Drawing,
    Event,
    Finished,
    Loading,
    Preview,
    Progress,
    Queued,
    Segment,
    Speech,
    TextDelta,
    Timings,
    Transcript,
    Warned,
)
from model_runtime.media.types import Picture
from model_runtime.requests import Chat, GenerateImage, Request, Task, Transcribe
from model_runtime.status import Counters, MemoryStatus, ModelState, ModelStatus, Status

DEFAULTS = {
    Task.VISION: "vlm-starter",
    Task.TEXT: "vlm-starter",
    Task.IMAGE: "image-starter",
    Task.TRANSCRIPTION: "stt-starter",
    Task.SPEECH: "tts-starter",
}
TASKS = {
    "vlm-starter": Task.VISION,
    "image-starter": Task.IMAGE,
    "stt-starter": Task.TRANSCRIPTION,
    "tts-starter": Task.SPEECH,
}


def model_status(name: str, task: Task, **changes: object) -> ModelStatus:
    """A present starter model that is not loaded."""
    facts: dict[str, object] = {
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
    return ModelStatus(**{**facts, **changes})  # type: ignore[arg-type]


class FakeService:
    """Answers every request at once with fixed words, in the events a real runtime sends.

    `error` makes every `run` fail, `breaks` fails it after its first piece; `gate` holds work back after its first
    piece until it is set; `requests` keeps what was asked and `cancelled` what was closed before its end. `warnings`
    come with every answer.
    """

    def __init__(self, *, error: SensesError | None = None, gate: anyio.Event | None = None) -> None:
        self.error = error
        self.breaks: SensesError | None = None
        self.gate = gate
        self.warnings: tuple[str, ...] = ()
        self.requests: list[Request] = []
        self.keep_alives: list[float | None] = []
        self.clients: list[str] = []
        self.cancelled: list[Request] = []
        self.unloaded: list[str] = []
        self.loaded: list[str] = []
        self.pinned: dict[str, bool] = {}
        self.cancelled_jobs: list[int] = []
        self.answer: tuple[str, ...] = ("A red ", "circle on a ", "white background.")
        self.models = tuple(model_status(name, task) for name, task in TASKS.items())
        self.changed = anyio.Event()

    def resolve(self, name: str, task: Task) -> str:
        """Know the four starters, and the empty name."""
        if name in ("", "auto", "fast", "best"):
            return DEFAULTS[task]
        if name not in TASKS:
            raise UnknownModel(name, TASKS)
        if TASKS[name] is not task and not (task is Task.TEXT and TASKS[name] is Task.VISION):
            raise WrongTask(name, TASKS[name], task, [known for known, does in TASKS.items() if does is task])
        return name

    async def run(
        self, request: Request, *, client: str = "", keep_alive_seconds: float | None = None
    ) -> AsyncGenerator[Event]:
        """Send what a real runtime sends."""
        self.requests.append(request)
        self.clients.append(client)
        self.keep_alives.append(keep_alive_seconds)
        if self.error is not None:
            raise self.error
        done = False
        try:
            if self.warnings:
                yield Warned(self.warnings)
            yield Queued(1)
            yield Loading(request.model, "weights", 0.5)
            first = True
            for event in _events(request, self.answer):
                yield _warned(event, self.warnings)
                if first and self.gate is not None:
                    await self.gate.wait()
                if self.breaks is not None:
                    raise self.breaks
                first = False
            done = True
        finally:
            if not done:
                self.cancelled.append(request)

    async def load(self, model: str) -> None:
        """Remember it."""
        self.loaded.append(model)

    async def unload(self, model: str) -> int:
        """Remember it."""
        self.unloaded.append(model)
        return 1_000_000

    def pin(self, model: str, pinned: bool) -> None:
        """Remember it."""
        self.pinned[model] = pinned

    def cancel(self, job: int) -> bool:
        """Know job 1 only."""
        self.cancelled_jobs.append(job)
        return job == 1

    def status(self) -> Status:
        """The models and round numbers."""
        return Status(
            version="0.0.0",
            pid=1,
            uptime_seconds=1.0,
            accepting=True,
            memory=MemoryStatus(8_000_000_000, 0, 0, 6_000_000_000, 70_000_000),
            models=self.models,
            jobs=(),
            counters=Counters({}, {}, {}, {}, {}, {}, {}, {}, {}),
        )

    async def changes(self) -> AsyncIterator[Status]:
        """One snapshot now and one after each `change`."""
        while True:
            changed = self.changed
            yield self.status()
            await changed.wait()

    def change(self, edit: Callable[[tuple[ModelStatus, ...]], Iterable[ModelStatus]]) -> None:
        """Change the models and tell whoever listens."""
        self.models = tuple(edit(self.models))
        changed, self.changed = self.changed, anyio.Event()
        changed.set()


def _events(request: Request, answer: tuple[str, ...]) -> Iterable[Event]:
    timings = Timings(0.0, 0.1, 0.2)
    if isinstance(request, Chat):
        yield from map(TextDelta, answer)
        result: Answer | Drawing | Transcript | Speech = Answer(
            "".join(answer), "stop", 12, len(answer), known_tokens=5
        )
    elif isinstance(request, GenerateImage):
        steps = request.steps or 4
        yield from (Progress("steps", step, steps) for step in range(steps + 1))
        if request.preview_every:
            grey = Picture(request.width, request.height, b"\x80" * (request.width * request.height * 3))
            yield from (Preview(grey, step, steps) for step in range(1, steps) if step % request.preview_every == 0)
        result = Drawing(_png(request.width, request.height), request.width, request.height, request.seed, steps)
    elif isinstance(request, Transcribe):
        segment = Segment(0, 0.0, 1.5, " a red circle", tokens=(1, 2), avg_logprob=-0.1, no_speech_prob=0.01)
        yield segment
        result = Transcript("a red circle", "en", request.sound.seconds, (segment,))
    else:
        yield from (AudioChunk(b"\x00\x10" * 2400, 24_000) for _ in range(3))
        result = Speech(0.3, 24_000, request.voice or "alma", "en")
    yield Finished(request.model, result, timings, starter=True)


def _warned(event: Event, warnings: tuple[str, ...]) -> Event:
    return replace(event, result=replace(event.result, warnings=warnings)) if isinstance(event, Finished) else event


def _png(width: int, height: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(out, "PNG")
    return out.getvalue()
