"""Chats that are answered aloud, through OpenAI's client."""

import base64
import json
from collections.abc import AsyncGenerator
from typing import Any

import anyio
import httpx2
import openai
import pytest
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionAudioParam, ChatCompletionChunk, ChatCompletionMessageParam

from model_runtime.errors import InvalidInput, JobFailed, ModelMissing
from model_runtime.events import ChatResult, Event, Finished, ReasoningDelta, TextDelta, Timings, ToolCallDelta
from model_runtime.media.audio import decode_audio
from model_runtime.requests import Chat, Speak, Task, ToolCall, Transcribe
from openai_compat.api.chat_body import MessageBody, SpokenAnswer
from openai_compat.api.chat_completion import ChatCompletionBuilder
from openai_compat.api.spoken_chat import SpokenChatRun, TranscriptStore
from openai_compat.api.spoken_text import NOTHING_SPOKEN, Narrator
from openai_compat.http.sse import DeferredStreamingResponse
from tests.fakes import FakeService
from tests.openai_compat.clients import disconnect_while_waiting, wait_until

SAY_HI: list[ChatCompletionMessageParam] = [{"role": "user", "content": "hi"}]
ALOUD: ChatCompletionAudioParam = {"voice": "alloy", "format": "pcm16"}
SENTENCE = "A red circle on a white background."
PCM = b"\x00\x10" * 7200
"""What the fake runtime says of a text."""


def recording_part(wav: bytes) -> dict[str, Any]:
    """Return a recording as a part of a message."""
    return {"type": "input_audio", "input_audio": {"data": base64.b64encode(wav).decode(), "format": "wav"}}


def audio_deltas(chunks: list[ChatCompletionChunk]) -> list[dict[str, Any]]:
    """Return what the chunks of a stream add to the recording."""
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    return [delta.audio.to_dict() for delta in deltas if delta.audio]


@pytest.mark.promise("openai:spoken-chats")
@pytest.mark.parametrize("form", ["wav", "mp3", "opus", "aac", "flac", "pcm16"])
async def test_the_official_client_is_answered_aloud(sdk: AsyncOpenAI, service: FakeService, form: Any) -> None:
    answer = await sdk.chat.completions.create(
        model="", messages=SAY_HI, modalities=["text", "audio"], audio={"voice": "otto", "format": form}
    )

    message = answer.choices[0].message
    assert message.content is None
    assert message.audio is not None
    assert (message.audio.transcript, message.audio.id[:6]) == (SENTENCE, "audio_")
    assert message.audio.expires_at > answer.created
    data = base64.b64decode(message.audio.data)
    seconds = len(data) / 48_000 if form == "pcm16" else decode_audio(data).duration_seconds
    assert seconds == pytest.approx(0.3, abs=0.05)
    chat, speak = service.requests
    assert isinstance(chat, Chat)
    assert isinstance(speak, Speak)
    assert (speak.text, speak.voice) == (SENTENCE, "otto")
    assert (answer.model_extra or {})["senses"]["speech"]["model"] == "tts-starter"


@pytest.mark.promise("openai:spoken-chats")
async def test_the_first_sentence_is_heard_while_the_second_is_written(sdk: AsyncOpenAI, service: FakeService) -> None:
    service.answer_parts = ("This is the first one. ", "Here is the second.")
    service.gate = anyio.Event()
    stream = await sdk.chat.completions.create(
        model="", messages=SAY_HI, modalities=["text", "audio"], audio=ALOUD, stream=True
    )

    chunks: list[ChatCompletionChunk] = []
    async for chunk in stream:
        chunks.append(chunk)
        if any("data" in delta for delta in audio_deltas(chunks)):
            service.gate.set()

    deltas = audio_deltas(chunks)
    transcripts = [delta["transcript"] for delta in deltas if "transcript" in delta]
    first_sound = next(place for place, delta in enumerate(deltas) if "data" in delta)
    assert transcripts == list(service.answer_parts)
    assert first_sound < max(place for place, delta in enumerate(deltas) if "transcript" in delta)
    sound = b"".join(base64.b64decode(delta["data"]) for delta in deltas if "data" in delta)
    assert sound == PCM + bytes(2 * 2880) + PCM
    assert len({delta["id"] for delta in deltas[:-1]}) == 1
    assert deltas[-1].keys() == {"expires_at"}
    assert deltas[-1]["expires_at"] > chunks[0].created
    assert [chunk.choices[0].finish_reason for chunk in chunks][-2:] == [None, "stop"]


async def test_usage_comes_last_where_it_was_asked_for(sdk: AsyncOpenAI) -> None:
    stream = await sdk.chat.completions.create(
        model="", messages=SAY_HI, modalities=["text", "audio"], audio=ALOUD, stream=True,
        stream_options={"include_usage": True},
    )  # fmt: skip

    *chunks, last = [chunk async for chunk in stream]

    assert all(chunk.usage is None for chunk in chunks)
    assert last.usage is not None
    assert (last.choices, last.usage.completion_tokens) == ([], 3)


@pytest.mark.promise("openai:spoken-chats")
async def test_a_recording_is_answered_aloud_in_one_call(
    http: httpx2.AsyncClient, service: FakeService, wav: bytes
) -> None:
    body = {"messages": [{"role": "user", "content": [recording_part(wav)]}], "modalities": ["text", "audio"]}

    answer = await http.post("/v1/chat/completions", json=body)

    heard, chat, said = service.requests
    assert isinstance(heard, Transcribe)
    assert isinstance(chat, Chat)
    assert isinstance(said, Speak)
    assert (chat.messages[0].content, said.text) == (("a red circle",), SENTENCE)
    assert (
        decode_audio(base64.b64decode(answer.json()["choices"][0]["message"]["audio"]["data"])).duration_seconds == 0.3
    )
    assert "was transcribed by stt-starter" in answer.json()["senses"]["warnings"][0]


@pytest.mark.promise("openai:spoken-chats")
async def test_a_later_message_names_the_answer_by_its_id(http: httpx2.AsyncClient, service: FakeService) -> None:
    first = await http.post("/v1/chat/completions", json={"messages": SAY_HI, "modalities": ["text", "audio"]})
    said = {"role": "assistant", "audio": {"id": first.json()["choices"][0]["message"]["audio"]["id"]}}

    await http.post("/v1/chat/completions", json={"messages": [*SAY_HI, said, *SAY_HI]})

    chat = service.requests[-1]
    assert isinstance(chat, Chat)
    assert [message.content for message in chat.messages] == [("hi",), (SENTENCE,), ("hi",)]


def test_a_spoken_answer_is_kept_for_an_hour_and_within_a_limit() -> None:
    now = 0.0
    store = TranscriptStore(clock=lambda: now, capacity_characters=10)

    def is_kept(id_: str) -> bool:
        try:
            return bool(store.recall(MessageBody(role="assistant", audio=SpokenAnswer(id=id_)), param="m").content)
        except InvalidInput:
            return False

    assert store.put("a", "12345").expires_at == 3600
    assert is_kept("a")
    store.put("b", "1234567")
    assert not is_kept("a")
    now = 3601.0
    assert not is_kept("b")


async def test_an_answer_without_words_says_that_nothing_is_spoken(
    http: httpx2.AsyncClient, service: FakeService
) -> None:
    service.answer_parts = ("```\nls\n```",)

    answer = await http.post("/v1/chat/completions", json={"messages": SAY_HI, "modalities": ["text", "audio"]})

    assert answer.json()["choices"][0]["message"]["audio"]["transcript"] == "```\nls\n```"
    assert answer.json()["senses"]["warnings"] == [NOTHING_SPOKEN]
    assert len(service.requests) == 1


@pytest.mark.promise("openai:nothing-ignored-silently")
async def test_a_voice_for_an_answer_that_is_not_spoken_is_told(http: httpx2.AsyncClient) -> None:
    answer = await http.post("/v1/chat/completions", json={"messages": SAY_HI, "audio": {"voice": "otto"}})

    assert answer.json()["senses"]["warnings"] == ['audio has no effect: modalities has no "audio".']


async def thinking_chat() -> AsyncGenerator[Event]:
    """A chat that thinks, answers and calls a tool."""
    call = ToolCall("call_1", "look", "{}")
    yield ReasoningDelta("Let me think of it.")
    yield TextDelta(SENTENCE)
    yield ToolCallDelta(0, "call_1", "look")
    result = ChatResult(SENTENCE, "tool_calls", 1, 3, tool_calls=(call,), reasoning="Let me think of it.")
    yield Finished("llm", result, Timings(0.0, 0.0, 0.1))


@pytest.mark.promise("openai:spoken-chats")
async def test_thoughts_and_calls_of_tools_come_as_they_are_and_are_not_spoken(service: FakeService) -> None:
    def spoken() -> SpokenChatRun:
        return SpokenChatRun(thinking_chat(), Narrator(service, Speak("", "")), "pcm16", TranscriptStore())

    builder = ChatCompletionBuilder("chatcmpl-1", 1, "llm")
    message = (await spoken().completion(builder))["choices"][0]["message"]
    chunks = [chunk async for chunk in spoken().chunks(builder, include_usage=False) if isinstance(chunk, bytes)]

    stream = b"".join(chunks).decode()
    assert (message["reasoning_content"], message["audio"]["transcript"]) == ("Let me think of it.", SENTENCE)
    assert message["tool_calls"][0]["function"]["name"] == "look"
    assert '"reasoning_content":"Let me think of it."' in stream
    assert '"name":"look"' in stream
    assert '"finish_reason":"tool_calls"' in stream
    assert [request.text for request in service.requests if isinstance(request, Speak)] == [SENTENCE, SENTENCE]


@pytest.mark.promise("openai:spoken-chats")
async def test_a_voice_that_is_missing_is_told_before_anything_is_written(
    sdk: AsyncOpenAI, service: FakeService
) -> None:
    service.missing_tasks.add(Task.SPEECH)

    with pytest.raises(openai.NotFoundError, match="senses pull") as told:
        await sdk.chat.completions.create(model="", messages=SAY_HI, modalities=["text", "audio"], audio=ALOUD)

    assert isinstance(told.value.body, dict)
    assert told.value.body["code"] == ModelMissing.code
    assert service.requests == []


async def test_speech_that_fails_is_an_error_whole_and_streamed(sdk: AsyncOpenAI, service: FakeService) -> None:
    service.task_errors[Task.SPEECH] = JobFailed("The voice broke.")

    with pytest.raises(openai.InternalServerError, match="The voice broke."):
        await sdk.chat.completions.create(model="", messages=SAY_HI, modalities=["text", "audio"], audio=ALOUD)
    stream = await sdk.chat.completions.create(
        model="", messages=SAY_HI, modalities=["text", "audio"], audio=ALOUD, stream=True
    )
    with pytest.raises(openai.APIError, match="The voice broke."):
        async for _ in stream:
            pass


@pytest.mark.promise("openai:cancel")
async def test_closing_the_stream_cancels_the_chat_and_its_speech(sdk: AsyncOpenAI, service: FakeService) -> None:
    service.answer_parts = ("This is the first one. ", "Here is the second.")
    service.gate = anyio.Event()
    stream = await sdk.chat.completions.create(
        model="", messages=SAY_HI, modalities=["text", "audio"], audio=ALOUD, stream=True
    )
    chunks: list[ChatCompletionChunk] = []
    async for chunk in stream:
        chunks.append(chunk)
        if any("data" in delta for delta in audio_deltas(chunks)):
            break

    await stream.close()

    await wait_until(lambda: {type(request) for request in service.cancelled_requests} == {Chat, Speak})


@pytest.mark.promise("openai:patience")
@pytest.mark.parametrize("modalities", [["text"], ["text", "audio"]])
async def test_a_stream_is_kept_alive_while_a_recording_of_it_is_transcribed(
    http: httpx2.AsyncClient,
    service: FakeService,
    wav: bytes,
    monkeypatch: pytest.MonkeyPatch,
    modalities: list[str],
) -> None:
    monkeypatch.setitem(DeferredStreamingResponse.__init__.__kwdefaults__ or {}, "ping_seconds", 0.02)
    service.gate = anyio.Event()
    message = {"role": "user", "content": [recording_part(wav)]}
    body = {"messages": [message], "stream": True, "modalities": modalities}

    async with http.stream("POST", "/v1/chat/completions", json=body) as answer:
        lines = answer.aiter_lines()
        begin = [await anext(lines) for _ in range(3)]
        await wait_until(lambda: service.requests)
        kinds = [type(request) for request in service.requests]
        service.gate.set()
        rest = [line async for line in lines]

    assert json.loads(begin[0][6:])["choices"][0]["delta"]["role"] == "assistant"
    assert begin[2] == ": keep-alive"
    assert kinds == [Transcribe]
    assert rest[-2:] == ["data: [DONE]", ""]


@pytest.mark.promise("openai:patience")
async def test_a_recording_that_cannot_be_transcribed_is_an_http_error_of_a_stream(
    http: httpx2.AsyncClient, service: FakeService, wav: bytes
) -> None:
    service.task_errors[Task.TRANSCRIPTION] = JobFailed("The ear broke.")
    body = {"messages": [{"role": "user", "content": [recording_part(wav)]}], "stream": True}

    answer = await http.post("/v1/chat/completions", json=body)

    assert (answer.status_code, answer.json()["error"]["message"]) == (500, "The ear broke.")


@pytest.mark.promise("openai:cancel")
async def test_closing_the_connection_cancels_the_transcription_before_a_chat(
    http: httpx2.AsyncClient, service: FakeService, wav: bytes
) -> None:
    service.gate = anyio.Event()
    body = {"messages": [{"role": "user", "content": [recording_part(wav)]}], "stream": True}

    await disconnect_while_waiting(service, lambda: http.post("/v1/chat/completions", json=body))

    await wait_until(lambda: [type(request) for request in service.cancelled_requests] == [Transcribe])
