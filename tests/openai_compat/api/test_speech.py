"""Speech, through OpenAI's client."""

import base64
import json

import anyio
import httpx2
import openai
import pytest
from openai import AsyncOpenAI

from model_runtime.errors import InvalidInput, JobFailed
from model_runtime.events import ModelChosen
from model_runtime.media.audio import decode_audio
from model_runtime.requests import Speak
from tests.fakes import FakeService
from tests.openai_compat.clients import wait_until_cancelled

SECONDS = 0.3
"""Duration of the fake runtime's speech."""


def last_request(service: FakeService) -> Speak:
    """Return the last request that the runtime received."""
    request = service.requests[-1]
    assert isinstance(request, Speak)
    return request


def duration(data: bytes) -> float:
    """Return the seconds of a file, decoded to its end."""
    return decode_audio(data).duration_seconds


@pytest.mark.promise("openai:speech")
@pytest.mark.parametrize(
    ("form", "content_type"),
    [
        ("mp3", "audio/mpeg"),
        ("opus", "audio/ogg"),
        ("aac", "audio/aac"),
        ("flac", "audio/flac"),
        ("wav", "audio/wav"),
    ],
)
async def test_the_official_client_speaks_in_every_format(sdk: AsyncOpenAI, form: str, content_type: str) -> None:
    answer = await sdk.audio.speech.create(model="tts-starter", voice="alma", input="hi", response_format=form)  # type: ignore[arg-type]

    assert answer.response.headers["content-type"] == content_type
    assert duration(answer.content) == pytest.approx(SECONDS, abs=0.1)


async def test_raw_samples_say_what_they_are(sdk: AsyncOpenAI) -> None:
    answer = await sdk.audio.speech.create(model="", voice="alma", input="hi", response_format="pcm")

    assert answer.response.headers["content-type"] == "audio/pcm;rate=24000;channels=1"
    assert answer.content == b"\x00\x10" * 7200


@pytest.mark.promise("openai:speech")
async def test_speech_arrives_while_it_is_spoken(http: httpx2.AsyncClient, service: FakeService) -> None:
    service.gate = anyio.Event()

    async with http.stream("POST", "/v1/audio/speech", json={"input": "hi", "response_format": "wav"}) as answer:
        pieces = answer.aiter_raw()
        first = await anext(pieces)
        service.gate.set()
        rest = b"".join([piece async for piece in pieces])

    assert first.startswith(b"RIFF")
    assert duration(first + rest) == pytest.approx(SECONDS)


async def test_the_events_of_a_stream_join_to_the_file(http: httpx2.AsyncClient) -> None:
    answer = await http.post("/v1/audio/speech", json={"input": "hi", "stream_format": "sse"})

    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
    sound = b"".join(base64.b64decode(event["audio"]) for event in events if event["type"] == "speech.audio.delta")
    assert events[-1]["type"] == "speech.audio.done"
    assert events[-1]["usage"].keys() == {"input_tokens", "output_tokens", "total_tokens"}
    assert duration(sound) == pytest.approx(SECONDS, abs=0.1)


@pytest.mark.parametrize("voice", ["otto", {"id": "otto"}])
async def test_a_voice_may_be_a_name_or_an_object(
    http: httpx2.AsyncClient, service: FakeService, voice: object
) -> None:
    await http.post("/v1/audio/speech", json={"input": "hi", "voice": voice, "speed": 1.5, "instructions": "softly"})

    spoken = last_request(service)
    assert (spoken.voice, spoken.speed, spoken.instructions) == ("otto", 1.5, "softly")


async def test_the_runtime_gets_the_voice_as_it_was_asked_for(sdk: AsyncOpenAI, service: FakeService) -> None:
    await sdk.audio.speech.create(model="", voice="Nova", input="hi")

    assert last_request(service).voice == "Nova"


@pytest.mark.promise("speech:other-model-told")
async def test_the_headers_name_the_model_that_answers_instead_of_another(
    http: httpx2.AsyncClient, service: FakeService
) -> None:
    service.chosen, service.warnings = ModelChosen("tts-multilingual", starter=False), ("because",)

    answer = await http.post("/v1/audio/speech", json={"model": "auto", "input": "안녕"})

    assert answer.headers["x-senses-model"] == "tts-multilingual"
    assert answer.headers["x-senses-starter"] == "false"
    assert json.loads(answer.headers["x-senses-warnings"]) == ["because"]


@pytest.mark.parametrize("change", [{"input": "  "}, {"input": ""}, {"speed": 9}, {"response_format": "midi"}])
async def test_what_cannot_be_said_is_refused(http: httpx2.AsyncClient, change: dict[str, object]) -> None:
    answer = await http.post("/v1/audio/speech", json={"input": "hi"} | change)

    (name,) = change
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == name


async def test_an_error_before_the_first_sound_is_an_http_error(sdk: AsyncOpenAI, service: FakeService) -> None:
    service.error = InvalidInput("Korean cannot be spoken by alma.", param="input")

    with pytest.raises(openai.BadRequestError, match="Korean"):
        await sdk.audio.speech.create(model="", voice="alma", input="안녕")


async def test_audio_that_fails_is_never_taken_for_complete(http: httpx2.AsyncClient, service: FakeService) -> None:
    service.error_after_first_event = JobFailed("The model broke.")

    with pytest.raises(httpx2.RemoteProtocolError):
        await http.post("/v1/audio/speech", json={"input": "hi", "response_format": "wav"})


@pytest.mark.promise("openai:cancel")
async def test_closing_the_connection_in_the_middle_of_speech_cancels_it(
    http: httpx2.AsyncClient, service: FakeService
) -> None:
    service.gate = anyio.Event()
    async with http.stream("POST", "/v1/audio/speech", json={"input": "hi", "response_format": "pcm"}) as answer:
        await anext(answer.aiter_raw())

    await wait_until_cancelled(service)
