"""The state of an open request: its task, progress and times."""

import pytest

from model_runtime.catalog.model import Model
from model_runtime.events import (
    AudioChunk,
    EngineEvent,
    LanguageDetected,
    Preview,
    Progress,
    Segment,
    TextDelta,
    Timings,
)
from model_runtime.media.types import Audio, ImageData
from model_runtime.requests import Chat, Embed, GenerateImage, Message, Request, Speak, Task, Transcribe, task_of
from model_runtime.supervisor.active_request import ActiveRequest, is_batch
from model_runtime.supervisor.output_queue import OutputQueue


def open_request() -> ActiveRequest:
    return ActiveRequest(
        1, Model("m", Task.TEXT, "e", ""), Task.TEXT, "", (b"command",), 100.0, OutputQueue(lambda: None)
    )


@pytest.mark.parametrize(
    ("request_", "task"),
    [
        (Chat("m", (Message("user", ("hello",)),)), Task.TEXT),
        (Chat("m", (Message("user", ("look", ImageData(1, 1, b"rgb"))), Message("user", ("well?",)))), Task.VISION),
        (GenerateImage("m", "a circle", 64, 64, 1), Task.IMAGE),
        (Transcribe("m", Audio(16_000, b"")), Task.TRANSCRIPTION),
        (Speak("m", "hello"), Task.SPEECH),
        (Embed("m", ("hello",)), Task.EMBEDDING),
    ],
)
def test_a_request_has_a_task(request_: Request, task: Task) -> None:
    assert task_of(request_) is task


@pytest.mark.parametrize(
    ("request_", "batch"),
    [
        (Chat("m", (Message("user", ("hello" * 100_000,)),)), False),
        (GenerateImage("m", "a circle", 64, 64, 1), True),
        (Transcribe("m", Audio(16_000, bytes(16_000 * 2 * 120))), False),
        (Transcribe("m", Audio(16_000, bytes(16_000 * 2 * 121))), True),
        (Speak("m", "a" * 15 * 120), False),
        (Speak("m", "a" * 15 * 121), True),
        (Embed("m", ("a" * 10_000,) * 2), False),
        (Embed("m", ("a" * 10_000,) * 2 + ("b",)), True),
    ],
    ids=range(8),
)
def test_what_takes_long_is_a_batch_request(request_: Request, *, batch: bool) -> None:
    assert is_batch(request_) is batch


@pytest.mark.parametrize(
    ("events", "progress"),
    [
        ([Progress("steps", 1, 4), Progress("steps", 2, 4)], ("steps", 2, 4)),
        ([TextDelta("a"), TextDelta("b")], ("tokens", 2, 0)),
        ([LanguageDetected("en", 0.9), Segment(0, 0.0, 2.5, "a")], ("seconds", 2.5, 0)),
        ([LanguageDetected("ko", None)], ("language ko", 0, 0)),
        ([AudioChunk(bytes(48_000), 24_000), AudioChunk(bytes(24_000), 24_000)], ("seconds", 1.5, 0)),
        ([Progress("steps", 1, 4), Preview(ImageData(1, 1, b"rgb"), 1, 4)], ("steps", 1, 4)),
    ],
)
def test_outputs_are_recorded_as_progress(events: list[EngineEvent], progress: tuple[str, float, float]) -> None:
    request = open_request()
    for number, event in enumerate(events):
        request.deliver(event, 200.0 + number)

    assert (request.stage, request.done, request.total) == progress
    assert request.last_progress_at == 200.0 + len(events) - 1


def test_the_time_of_a_request_is_divided_into_queueing_loading_and_running() -> None:
    request = open_request()
    request.start(incarnation=3, loading_seconds=4.0, now=110.0)

    assert request.timings(now=115.0) == Timings(queued_seconds=6.0, loading_seconds=4.0, running_seconds=5.0)
