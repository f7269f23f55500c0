"""Chats, through OpenAI's client if it can express the case."""

import base64
import json
import math

import anyio
import httpx2
import openai
import pytest
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionMessageParam

from model_runtime.errors import JobFailed
from model_runtime.events import TokenLogprob
from model_runtime.media.types import ImageData
from model_runtime.requests import Chat, Transcribe
from openai_compat.api.logprobs import token_json
from tests.fakes import FakeService
from tests.model_runtime.media.bombs import IMAGE_BOMBS
from tests.openai_compat.clients import disconnect_while_waiting, wait_until, wait_until_cancelled

SAY_HI: list[ChatCompletionMessageParam] = [{"role": "user", "content": "hi"}]


def data_url(data: bytes) -> str:
    """Return an image as clients send it."""
    return "data:image/png;base64," + base64.b64encode(data).decode()


def received_request(service: FakeService) -> Chat:
    """Return the one chat that the runtime received."""
    (request,) = service.requests
    assert isinstance(request, Chat)
    return request


@pytest.mark.promise("openai:chat")
async def test_the_official_client_describes_a_picture(sdk: AsyncOpenAI, service: FakeService, png: bytes) -> None:
    answer = await sdk.chat.completions.create(
        model="vlm-starter",
        messages=[
            {"role": "developer", "content": "Be short."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image_url", "image_url": {"url": data_url(png), "detail": "high"}},
                ],
            },
        ],
        max_completion_tokens=50,
    )

    assert answer.choices[0].message.content == "A red circle on a white background."
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (12, 3, 15)
    assert answer.usage.prompt_tokens_details is not None
    assert answer.usage.prompt_tokens_details.cached_tokens == 5
    chat = received_request(service)
    assert [message.role for message in chat.messages] == ["system", "user"]
    assert chat.messages[1].content == ("What is this?", ImageData(8, 6, b"\xff\0\0" * 48))
    assert chat.max_tokens == 50


@pytest.mark.promise("reliability:bombs")
async def test_a_picture_bomb_is_an_error_of_the_client(http: httpx2.AsyncClient) -> None:
    image = {"type": "image_url", "image_url": {"url": data_url(IMAGE_BOMBS["PNG"])}}

    answer = await http.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": [image]}]})

    assert answer.status_code == 400
    assert "3600.0 megapixels; at most 100 megapixels" in answer.json()["error"]["message"]


@pytest.mark.promise("openai:chat")
async def test_without_a_limit_of_the_clients_an_answer_gets_what_fits(sdk: AsyncOpenAI, service: FakeService) -> None:
    await sdk.chat.completions.create(model="", messages=SAY_HI)

    assert received_request(service).max_tokens == 0


@pytest.mark.promise("openai:chat")
async def test_a_chat_streams(sdk: AsyncOpenAI) -> None:
    stream = await sdk.chat.completions.create(model="fast", messages=SAY_HI, stream=True)

    chunks = [chunk async for chunk in stream]

    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "A red circle on a white background."
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None] * 4 + ["stop"]
    assert len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}) == 1
    assert [(chunk.model_extra or {}).get("senses", {}).get("starter") for chunk in chunks] == [None] * 4 + [True]


async def test_usage_comes_with_a_stream_only_where_it_was_asked_for(sdk: AsyncOpenAI) -> None:
    """A chunk without choices breaks clients that did not request it."""
    plain = await sdk.chat.completions.create(model="", messages=SAY_HI, stream=True)
    counted = await sdk.chat.completions.create(
        model="", messages=SAY_HI, stream=True, stream_options={"include_usage": True}
    )

    assert all(chunk.choices and chunk.usage is None for chunk in [chunk async for chunk in plain])
    *chunks, last = [chunk async for chunk in counted]
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)
    assert last.choices == []
    assert last.usage is not None
    assert last.usage.total_tokens == 15


@pytest.mark.promise("openai:choices")
async def test_several_answers_are_written_at_once(sdk: AsyncOpenAI, service: FakeService) -> None:
    service.gate = anyio.Event()

    async def open_the_gate_when_all_run() -> None:
        await wait_until(lambda: len(service.requests) == 16)
        assert service.gate is not None
        service.gate.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(open_the_gate_when_all_run)
        answer = await sdk.chat.completions.create(model="", messages=SAY_HI, n=16, seed=7)

    assert [choice.index for choice in answer.choices] == [*range(16)]
    assert {choice.message.content for choice in answer.choices} == {"A red circle on a white background."}
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (12, 16 * 3)
    assert {request.seed for request in service.requests if isinstance(request, Chat)} == {*range(7, 23)}


@pytest.mark.promise("openai:choices")
async def test_several_answers_stream_side_by_side(sdk: AsyncOpenAI) -> None:
    stream = await sdk.chat.completions.create(model="", messages=SAY_HI, n=3, stream=True)
    chunks = [chunk async for chunk in stream]

    choices = [chunk.choices[0] for chunk in chunks]
    assert [choice.index for choice in choices if choice.delta.role] == [0, 1, 2]
    for index in range(3):
        own = [choice for choice in choices if choice.index == index]
        assert "".join(choice.delta.content or "" for choice in own) == "A red circle on a white background."
        assert [choice.finish_reason for choice in own] == [None] * 4 + ["stop"]


@pytest.mark.promise("openai:sampling")
async def test_without_a_temperature_an_answer_has_openais(sdk: AsyncOpenAI, service: FakeService) -> None:
    await sdk.chat.completions.create(model="", messages=SAY_HI)
    await sdk.responses.create(model="auto", input="hi")
    await sdk.chat.completions.create(model="", messages=SAY_HI, temperature=0)

    assert [request.temperature for request in service.requests if isinstance(request, Chat)] == [1, 1, 0]


@pytest.mark.promise("openai:sampling")
async def test_whatever_chooses_tokens_reaches_the_model(http: httpx2.AsyncClient, service: FakeService) -> None:
    fields = {
        "top_k": 40,
        "min_p": 0.1,
        "frequency_penalty": 0.5,
        "presence_penalty": -0.5,
        "repetition_penalty": 1.1,
        "logit_bias": {"7": -100, "8": 1.5},
    }

    await http.post("/v1/chat/completions", json={"messages": SAY_HI} | fields)
    await http.post("/v1/responses", json={"input": "hi"} | fields)

    for chat in service.requests:
        assert isinstance(chat, Chat)
        assert (chat.top_k, chat.min_p, chat.frequency_penalty, chat.presence_penalty) == (40, 0.1, 0.5, -0.5)
        assert (chat.repetition_penalty, chat.logit_bias) == (1.1, ((7, -100), (8, 1.5)))
    assert len(service.requests) == 2


@pytest.mark.promise("openai:nothing-ignored-silently")
async def test_a_field_without_effect_is_told(http: httpx2.AsyncClient) -> None:
    chat = await http.post("/v1/chat/completions", json={"messages": SAY_HI, "verbosity": "low"})
    response = await http.post("/v1/responses", json={"input": "hi", "truncation": "auto"})

    assert chat.json()["senses"]["warnings"] == ["verbosity has no effect: Senses' models have no such setting."]
    (told,) = response.json()["senses"]["warnings"]
    assert told.startswith("truncation has no effect")


async def test_an_answer_can_be_held_to_a_schema(sdk: AsyncOpenAI, service: FakeService) -> None:
    schema: dict[str, object] = {"type": "object", "properties": {"colour": {"type": "string"}}}
    await sdk.chat.completions.create(
        model="",
        messages=SAY_HI,
        response_format={"type": "json_schema", "json_schema": {"name": "it", "schema": schema, "strict": True}},
    )
    await sdk.chat.completions.create(model="", messages=SAY_HI, response_format={"type": "json_object"})
    await sdk.chat.completions.create(model="", messages=SAY_HI, response_format={"type": "text"})

    forms = [request.json_schema for request in service.requests if isinstance(request, Chat)]
    assert json.loads(forms[0]) == schema
    assert forms[1:] == ["{}", ""]


async def test_sampling_reaches_the_model(sdk: AsyncOpenAI, service: FakeService) -> None:
    await sdk.chat.completions.create(
        model="", messages=SAY_HI, temperature=0.5, top_p=0.9, stop=["END", "###"], seed=-1, max_tokens=9
    )

    chat = received_request(service)
    assert (chat.temperature, chat.top_p, chat.stop, chat.max_tokens) == (0.5, 0.9, ("END", "###"), 9)
    assert chat.seed == 2**32 - 1


async def test_a_conversation_with_earlier_tool_calls_is_taken(http: httpx2.AsyncClient, service: FakeService) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "look", "name": "me"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "a cat"}]},
    ]

    answer = await http.post("/v1/chat/completions", json={"messages": messages, "temperature": None, "unknown": 1})

    assert answer.status_code == 200
    assert [message.content for message in received_request(service).messages] == [("look",), (), ("a cat",)]


@pytest.mark.parametrize(
    ("change", "param", "sentence"),
    [
        ({"messages": []}, "messages", "at least 1 item"),
        ({"messages": None}, "messages", "messages is missing"),
        ({"temperature": 3}, "temperature", "temperature is 3: "),
        ({"n": 17}, "n", "n is 17: "),
        ({"logit_bias": {"1": 101}}, "logit_bias", "logit_bias"),
        ({"top_logprobs": 2}, None, "top_logprobs needs logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs", "top_logprobs is 21"),
        ({"modalities": ["text", "video"]}, "modalities", "'video'"),
        ({"modalities": ["audio"], "n": 2}, None, "n with an audio answer"),
        ({"modalities": ["audio"], "logprobs": True}, None, "logprobs with an audio answer"),
        ({"modalities": ["audio"], "response_format": {"type": "json_object"}}, None, "response_format with an audio"),
        ({"modalities": ["audio"], "audio": {"format": "midi"}}, "audio.format", "'midi'"),
        (
            {"modalities": ["audio"], "audio": {"voice": "nobody"}},
            "audio.voice",
            "no voice 'nobody'. Voices: alma, otto",
        ),
        ({"modalities": ["audio"], "audio": {"model": "vlm-starter"}}, "audio.model", "not speech"),
        (
            {"messages": [{"role": "assistant", "audio": {"id": "audio_1"}}]},
            "messages[0].audio",
            "Send its transcript as content",
        ),
        ({"web_search_options": {}}, None, "Senses works offline"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "messages[0].content[0]",
            "image_url needs a url",
        ),
        ({"messages": [{"role": "pirate", "content": "arr"}]}, "messages[0].role", "messages[0].role is 'pirate'"),
        (
            {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]},
            "messages[0].content",
            "input_audio needs data",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "ftp://x"}}]}]},
            "messages[0].content[0].image_url",
            "data: URL",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "https://example.com/a"}]}]},
            "messages[0].content[0].image_url",
            "works offline",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "data:;base64,AAAA"}]}]},
            "messages[0].content[0].image_url",
            "image",
        ),
    ],
)
async def test_what_cannot_be_honoured_is_refused_by_name(
    http: httpx2.AsyncClient, service: FakeService, change: dict[str, object], param: str | None, sentence: str
) -> None:
    answer = await http.post("/v1/chat/completions", json={"messages": SAY_HI} | change)

    error = answer.json()["error"]
    assert answer.status_code == 400
    assert sentence in error["message"]
    assert param is None or error["param"].startswith(param)
    assert service.requests == []


@pytest.mark.promise("openai:logprobs")
@pytest.mark.parametrize("top", [0, 3])
async def test_log_probabilities_come_with_their_tokens(sdk: AsyncOpenAI, top: int) -> None:
    whole = await sdk.chat.completions.create(model="", messages=SAY_HI, logprobs=True, top_logprobs=top)
    stream = await sdk.chat.completions.create(model="", messages=SAY_HI, logprobs=True, top_logprobs=top, stream=True)
    chunks = [chunk.choices[0].logprobs async for chunk in stream]

    assert whole.choices[0].logprobs is not None
    content = whole.choices[0].logprobs.content or []
    streamed = [token for logprobs in chunks if logprobs for token in logprobs.content or []]
    assert streamed == content
    assert "".join(token.token for token in content) == whole.choices[0].message.content
    assert [(token.logprob, bytes(token.bytes or []).decode()) for token in content] == [
        (-0.5, token.token) for token in content
    ]
    assert [len(token.top_logprobs) for token in content] == [top] * 3


@pytest.mark.promise("openai:logprobs")
async def test_log_probabilities_come_only_where_they_were_asked_for(sdk: AsyncOpenAI) -> None:
    answer = await sdk.chat.completions.create(model="", messages=SAY_HI)

    assert answer.choices[0].logprobs is None


def test_a_token_has_a_finite_log_probability_and_its_bytes_if_it_is_a_text() -> None:
    impossible, part = token_json(TokenLogprob("é", -math.inf)), token_json(TokenLogprob("\ufffd", -1.0))

    assert impossible == {"token": "é", "logprob": -9999.0, "bytes": [195, 169]}
    assert part["bytes"] is None


@pytest.mark.promise("openai:audio-in-chats")
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses"])
async def test_a_recording_in_a_chat_is_transcribed_and_put_in_its_place(
    http: httpx2.AsyncClient, service: FakeService, wav: bytes, path: str
) -> None:
    recording = {"type": "input_audio", "input_audio": {"data": base64.b64encode(wav).decode(), "format": "wav"}}
    parts = [{"type": "text", "text": "Before."}, recording, {"type": "text", "text": "After."}]
    field = "messages" if "chat" in path else "input"

    answer = await http.post(path, json={field: [{"role": "user", "content": parts}]})

    heard, chat = service.requests
    assert isinstance(heard, Transcribe)
    assert isinstance(chat, Chat)
    assert (heard.model, heard.audio.duration_seconds) == ("stt-starter", 1.5)
    assert chat.messages[0].content == ("Before.", "a red circle", "After.")
    (warning,) = answer.json()["senses"]["warnings"]
    assert warning.startswith(f"The recording {field}[0].content[1].input_audio was transcribed by stt-starter")


@pytest.mark.promise("openai:audio-in-chats")
@pytest.mark.parametrize(
    ("data", "count", "sentence"), [("AAAA", 1, "recording"), ("?", 1, "base64"), ("AAAA", 17, "17 recordings")]
)
async def test_a_recording_that_cannot_be_heard_is_refused(
    http: httpx2.AsyncClient, service: FakeService, data: str, count: int, sentence: str
) -> None:
    parts = [{"type": "input_audio", "input_audio": {"data": data, "format": "mp3"}}] * count

    answer = await http.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": parts}]})

    assert answer.status_code == 400
    assert answer.json()["error"]["param"].startswith("messages")
    assert sentence in answer.json()["error"]["message"]
    assert service.requests == []


async def test_too_many_pictures_are_refused_before_any_is_opened(http: httpx2.AsyncClient) -> None:
    parts = [{"type": "image_url", "image_url": "data:,broken"}] * 17

    answer = await http.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": parts}]})

    assert answer.json()["error"]["message"] == "messages has 17 images; the limit is 16 per request. Send fewer."


async def test_a_body_for_responses_is_sent_on(http: httpx2.AsyncClient) -> None:
    answer = await http.post("/v1/chat/completions", json={"model": "", "input": "hi"})

    assert answer.status_code == 400
    assert "/v1/responses" in answer.json()["error"]["message"]


@pytest.mark.promise("openai:cancel")
async def test_closing_a_stream_cancels_the_request(sdk: AsyncOpenAI, service: FakeService) -> None:
    service.gate = anyio.Event()
    stream = await sdk.chat.completions.create(model="", messages=SAY_HI, stream=True)
    async for chunk in stream:
        if chunk.choices[0].delta.content:
            break

    await stream.close()

    await wait_until_cancelled(service)


@pytest.mark.promise("openai:cancel")
async def test_closing_the_connection_of_a_plain_request_cancels_it(
    http: httpx2.AsyncClient, service: FakeService
) -> None:
    service.gate = anyio.Event()

    await disconnect_while_waiting(service, lambda: http.post("/v1/chat/completions", json={"messages": SAY_HI}))

    await wait_until_cancelled(service)


async def test_an_error_in_the_middle_of_a_stream_reaches_the_client(sdk: AsyncOpenAI, service: FakeService) -> None:
    service.error_after_first_event = JobFailed("The model broke.")
    stream = await sdk.chat.completions.create(model="", messages=SAY_HI, stream=True)

    with pytest.raises(openai.APIError, match="The model broke."):
        async for _ in stream:
            pass


async def test_an_error_before_the_first_piece_is_an_http_error_even_for_a_stream(
    sdk: AsyncOpenAI, service: FakeService
) -> None:
    service.error = JobFailed("The model broke.")

    with pytest.raises(openai.InternalServerError, match="The model broke."):
        await sdk.chat.completions.create(model="", messages=SAY_HI, stream=True)
