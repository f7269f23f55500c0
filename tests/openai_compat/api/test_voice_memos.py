"""Voice memos: heard, summarised and answered aloud in one call, in the ways that clients send and want them."""

import base64
import json
from dataclasses import replace
from typing import Any

import anyio
import httpx2
import pytest

from model_runtime.errors import JobFailed
from model_runtime.events import ModelChosen
from model_runtime.media.audio import decode_audio
from model_runtime.requests import Chat, Request, Speak, Task, Transcribe
from openai_compat.http.sse import DeferredStreamingResponse
from tests.fakes import FakeService
from tests.openai_compat.clients import disconnect_while_waiting, post_form, wait_until

PATH = "/v1/voice-memo"
SUMMARY = "A red circle on a white background."


@pytest.fixture
def writer(service: FakeService) -> FakeService:
    """The runtime with a language model that is no starter."""
    service.update_models(
        lambda models: (replace(model, starter=model.starter and model.task is not Task.VISION) for model in models)
    )
    return service


def kinds(service: FakeService) -> list[type[Request]]:
    """Return what was asked of the runtime, in order."""
    return [type(request) for request in service.requests]


def seconds(data: str | bytes) -> float:
    """Return the duration of a recording, in base64 if it is a text."""
    return decode_audio(base64.b64decode(data) if isinstance(data, str) else data).duration_seconds


@pytest.mark.promise("openai:voice-memo")
async def test_a_memo_becomes_transcript_and_summary(http: httpx2.AsyncClient, writer: FakeService, wav: bytes) -> None:
    answer = await post_form(http, PATH, [("instructions", "Be kind."), ("language", "en-US")], wav)

    assert answer.json() == {
        "object": "voice_memo",
        "transcript": "a red circle",
        "language": "english",
        "duration": 1.5,
        "summary": SUMMARY,
        "briefing": None,
        "senses": {
            "models": {"transcription": "stt-starter", "summary": "vlm-starter", "speech": None},
            "starter": True,
            "warnings": [],
        },
    }
    heard, chat = writer.requests
    assert isinstance(heard, Transcribe)
    assert isinstance(chat, Chat)
    assert heard.language == "en"
    assert chat.raw_text.endswith("Be kind.\n\nThe voice memo:\na red circle")
    assert "in English" in chat.raw_text


@pytest.mark.promise("openai:voice-memo")
@pytest.mark.parametrize("form", ["mp3", "wav", "opus", "aac", "flac"])
async def test_a_bare_recording_comes_back_with_its_summary_spoken(
    http: httpx2.AsyncClient, writer: FakeService, wav: bytes, form: str
) -> None:
    """As iOS Shortcuts sends it, with the choices in the address."""
    answer = await http.post(
        f"{PATH}?briefing=true&voice=otto&speed=1.5&response_format={form}",
        content=wav,
        headers={"content-type": "audio/x-m4a"},
    )

    briefing = answer.json()["briefing"]
    assert briefing["format"] == form
    assert seconds(briefing["data"]) == pytest.approx(0.3, abs=0.05)
    assert kinds(writer) == [Transcribe, Chat, Speak]
    speak = writer.requests[-1]
    assert isinstance(speak, Speak)
    assert (speak.text, speak.voice, speak.speed) == (SUMMARY, "otto", 1.5)


async def test_a_recording_may_come_inside_json(http: httpx2.AsyncClient, writer: FakeService, wav: bytes) -> None:
    audio = {"data": base64.b64encode(wav).decode(), "format": "wav"}

    answer = await http.post(PATH, json={"input_audio": audio})

    assert answer.json()["summary"] == SUMMARY


@pytest.mark.promise("openai:voice-memo")
@pytest.mark.parametrize(("query", "accept"), [("?answer=audio", "*/*"), ("", "audio/mpeg"), ("", "audio/*")])
async def test_the_answer_may_be_the_spoken_summary_alone(
    http: httpx2.AsyncClient, writer: FakeService, wav: bytes, query: str, accept: str
) -> None:
    writer.chosen, writer.warnings = ModelChosen("tts-multilingual", starter=False), ("because",)

    answer = await http.post(PATH + query, content=wav, headers={"content-type": "audio/wav", "accept": accept})

    assert answer.headers["content-type"] == "audio/mpeg"
    assert answer.headers["x-senses-model"] == "tts-multilingual"
    assert json.loads(answer.headers["x-senses-warnings"]) == ["because"]
    assert seconds(answer.content) == pytest.approx(0.3, abs=0.075)


async def test_raw_samples_say_what_they_are(http: httpx2.AsyncClient, writer: FakeService, wav: bytes) -> None:
    answer = await http.post(
        f"{PATH}?answer=audio&response_format=pcm", content=wav, headers={"content-type": "audio/wav"}
    )

    assert answer.headers["content-type"] == "audio/pcm;rate=24000;channels=1"
    assert answer.content == b"\x00\x10" * 7200


def events_of(answer: httpx2.Response) -> list[dict[str, Any]]:
    """Return the events of a stream."""
    return [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]


@pytest.mark.promise("openai:voice-memo")
async def test_a_stream_tells_every_step(http: httpx2.AsyncClient, writer: FakeService, wav: bytes) -> None:
    answer = await post_form(http, PATH, [("stream", "true"), ("briefing", "1"), ("response_format", "wav")], wav)

    events = events_of(answer)
    texts = {
        name: "".join(event["delta"] for event in events if event["type"] == f"voice_memo.{name}.delta")
        for name in ("transcript", "summary")
    }
    sound = b"".join(base64.b64decode(event["audio"]) for event in events if "audio" in event)
    assert texts == {"transcript": " a red circle", "summary": SUMMARY}
    assert seconds(sound) == pytest.approx(0.3)
    done = events[-1]
    assert (done["type"], done["transcript"], done["summary"]) == ("voice_memo.done", "a red circle", SUMMARY)
    assert done["senses"]["models"]["speech"] == "tts-starter"
    assert answer.text.endswith("data: [DONE]\n\n")


@pytest.mark.promise("openai:voice-memo-honest")
@pytest.mark.parametrize("is_missing", [True, False])
async def test_without_a_language_model_there_is_a_transcript_and_the_way_to_a_summary(
    http: httpx2.AsyncClient, service: FakeService, wav: bytes, is_missing: bool
) -> None:
    if is_missing:
        service.missing_tasks.add(Task.TEXT)

    answer = (await post_form(http, PATH, [("briefing", "true")], wav)).json()

    assert (answer["transcript"], answer["summary"]) == ("a red circle", None)
    no_summary, spoken = answer["senses"]["warnings"]
    assert "senses pull" in no_summary
    assert spoken == "The transcript is spoken in its place."
    speak = service.requests[-1]
    assert isinstance(speak, Speak)
    assert speak.text == "a red circle"
    assert kinds(service) == [Transcribe, Speak]


async def test_a_stream_without_a_summary_has_no_piece_of_one(
    http: httpx2.AsyncClient, service: FakeService, wav: bytes
) -> None:
    answer = await post_form(http, PATH, [("stream", "true"), ("briefing", "true")], wav)

    assert "voice_memo.summary.delta" not in {event["type"] for event in events_of(answer)}


async def test_a_language_model_that_is_named_and_missing_is_an_error(
    http: httpx2.AsyncClient, service: FakeService, wav: bytes
) -> None:
    service.missing_tasks.add(Task.TEXT)

    answer = await post_form(http, PATH, [("model", "llm-best")], wav)

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_missing")
    assert service.requests == []


@pytest.mark.promise("openai:voice-memo-honest")
async def test_of_silence_nothing_is_summarised(http: httpx2.AsyncClient, writer: FakeService, wav: bytes) -> None:
    writer.segments = ()

    whole = (await post_form(http, PATH, [("briefing", "true")], wav)).json()
    spoken = await post_form(http, PATH, [("answer", "audio")], wav)

    assert (whole["transcript"], whole["summary"], whole["briefing"]) == ("", None, None)
    assert whole["senses"]["warnings"] == ["The recording has no speech."]
    assert (spoken.status_code, spoken.json()["error"]["code"]) == (400, "nothing_to_speak")
    assert spoken.json()["error"]["message"].startswith("The recording has no speech.")
    assert kinds(writer) == [Transcribe, Transcribe]


@pytest.mark.parametrize(
    ("fields", "param", "sentence"),
    [
        ([("transcription_model", "vlm-starter")], "transcription_model", "not transcription"),
        ([("briefing", "1"), ("speech_model", "stt-starter")], "speech_model", "not speech"),
        ([("briefing", "1"), ("voice", "nobody")], "voice", "no voice 'nobody'"),
        ([("model", "stt-starter")], "model", "/v1/audio/transcriptions"),
        ([("language", "klingon")], "language", "klingon"),
        ([("response_format", "midi")], "response_format", "midi"),
        ([("answer", "audio"), ("stream", "true")], None, "stream with answer=audio"),
    ],
)
async def test_what_cannot_be_done_is_refused_before_anything_is(
    http: httpx2.AsyncClient,
    service: FakeService,
    wav: bytes,
    fields: list[tuple[str, str]],
    param: str | None,
    sentence: str,
) -> None:
    answer = await post_form(http, PATH, fields, wav)

    error = answer.json()["error"]
    assert answer.status_code == 400
    assert sentence in error["message"]
    assert error["param"] == param
    assert service.requests == []


@pytest.mark.parametrize("stream", ["true", "false"])
async def test_what_is_no_recording_is_refused(http: httpx2.AsyncClient, stream: str) -> None:
    answer = await post_form(http, PATH, [("stream", stream)], b"a letter")

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "file")


async def test_a_step_that_fails_is_an_error_whole_and_streamed(
    http: httpx2.AsyncClient, writer: FakeService, wav: bytes
) -> None:
    writer.task_errors[Task.TEXT] = JobFailed("The writer broke.")

    whole = await post_form(http, PATH, [], wav)
    streamed = await post_form(http, PATH, [("stream", "true")], wav)

    assert (whole.status_code, whole.json()["error"]["message"]) == (500, "The writer broke.")
    assert events_of(streamed)[-1]["error"]["message"] == "The writer broke."


@pytest.mark.promise("openai:cancel")
@pytest.mark.parametrize("stream", ["true", "false"])
async def test_closing_the_connection_cancels_the_step_that_runs(
    http: httpx2.AsyncClient, writer: FakeService, wav: bytes, stream: str
) -> None:
    writer.gate = anyio.Event()

    await disconnect_while_waiting(writer, lambda: post_form(http, PATH, [("stream", stream)], wav))

    await wait_until(lambda: [type(request) for request in writer.cancelled_requests] == [Transcribe])


@pytest.mark.promise("openai:patience")
async def test_a_stream_is_kept_alive_while_its_recording_is_transcribed(
    http: httpx2.AsyncClient, writer: FakeService, wav: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(DeferredStreamingResponse.__init__.__kwdefaults__ or {}, "ping_seconds", 0.02)
    writer.segments, writer.gate = (), anyio.Event()
    headers = {"content-type": "audio/wav"}

    async with http.stream("POST", f"{PATH}?stream=true", content=wav, headers=headers) as answer:
        lines = answer.aiter_lines()
        begin = await anext(lines)
        writer.gate.set()
        rest = [line async for line in lines]

    assert begin == ": keep-alive"
    assert rest[-2:] == ["data: [DONE]", ""]
