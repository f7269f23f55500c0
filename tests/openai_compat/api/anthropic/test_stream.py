"""Messages as they are written: the events, their order, and what a failure looks like."""

import json
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import anyio
import httpx2
import pytest
from anthropic import AsyncAnthropic
from anthropic.types import MessageParam

from model_runtime.errors import JobFailed, QueueFull
from openai_compat.api.anthropic.stream import PING_EVENT
from openai_compat.http.sse import DeferredStreamingResponse
from tests.fakes import FakeService
from tests.openai_compat.api.anthropic.answers import ANSWER, think_and_call_two_cities

HI: list[MessageParam] = [{"role": "user", "content": "hi"}]
STREAMED = {"model": "auto", "max_tokens": 50, "messages": HI, "stream": True}


def parse_events(text: str) -> list[dict[str, Any]]:
    """Return the data of all events, each of which is named as its type says."""
    events = []
    for lines in text.strip().split("\n\n"):
        name, data = lines.split("\n")
        events.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {events[-1]['type']}"
    return events


@pytest.mark.promise("anthropic:messages")
async def test_the_official_client_reads_a_stream(claude: AsyncAnthropic) -> None:
    async with claude.messages.stream(model="auto", max_tokens=9, messages=HI) as stream:
        pieces = [piece async for piece in stream.text_stream]
        message = await stream.get_final_message()

    assert pieces == ["A red ", "circle on a ", "white background."]
    assert message.content[0].type == "text"
    assert message.content[0].text == ANSWER
    assert message.stop_reason == "end_turn"
    assert (message.usage.input_tokens, message.usage.output_tokens) == (7, 3)
    assert message.usage.cache_read_input_tokens == 5


@pytest.mark.promise("anthropic:messages")
async def test_the_events_come_in_anthropics_order(http: httpx2.AsyncClient) -> None:
    answer = await http.post("/v1/messages", json=STREAMED)

    events = parse_events(answer.text)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert [event["type"] for event in events] == [
        "message_start",
        "content_block_start",
        *["content_block_delta"] * 3,
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert events[0]["message"]["content"] == []
    assert events[0]["message"]["stop_reason"] is None
    assert events[-2]["senses"]["starter"] is True


@pytest.mark.promise("anthropic:tools")
async def test_thoughts_text_and_calls_are_blocks_one_after_the_other(
    claude: AsyncAnthropic, http: httpx2.AsyncClient, service: FakeService
) -> None:
    think_and_call_two_cities(service)

    answer = await http.post("/v1/messages", json=STREAMED | {"thinking": {"type": "adaptive"}})
    async with claude.messages.stream(
        model="auto", max_tokens=50, messages=HI, thinking={"type": "adaptive"}
    ) as stream:
        message = await stream.get_final_message()

    events = parse_events(answer.text)
    starts = [event["content_block"]["type"] for event in events if event["type"] == "content_block_start"]
    deltas = [(event["index"], event["delta"]["type"]) for event in events if event["type"] == "content_block_delta"]
    stops = [event["index"] for event in events if event["type"] == "content_block_stop"]
    assert starts == ["thinking", "text", "tool_use", "tool_use"]
    assert deltas == [
        (0, "thinking_delta"),
        (0, "thinking_delta"),
        (0, "signature_delta"),
        (1, "text_delta"),
        (2, "input_json_delta"),
        (2, "input_json_delta"),
        (3, "input_json_delta"),
    ]
    assert stops == [0, 1, 2, 3]
    thought, _, paris, rome = message.content
    assert thought.type == "thinking"
    assert (thought.thinking, bool(thought.signature)) == ("Two cities.", True)
    assert paris.type == rome.type == "tool_use"
    assert (paris.input, rome.input) == ({"city": "Paris"}, {"city": "Rome"})
    assert message.stop_reason == "tool_use"


@pytest.mark.promise("anthropic:thinking")
async def test_thoughts_are_left_out_of_a_stream_that_did_not_ask(
    http: httpx2.AsyncClient, service: FakeService
) -> None:
    think_and_call_two_cities(service)

    answer = await http.post("/v1/messages", json=STREAMED)

    starts = [event for event in parse_events(answer.text) if event["type"] == "content_block_start"]
    assert [(event["index"], event["content_block"]["type"]) for event in starts] == [
        (0, "text"),
        (1, "tool_use"),
        (2, "tool_use"),
    ]


@pytest.mark.promise("anthropic:errors")
async def test_a_failure_in_the_middle_is_an_event_that_the_client_raises(
    claude: AsyncAnthropic, http: httpx2.AsyncClient, service: FakeService
) -> None:
    service.error_after_first_event = JobFailed("The model broke.")

    answer = await http.post("/v1/messages", json=STREAMED)
    with pytest.raises(anthropic.APIStatusError, match="The model broke") as raised:
        async with claude.messages.stream(model="auto", max_tokens=9, messages=HI) as stream:
            await stream.get_final_message()

    last = parse_events(answer.text)[-1]
    assert last["type"] == "error"
    assert (last["error"]["type"], last["error"]["message"]) == ("api_error", "The model broke.")
    assert last["request_id"] == answer.headers["request-id"]
    assert raised.value.type == "api_error"


@pytest.mark.promise("anthropic:errors")
async def test_a_failure_before_the_first_event_is_an_ordinary_error(
    claude: AsyncAnthropic, service: FakeService
) -> None:
    service.error = QueueFull("Too many.", 3)

    with pytest.raises(anthropic.RateLimitError, match="Too many"):
        async with claude.messages.stream(model="auto", max_tokens=9, messages=HI):
            raise NotImplementedError


@pytest.mark.promise("anthropic:messages")
async def test_a_stream_is_kept_open_with_pings(
    http: httpx2.AsyncClient, service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    defaults = DeferredStreamingResponse.__init__.__kwdefaults__ or {}
    monkeypatch.setitem(defaults, "ping_seconds", 0.01)
    service.gate = anyio.Event()

    async with http.stream("POST", "/v1/messages", json=STREAMED) as answer:
        lines = answer.aiter_lines()
        before = [line async for line in until(lines, "event: ping")]
        service.gate.set()
        after = [line async for line in lines]

    assert before[0] == "event: message_start"
    assert f"{PING_EVENT.decode().splitlines()[1]}" == after[0] == 'data: {"type":"ping"}'
    assert "event: message_stop" in after


async def until(lines: AsyncIterator[str], last: str) -> AsyncIterator[str]:
    """Yield lines up to and with this one."""
    async for line in lines:
        yield line
        if line == last:
            return
