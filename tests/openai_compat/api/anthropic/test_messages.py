"""Messages, whole: what reaches the model, and what comes back."""

import base64
import json

import anyio
import httpx2
import pytest
from anthropic import AsyncAnthropic
from anthropic.types import ImageBlockParam, MessageParam, ToolParam

from model_runtime.events import ChatResult
from model_runtime.media.types import ImageData
from model_runtime.requests import Message, Tool, ToolCall
from tests.fakes import FakeService
from tests.openai_compat.api.anthropic.answers import ANSWER, end_with, received_chat, think_and_call_two_cities
from tests.openai_compat.clients import disconnect_while_waiting, wait_until_cancelled

HI: list[MessageParam] = [{"role": "user", "content": "hi"}]
SCHEMA: dict[str, object] = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER: ToolParam = {"name": "weather", "description": "Tell the weather.", "input_schema": SCHEMA}
CITED = {
    "type": "document",
    "source": {"type": "text", "media_type": "text/plain", "data": "It rains."},
    "citations": {"enabled": True},
}
RED = ImageData(8, 6, b"\xff\0\0" * 48)


@pytest.fixture
def picture(png: bytes) -> ImageBlockParam:
    """A picture as a block."""
    data = base64.b64encode(png).decode()
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}


@pytest.mark.promise("anthropic:messages")
async def test_the_official_client_gets_a_message(
    claude: AsyncAnthropic, service: FakeService, picture: ImageBlockParam
) -> None:
    answer = await claude.messages.create(
        model="vlm-starter",
        max_tokens=9,
        system=[{"type": "text", "text": "Be short.", "cache_control": {"type": "ephemeral"}}],
        messages=[{"role": "user", "content": [picture, {"type": "text", "text": "What is this?"}]}],
        stop_sequences=["###"],
        extra_body={"temperature": 0.5, "top_p": 0.9, "top_k": 7},
        metadata={"user_id": "me"},
    )

    (block,) = answer.content
    assert block.type == "text"
    assert (block.text, answer.stop_reason, answer.stop_sequence) == (ANSWER, "end_turn", None)
    assert (answer.model, answer.role, answer.type) == ("vlm-starter", "assistant", "message")
    assert (answer.usage.input_tokens, answer.usage.cache_read_input_tokens) == (7, 5)
    assert answer.usage.output_tokens == 3
    assert answer._request_id is not None  # noqa: SLF001 - the client's documented name
    chat = received_chat(service)
    assert chat.messages == (Message("system", ("Be short.",)), Message("user", (RED, "What is this?")))
    assert (chat.max_tokens, chat.stop, chat.temperature, chat.top_p, chat.top_k) == (9, ("###",), 0.5, 0.9, 7)


@pytest.mark.promise("anthropic:messages")
async def test_the_answer_of_a_starter_says_so(claude: AsyncAnthropic, service: FakeService) -> None:
    service.warnings = ("It knows no cats.",)

    answer = await claude.messages.create(model="best", max_tokens=9, messages=HI)

    assert answer.model_extra is not None
    assert answer.model_extra["senses"]["starter"] is True
    assert answer.model_extra["senses"]["warnings"] == ["It knows no cats."]
    assert answer.model == "best"


async def test_what_is_left_out_has_anthropics_default(claude: AsyncAnthropic, service: FakeService) -> None:
    await claude.messages.create(model="auto", max_tokens=9, messages=HI)

    chat = received_chat(service)
    assert (chat.temperature, chat.top_p, chat.top_k, chat.stop) == (1.0, 1.0, 0, ())
    assert (chat.tools, chat.tool_choice, chat.json_schema) == ((), "auto", "")


@pytest.mark.promise("anthropic:stop-reasons")
@pytest.mark.parametrize(
    ("result", "reason", "sequence"),
    [
        (ChatResult("a", "stop", 5, 1), "end_turn", None),
        (ChatResult("a", "stop", 5, 1, stop_sequence="###"), "stop_sequence", "###"),
        (ChatResult("a", "length", 5, 9), "max_tokens", None),
        (ChatResult("a", "length", 5, 8), "model_context_window_exceeded", None),
        (ChatResult("", "tool_calls", 5, 8, tool_calls=(ToolCall("c", "weather", "{}"),)), "tool_use", None),
    ],
)
async def test_why_an_answer_ended_is_told_whole_and_streamed(
    claude: AsyncAnthropic, service: FakeService, result: ChatResult, reason: str, sequence: str | None
) -> None:
    end_with(service, result)

    whole = await claude.messages.create(model="auto", max_tokens=9, messages=HI)
    async with claude.messages.stream(model="auto", max_tokens=9, messages=HI) as stream:
        streamed = await stream.get_final_message()

    assert (whole.stop_reason, whole.stop_sequence) == (reason, sequence)
    assert (streamed.stop_reason, streamed.stop_sequence) == (reason, sequence)


@pytest.mark.promise("anthropic:tools")
async def test_tools_reach_the_model_and_its_calls_the_client(claude: AsyncAnthropic, service: FakeService) -> None:
    think_and_call_two_cities(service)

    answer = await claude.messages.create(
        model="auto", max_tokens=50, messages=HI, tools=[WEATHER, {**WEATHER, "name": "exact", "strict": True}]
    )

    said, paris, rome = answer.content
    assert said.type == "text"
    assert paris.type == rome.type == "tool_use"
    assert (paris.id, paris.name, paris.input, rome.input) == (
        "call_1",
        "weather",
        {"city": "Paris"},
        {"city": "Rome"},
    )
    assert answer.stop_reason == "tool_use"
    assert received_chat(service).tools == (
        Tool("weather", "Tell the weather.", json.dumps(SCHEMA)),
        Tool("exact", "Tell the weather.", json.dumps(SCHEMA), is_strict=True),
    )


@pytest.mark.promise("anthropic:tools")
@pytest.mark.parametrize(
    ("choice", "mode", "forced", "is_parallel"),
    [
        ({"type": "auto"}, "auto", "", True),
        ({"type": "none"}, "none", "", True),
        ({"type": "any", "disable_parallel_tool_use": True}, "required", "", False),
        ({"type": "tool", "name": "weather"}, "required", "weather", True),
    ],
)
async def test_every_choice_of_tools_reaches_the_model(
    http: httpx2.AsyncClient, service: FakeService, choice: dict[str, object], mode: str, forced: str, is_parallel: bool
) -> None:
    body = {"model": "auto", "max_tokens": 9, "messages": HI, "tools": [WEATHER], "tool_choice": choice}

    answer = await http.post("/v1/messages", json=body)

    assert answer.status_code == 200
    chat = received_chat(service)
    assert (chat.tool_choice, chat.forced_tool, chat.parallel_tool_calls) == (mode, forced, is_parallel)


@pytest.mark.promise("anthropic:thinking")
async def test_thinking_is_shown_to_those_who_ask(claude: AsyncAnthropic, service: FakeService) -> None:
    think_and_call_two_cities(service)

    asked = await claude.messages.create(model="auto", max_tokens=50, messages=HI, thinking={"type": "adaptive"})
    others = [
        await claude.messages.create(model="auto", max_tokens=50, messages=HI, **options)  # type: ignore[call-overload]
        for options in (
            {},
            {"thinking": {"type": "disabled"}},
            {"thinking": {"type": "adaptive", "display": "omitted"}},
        )
    ]

    thought = asked.content[0]
    assert thought.type == "thinking"
    assert thought.thinking == "Two cities."
    assert thought.signature
    assert asked.usage.output_tokens_details is not None
    assert asked.usage.output_tokens_details.thinking_tokens == 4
    assert all(answer.content[0].type == "text" for answer in others)


@pytest.mark.promise("anthropic:messages")
async def test_an_answer_can_be_held_to_a_schema(claude: AsyncAnthropic, service: FakeService) -> None:
    await claude.messages.create(
        model="auto", max_tokens=9, messages=HI, output_config={"format": {"type": "json_schema", "schema": SCHEMA}}
    )
    older = {"output_format": {"type": "json_schema", "schema": SCHEMA}}
    await claude.messages.create(model="auto", max_tokens=9, messages=HI, extra_body=older)

    assert [request.json_schema for request in service.requests] == [json.dumps(SCHEMA)] * 2  # type: ignore[union-attr]


@pytest.mark.promise("anthropic:nothing-ignored-silently")
@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"output_config": {"effort": "low"}}, "output_config.effort has no effect"),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, "thinking.budget_tokens has no effect"),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, "thinking had no effect"),
        ({"context_management": {"edits": [{"type": "clear_tool_uses"}]}}, "context_management has no effect"),
        ({"tools": [{**WEATHER, "defer_loading": True}]}, "defer_loading has no effect"),
        ({"messages": [{"role": "user", "content": [CITED]}]}, "citations has no effect"),
        (
            {
                "messages": [
                    {"role": "assistant", "content": [{"type": "tool_use", "id": "c", "name": "read"}]},
                    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": [CITED]}]},
                ]
            },
            "citations has no effect",
        ),
    ],
)
async def test_what_has_no_effect_is_told(http: httpx2.AsyncClient, fields: dict[str, object], sentence: str) -> None:
    body = {"model": "auto", "max_tokens": 2000, "messages": HI} | fields

    whole = await http.post("/v1/messages", json=body)
    streamed = await http.post("/v1/messages", json=body | {"stream": True})

    assert any(warning.startswith(sentence) for warning in whole.json()["senses"]["warnings"])
    assert sentence in streamed.text


@pytest.mark.promise("anthropic:nothing-ignored-silently")
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "'web_search_20250305' is not supported"),
        ({"tools": [{"type": "bash_20250124", "name": "bash"}]}, "'bash_20250124' is not supported"),
        ({"mcp_servers": [{"type": "url", "url": "https://x.example", "name": "x"}]}, "mcp_servers is not supported"),
        ({"container": "c"}, "container is not supported"),
        ({"compaction": {"type": "auto"}}, "compaction is not supported"),
        ({"thread": {"type": "continue", "previous_message_id": "msg_1"}}, "thread is not supported"),
        ({"max_tokens": 0}, "max_tokens is 0"),
        ({"max_tokens": None}, "max_tokens is missing"),
        ({"messages": []}, "messages: "),
        ({"messages": [*HI, {"role": "assistant", "content": "{"}]}, "does not support assistant message prefill"),
        ({"messages": [{"role": "user", "content": [{"type": "audio"}]}]}, "A block of type 'audio'"),
        ({"messages": [{"role": "user", "content": [{"type": "server_tool_use"}]}]}, "'server_tool_use'"),
        ({"messages": [{"role": "user", "content": [{"type": "tool_use", "id": "c", "name": "x"}]}]}, "tool_use block"),
        ({"tool_choice": {"type": "any"}}, "there are no tools"),
        ({"tool_choice": {"type": "tool", "name": "look"}, "tools": [WEATHER]}, "'look'"),
        ({"temperature": 1.1}, "temperature is 1.1"),
        ({"stop_sequences": ["a"] * 17}, "stop_sequences"),
    ],
)
async def test_what_is_not_supported_is_refused_by_name(
    http: httpx2.AsyncClient, service: FakeService, change: dict[str, object], sentence: str
) -> None:
    answer = await http.post("/v1/messages", json={"model": "auto", "max_tokens": 9, "messages": HI} | change)

    assert answer.status_code == 400
    assert sentence in answer.json()["error"]["message"]
    assert not service.requests


@pytest.mark.parametrize(
    ("source", "kind", "sentence"),
    [
        ({"type": "file", "file_id": "f"}, "image", "A source of type 'file' is not supported"),
        ({"type": "file", "file_id": "f"}, "document", "A source of type 'file' is not supported"),
        ({"type": "base64", "media_type": "application/pdf", "data": "JVBE"}, "document", "A PDF is not supported"),
        ({"type": "url", "url": "https://x.example/a.pdf"}, "document", "A PDF is not supported"),
        ({"type": "url", "url": "https://x.example/a.png"}, "image", "does not fetch images from the web"),
        ({"type": "base64", "data": "aGk=", "media_type": "image/png"}, "image", "The image is a text file"),
    ],
)
async def test_media_that_cannot_be_read_are_refused_with_the_way_out(
    http: httpx2.AsyncClient, source: dict[str, object], kind: str, sentence: str
) -> None:
    messages = [{"role": "user", "content": [{"type": kind, "source": source}]}]

    answer = await http.post("/v1/messages", json={"model": "auto", "max_tokens": 9, "messages": messages})

    assert answer.status_code == 400
    assert sentence in answer.json()["error"]["message"]


async def test_a_client_that_leaves_ends_its_work(http: httpx2.AsyncClient, service: FakeService) -> None:
    service.gate = anyio.Event()

    for stream in (False, True):
        body = {"model": "auto", "max_tokens": 9, "messages": HI, "stream": stream}
        await disconnect_while_waiting(service, lambda body=body: http.post("/v1/messages", json=body))  # type: ignore[misc]
        await wait_until_cancelled(service)
        assert len(service.cancelled_requests) == 1
        service.requests.clear()
        service.cancelled_requests.clear()


async def test_a_picture_that_must_not_be_made_smaller_is_refused(
    http: httpx2.AsyncClient, picture: ImageBlockParam
) -> None:
    exact = {**picture, "transformations": {"oversized_image": "error"}}
    messages = [{"role": "user", "content": [exact]}]

    answer = await http.post("/v1/messages", json={"model": "auto", "max_tokens": 9, "messages": messages})

    assert answer.status_code == 400
    assert "oversized_image is 'error'" in answer.json()["error"]["message"]
