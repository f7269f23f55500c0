"""The formats of a transcript with times, from a fake runtime that returns two segments."""

from collections.abc import AsyncGenerator

import httpx2
import pytest
from openai import AsyncOpenAI

from model_runtime.events import Event, Finished, LanguageDetected, Segment, Timings, TranscriptionResult, Word
from model_runtime.requests import Request, Task, Transcribe
from tests.fakes import FakeService


class TwoLines(FakeService):
    """Returns two segments with their words, and records which names were resolved."""

    def __init__(self) -> None:
        super().__init__()
        self.resolved: list[str] = []

    async def resolve(self, name: str, task: Task) -> str:
        """Record the name."""
        self.resolved.append(name)
        return await super().resolve(name, task)

    async def run(
        self,
        request: Request,
        *,
        client: str = "",
        keep_alive_seconds: float | None = None,
        request_id: int | None = None,
    ) -> AsyncGenerator[Event]:
        """Yield both segments."""
        self.requests.append(request)
        lines = (
            Segment(0, 0.0, 1.0, " a red circle", tokens=(1, 2), words=(Word(" a", 0.0, 0.2), Word(" red", 0.2, 0.5))),
            Segment(1, 1.0, 61.5, " on white", tokens=(3,)),
        )
        yield LanguageDetected("en", 0.9)
        for line in lines:
            yield line
        transcript = TranscriptionResult(" a red circle on white", "en", 61.5, lines)
        yield Finished(request.model, transcript, Timings(0.0, 0.0, 0.1))


@pytest.fixture
def service() -> TwoLines:
    """The runtime behind the application."""
    return TwoLines()


async def test_verbose_json_has_every_number_of_a_segment(sdk: AsyncOpenAI, wav: bytes) -> None:
    answer = await sdk.audio.transcriptions.create(model="", file=wav, response_format="verbose_json")

    assert (answer.language, answer.duration, answer.text) == ("english", 61.5, "a red circle on white")
    assert answer.segments is not None
    assert [(segment.start, segment.end) for segment in answer.segments] == [(0.0, 1.0), (1.0, 61.5)]
    assert answer.words is None


async def test_words_come_where_they_are_asked_for(sdk: AsyncOpenAI, service: TwoLines, wav: bytes) -> None:
    answer = await sdk.audio.transcriptions.create(
        model="", file=wav, response_format="verbose_json", timestamp_granularities=["word"]
    )

    assert answer.words is not None
    assert [word.word for word in answer.words] == ["a", "red"]
    assert answer.segments is None
    (request,) = service.requests
    assert isinstance(request, Transcribe)
    assert request.word_timestamps


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("text", "a red circle on white\n"),
        ("srt", "1\n00:00:00,000 --> 00:00:01,000\na red circle\n\n2\n00:00:01,000 --> 00:01:01,500\non white\n"),
        (
            "vtt",
            "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\na red circle\n\n00:00:01.000 --> 00:01:01.500\non white\n",
        ),
    ],
)
async def test_text_formats_come_as_text(sdk: AsyncOpenAI, wav: bytes, form: str, text: str) -> None:
    answer = await sdk.audio.transcriptions.create(model="", file=wav, response_format=form)  # type: ignore[call-overload]

    assert answer == text


async def test_streamed_lines_join_to_the_text(sdk: AsyncOpenAI, wav: bytes) -> None:
    stream = await sdk.audio.transcriptions.create(model="", file=wav, stream=True)

    events = [event async for event in stream]

    deltas = [event.delta for event in events if event.type == "transcript.text.delta"]
    assert deltas == ["a red circle", " on white"]


@pytest.mark.parametrize(
    ("requested", "resolved"), [("whisper-1", "best"), ("", "best"), ("stt-starter", "stt-starter")]
)
async def test_a_translation_goes_to_the_best_model_unless_one_is_named(
    http: httpx2.AsyncClient, service: TwoLines, wav: bytes, requested: str, resolved: str
) -> None:
    """Fast transcription models translate badly."""
    answer = await http.post("/v1/audio/translations", data={"model": requested}, files={"file": wav})

    (request,) = service.requests
    assert isinstance(request, Transcribe)
    assert request.translate
    assert service.resolved == [resolved]
    assert answer.json()["text"] == "a red circle on white"
