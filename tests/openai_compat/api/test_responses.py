"""Responses, whole and streamed, through OpenAI's client."""

import base64
import json
from typing import Any

import httpx2
import openai
import pytest
from openai import AsyncOpenAI

from model_runtime.errors import JobFailed
from model_runtime.events import ChatResult, Event, ReasoningDelta, TextDelta, ToolCallDelta
from model_runtime.media.types import ImageData
from model_runtime.requests import Chat, Tool, ToolCall
from tests.fakes import FakeService

ANSWER = "A red circle on a white background."


def received_request(service: FakeService) -> Chat:
    """Return the one chat that the runtime received."""
    (request,) = service.requests
    assert isinstance(request, Chat)
    return request


@pytest.mark.promise("openai:responses")
async def test_the_official_client_gets_a_response(sdk: AsyncOpenAI, service: FakeService, png: bytes) -> None:
    answer = await sdk.responses.create(
        model="vlm-starter",
        instructions="Be short.",
        input=[
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "What is this?"},
                    {
                        "type": "input_image",
                        "detail": "auto",
                        "image_url": f"data:image/png;base64,{base64.b64encode(png).decode()}",
                    },
                ],
            }
        ],
        max_output_tokens=9,
    )

    assert answer.output_text == ANSWER
    assert answer.status == "completed"
    assert answer.usage is not None
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (12, 3)
    assert answer.usage.input_tokens_details.cached_tokens == 5
    chat = received_request(service)
    assert [message.role for message in chat.messages] == ["system", "user"]
    assert chat.messages[1].content == ("What is this?", ImageData(8, 6, b"\xff\0\0" * 48))
    assert chat.max_tokens == 9


@pytest.mark.promise("openai:responses")
async def test_a_response_streams_as_numbered_events(sdk: AsyncOpenAI) -> None:
    stream = await sdk.responses.create(model="fast", input="hi", stream=True)

    events = [event async for event in stream]

    assert [event.type for event in events] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert [event.sequence_number for event in events] == list(range(11))
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == ANSWER
    assert events[-1].type == "response.completed"
    assert events[-1].response.output_text == ANSWER
    assert events[0].type == "response.created"
    assert events[0].response.created_at == events[-1].response.created_at
    assert events[-1].response.model_extra is not None
    assert events[-1].response.model_extra["senses"]["starter"] is True


@pytest.mark.promise("openai:responses")
async def test_earlier_turns_and_tool_calls_reach_the_model_and_reasoning_does_not(
    http: httpx2.AsyncClient, service: FakeService
) -> None:
    items = [
        {"role": "user", "content": "look"},
        {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm."}]},
        {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"},
        {"type": "function_call", "call_id": "d", "name": "wait", "arguments": '{"s": 1}'},
        {"type": "function_call_output", "call_id": "c", "output": "a cat"},
        {"type": "function_call_output", "call_id": "d", "output": [{"type": "input_text", "text": "waited"}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "A cat."}]},
    ]

    answer = await http.post("/v1/responses", json={"input": items})

    assert answer.status_code == 200
    messages = received_request(service).messages
    assert [(message.role, message.content, message.tool_call_id) for message in messages] == [
        ("user", ("look",), ""),
        ("assistant", (), ""),
        ("tool", ("a cat",), "c"),
        ("tool", ("waited",), "d"),
        ("assistant", ("A cat.",), ""),
    ]
    assert messages[1].tool_calls == (ToolCall("c", "look", "{}"), ToolCall("d", "wait", '{"s": 1}'))


PARAMETERS = '{"type": "object", "properties": {"at": {"type": "integer"}}}'
LOOK = {
    "type": "function",
    "name": "look",
    "description": "Looks.",
    "parameters": json.loads(PARAMETERS),
    "strict": True,
}


@pytest.mark.promise("openai:responses")
async def test_tools_and_the_choice_among_them_reach_the_model_and_are_repeated(
    http: httpx2.AsyncClient, service: FakeService
) -> None:
    choice = {"type": "function", "name": "look"}
    body = {"input": "hi", "tools": [LOOK], "tool_choice": choice, "parallel_tool_calls": False}

    answer = (await http.post("/v1/responses", json=body)).json()

    chat = received_request(service)
    assert chat.tools == (Tool("look", "Looks.", PARAMETERS, is_strict=True),)
    assert (chat.tool_choice, chat.forced_tool, chat.parallel_tool_calls) == ("required", "look", False)
    assert (answer["tools"], answer["tool_choice"], answer["parallel_tool_calls"]) == ([LOOK], choice, False)


THOUGHTS_AND_CALLS: tuple[Event, ...] = (
    ReasoningDelta("I should "),
    ReasoningDelta("look."),
    TextDelta("Wait."),
    ToolCallDelta(0, "call_1", "look"),
    ToolCallDelta(0, arguments='{"at"'),
    ToolCallDelta(0, arguments=": 1}"),
    ToolCallDelta(1, "call_2", "look"),
    ToolCallDelta(1, arguments="{}"),
)


def think_and_call(service: FakeService, finish_reason: Any = "tool_calls") -> None:
    """Let the model think, say something and call tools."""
    service.chat_events = THOUGHTS_AND_CALLS
    calls = (ToolCall("call_1", "look", '{"at": 1}'), ToolCall("call_2", "look", "{}"))
    service.chat_result = ChatResult(
        "Wait.", finish_reason, 12, 9, tool_calls=calls, reasoning="I should look.", reasoning_tokens=4
    )


@pytest.mark.promise("openai:responses")
async def test_thoughts_texts_and_calls_are_items_of_the_output(sdk: AsyncOpenAI, service: FakeService) -> None:
    think_and_call(service)

    tools: Any = [LOOK]
    response = await sdk.responses.create(model="", input="hi", tools=tools)

    thought, message, first_call, second_call = (item.to_dict() for item in response.output)
    assert (thought["type"], thought["content"]) == (
        "reasoning",
        [{"type": "reasoning_text", "text": "I should look."}],
    )
    assert (message["type"], response.output_text) == ("message", "Wait.")
    assert [(call["type"], call["call_id"], call["name"], call["arguments"]) for call in (first_call, second_call)] == [
        ("function_call", "call_1", "look", '{"at": 1}'),
        ("function_call", "call_2", "look", "{}"),
    ]
    assert {item["status"] for item in (thought, message, first_call, second_call)} == {"completed"}
    assert response.status == "completed"
    assert response.usage is not None
    assert response.usage.output_tokens_details.reasoning_tokens == 4


@pytest.mark.promise("openai:responses")
async def test_thoughts_texts_and_calls_stream_as_numbered_events(sdk: AsyncOpenAI, service: FakeService) -> None:
    think_and_call(service)

    tools: Any = [LOOK]
    stream = await sdk.responses.create(model="", input="hi", tools=tools, stream=True)
    events = [event async for event in stream]

    assert [event.type.removeprefix("response.") for event in events] == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "reasoning_text.delta",
        "reasoning_text.delta",
        "reasoning_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    payloads: list[dict[str, Any]] = [event.to_dict() for event in events]
    added = [payload["item"] for payload in payloads if payload["type"] == "response.output_item.added"]
    done = [payload["item"] for payload in payloads if payload["type"] == "response.output_item.done"]
    assert [item["id"] for item in added] == [item["id"] for item in done]
    assert {item["status"] for item in added} == {"in_progress"}
    assert done == payloads[-1]["response"]["output"]
    ended = [payload for payload in payloads if payload["type"] == "response.function_call_arguments.done"]
    assert [payload["name"] for payload in ended] == [item["name"] for item in done if item["type"] == "function_call"]
    for payload in payloads[2:-1]:
        item = added[payload["output_index"]]
        assert payload.get("item_id", item["id"]) == item["id"]


@pytest.mark.promise("openai:responses")
@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_the_limit_cut_off_is_incomplete(
    http: httpx2.AsyncClient, service: FakeService, *, stream: bool
) -> None:
    think_and_call(service, "length")

    answer = await http.post("/v1/responses", json={"input": "hi", "stream": stream})

    last = json.loads(answer.text.strip().splitlines()[-1].removeprefix("data: "))
    response = last["response"] if stream else last
    assert response["status"] == "incomplete"
    assert response["incomplete_details"] == {"reason": "max_output_tokens"}
    assert [item["status"] for item in response["output"]] == ["completed"] * 3 + ["incomplete"]


@pytest.mark.promise("openai:logprobs")
@pytest.mark.parametrize("stream", [False, True])
async def test_log_probabilities_come_with_the_text(sdk: AsyncOpenAI, service: FakeService, *, stream: bool) -> None:
    asked: Any = {"model": "", "input": "hi", "include": ["message.output_text.logprobs"], "top_logprobs": 2}
    if stream:
        events = [event.to_dict() async for event in await sdk.responses.create(**asked, stream=True)]
        deltas = [one for event in events if event["type"] == "response.output_text.delta" for one in event["logprobs"]]
        response = events[-1]["response"]
    else:
        response = (await sdk.responses.create(**asked)).to_dict()
        deltas = response["output"][0]["content"][0]["logprobs"]

    assert received_request(service).top_logprobs == 2
    assert [one["token"] for one in deltas] == ["A red ", "circle on a ", "white background."]
    assert deltas == response["output"][0]["content"][0]["logprobs"]
    assert deltas[0] == {
        "token": "A red ",
        "logprob": -0.5,
        "bytes": list(b"A red "),
        "top_logprobs": [
            {"token": f"A red {rank}", "logprob": -1.0 - rank, "bytes": list(f"A red {rank}".encode())}
            for rank in range(2)
        ],
    }


async def test_a_part_of_a_character_has_no_bytes(sdk: AsyncOpenAI, service: FakeService) -> None:
    service.answer_parts = ("\ufffd",)

    response = await sdk.responses.create(model="", input="hi", include=["message.output_text.logprobs"])

    assert response.output[0].to_dict()["content"][0]["logprobs"][0]["bytes"] == []  # type: ignore[index]


async def test_a_response_can_be_held_to_a_schema(http: httpx2.AsyncClient, service: FakeService) -> None:
    form = {"type": "json_schema", "name": "it", "schema": {"type": "object"}, "strict": True}

    answer = await http.post("/v1/responses", json={"input": "hi", "text": {"format": form}})

    assert received_request(service).json_schema == '{"type": "object"}'
    assert answer.json()["text"]["format"] == {"type": "json_schema", "name": "it", "schema": {"type": "object"}}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"conversation": "conv_1"}, "conversation is not supported"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt is not supported"),
        ({"background": True}, "background is not supported"),
        ({"tool_choice": {"type": "function", "name": "look"}}, "tool_choice names the tool 'look'"),
        ({"tool_choice": {"type": "web_search_preview"}}, "tool_choice"),
        ({"tools": [{"type": "custom", "name": "patch"}]}, "A tool of type 'custom' is not supported"),
        ({"previous_response_id": 7}, "previous_response_id is 7"),
        ({"input": []}, "input: "),
        ({"input": None}, "input is missing"),
        ({"input": [{"role": "user", "content": [{"type": "input_file"}]}]}, "input_file"),
        ({"input": [7]}, "input[0]"),
        (
            {"input": [{"role": "user", "content": "a"}, {"type": "compaction"}]},
            "input[1], an item of type 'compaction'",
        ),
        ({"metadata": {"a": "b" * 513}}, "metadata.a"),
        ({"metadata": dict.fromkeys(map(str, range(17)), "")}, "metadata"),
        ({"top_logprobs": 21}, "top_logprobs is 21"),
    ],
)
async def test_what_cannot_be_honoured_is_refused_by_name(
    http: httpx2.AsyncClient, service: FakeService, change: dict[str, object], sentence: str
) -> None:
    answer = await http.post("/v1/responses", json={"input": "hi"} | change)

    assert (answer.status_code, service.requests) == (400, [])
    assert sentence in answer.json()["error"]["message"]


@pytest.mark.promise("openai:nothing-ignored-silently")
@pytest.mark.parametrize(
    "tool",
    ["web_search", "web_search_preview", "file_search", "code_interpreter", "computer_use_preview", "mcp",
     "image_generation", "local_shell", "shell", "apply_patch", "tool_search"],
)  # fmt: skip
async def test_tools_that_openai_runs_are_refused_by_name(
    http: httpx2.AsyncClient, service: FakeService, tool: str
) -> None:
    answer = await http.post("/v1/responses", json={"input": "hi", "tools": [LOOK, {"type": tool}]})

    assert (answer.status_code, service.requests) == (400, [])
    assert f"A tool of type {tool!r} is not supported. Use functions." in answer.json()["error"]["message"]
    assert answer.json()["error"]["param"] == "tools[1]"


async def test_a_response_that_fails_sends_its_error_to_the_client(sdk: AsyncOpenAI, service: FakeService) -> None:
    service.error_after_first_event = JobFailed("The model broke.")
    stream = await sdk.responses.create(model="", input="hi", stream=True)

    with pytest.raises(openai.APIError, match="The model broke."):
        async for _ in stream:
            pass
