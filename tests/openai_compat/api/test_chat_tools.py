"""Tools in chats, through OpenAI's client with strict validation: offered, chosen, called, answered."""

import json
from typing import Any

import httpx2
import openai
import pytest
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolUnionParam

from model_runtime.events import ChatResult, ReasoningDelta, TextDelta, ToolCallDelta
from model_runtime.requests import Chat, Message, Tool, ToolCall
from tests.fakes import FakeService

QUESTION: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Which weather has Paris?"}]
SCHEMA: dict[str, object] = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER: ChatCompletionToolUnionParam = {
    "type": "function",
    "function": {"name": "weather", "description": "Tell the weather.", "parameters": SCHEMA},
}
CLOCK: ChatCompletionToolUnionParam = {"type": "function", "function": {"name": "clock"}}
PARIS = ToolCall("call_1", "weather", '{"city": "Paris"}')
ROME = ToolCall("call_2", "weather", '{"city": "Rome"}')


def received_chat(service: FakeService) -> Chat:
    """Return the one chat that the runtime received."""
    (request,) = service.requests
    assert isinstance(request, Chat)
    return request


def call_two_cities(service: FakeService) -> None:
    """Let the model think, say something and call a tool for two cities."""
    service.chat_events = (
        ReasoningDelta("Two "),
        ReasoningDelta("cities."),
        TextDelta("One moment."),
        ToolCallDelta(0, id="call_1", name="weather"),
        ToolCallDelta(0, arguments='{"city": '),
        ToolCallDelta(0, arguments='"Paris"}'),
        ToolCallDelta(1, id="call_2", name="weather"),
        ToolCallDelta(1, arguments='{"city": "Rome"}'),
    )
    service.chat_result = ChatResult(
        "One moment.",
        "tool_calls",
        12,
        30,
        tool_calls=(PARIS, ROME),
        reasoning="Two cities.",
        reasoning_tokens=4,
    )


@pytest.mark.promise("openai:tools")
async def test_tools_and_how_they_may_be_called_reach_the_model(sdk: AsyncOpenAI, service: FakeService) -> None:
    await sdk.chat.completions.create(
        model="", messages=QUESTION, tools=[WEATHER, CLOCK], tool_choice="required", parallel_tool_calls=False
    )

    chat = received_chat(service)
    assert chat.tools == (Tool("weather", "Tell the weather.", json.dumps(SCHEMA)), Tool("clock"))
    assert (chat.tool_choice, chat.forced_tool, chat.parallel_tool_calls) == ("required", "", False)


@pytest.mark.parametrize(
    ("choice", "mode", "forced", "offered"),
    [
        (None, "auto", "", "weather clock"),
        ("none", "none", "", "weather clock"),
        ("any", "required", "", "weather clock"),
        ({"type": "function", "function": {"name": "clock"}}, "required", "clock", "weather clock"),
        ({"type": "function", "name": "clock"}, "required", "clock", "weather clock"),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "clock"}}]},
            },
            "auto",
            "",
            "clock",
        ),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "weather"}]},
            "required",
            "",
            "weather",
        ),
    ],
)
async def test_every_form_of_the_choice_is_read(
    http: httpx2.AsyncClient, service: FakeService, choice: object, mode: str, forced: str, offered: str
) -> None:
    body = {"messages": QUESTION, "tools": [WEATHER, CLOCK], "tool_choice": choice}

    answer = await http.post("/v1/chat/completions", json=body)

    assert answer.status_code == 200
    chat = received_chat(service)
    assert (chat.tool_choice, chat.forced_tool) == (mode, forced)
    assert [tool.name for tool in chat.tools] == offered.split()


@pytest.mark.promise("openai:tools")
async def test_calls_come_whole(sdk: AsyncOpenAI, service: FakeService) -> None:
    call_two_cities(service)

    answer = await sdk.chat.completions.create(model="", messages=QUESTION, tools=[WEATHER], n=2)

    assert [choice.finish_reason for choice in answer.choices] == ["tool_calls"] * 2
    message = answer.choices[1].message
    assert message.content == "One moment."
    assert (message.model_extra or {})["reasoning_content"] == "Two cities."
    assert [(call.id, call.type) for call in message.tool_calls or []] == [
        ("call_1", "function"),
        ("call_2", "function"),
    ]
    functions = [call.function for call in message.tool_calls or [] if call.type == "function"]
    assert [(function.name, function.arguments) for function in functions] == [
        ("weather", PARIS.arguments),
        ("weather", ROME.arguments),
    ]
    assert answer.usage is not None
    assert answer.usage.completion_tokens_details is not None
    assert answer.usage.completion_tokens_details.reasoning_tokens == 8


async def test_the_content_of_calls_alone_is_null(http: httpx2.AsyncClient, service: FakeService) -> None:
    service.chat_result = ChatResult("", "tool_calls", 12, 9, tool_calls=(PARIS,))

    answer = await http.post("/v1/chat/completions", json={"messages": QUESTION, "tools": [WEATHER]})

    message = answer.json()["choices"][0]["message"]
    assert message["content"] is None
    assert "reasoning_content" not in message


@pytest.mark.promise("openai:tools")
async def test_calls_stream_with_id_and_name_first(sdk: AsyncOpenAI, service: FakeService) -> None:
    call_two_cities(service)

    stream = await sdk.chat.completions.create(model="", messages=QUESTION, tools=[WEATHER], stream=True)
    chunks = [chunk async for chunk in stream]

    deltas = [chunk.choices[0].delta for chunk in chunks]
    assert "".join((delta.model_extra or {}).get("reasoning_content", "") for delta in deltas) == "Two cities."
    assert "".join(delta.content or "" for delta in deltas) == "One moment."
    parts = [part for delta in deltas for part in delta.tool_calls or []]
    told = [
        (part.index, part.id, part.function and part.function.name, part.function and part.function.arguments)
        for part in parts
    ]
    assert told == [
        (0, "call_1", "weather", ""),
        (0, None, None, '{"city": '),
        (0, None, None, '"Paris"}'),
        (1, "call_2", "weather", ""),
        (1, None, None, ROME.arguments),
    ]
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


@pytest.mark.promise("openai:tools")
async def test_the_streaming_helper_of_openais_client_collects_the_calls(
    sdk: AsyncOpenAI, service: FakeService
) -> None:
    call_two_cities(service)

    async with sdk.chat.completions.stream(model="", messages=QUESTION, tools=[WEATHER]) as stream:
        async for _ in stream:
            pass
        completion = await stream.get_final_completion()

    calls = completion.choices[0].message.tool_calls or []
    assert [(call.id, call.function.name, call.function.arguments) for call in calls] == [
        ("call_1", "weather", PARIS.arguments),
        ("call_2", "weather", ROME.arguments),
    ]


@pytest.mark.promise("openai:tools")
async def test_calls_and_their_results_are_fed_back(sdk: AsyncOpenAI, service: FakeService) -> None:
    function = {"name": "weather", "arguments": PARIS.arguments}
    history: list[Any] = [
        *QUESTION,
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "call_1", "type": "function", "function": function}],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
    ]

    await sdk.chat.completions.create(model="", messages=history, tools=[WEATHER])

    assert received_chat(service).messages[1:] == (
        Message("assistant", (), tool_calls=(PARIS,)),
        Message("tool", ("rain",), tool_call_id="call_1"),
    )


async def test_calls_in_messages_of_their_own_are_one_turn(http: httpx2.AsyncClient, service: FakeService) -> None:
    def called(call: ToolCall) -> dict[str, Any]:
        return {"id": call.id, "function": {"name": call.name, "arguments": json.loads(call.arguments)}}

    history = [
        *QUESTION,
        {"role": "assistant", "content": "One moment."},
        {"role": "assistant", "tool_calls": [called(PARIS)]},
        {"role": "assistant", "content": "", "tool_calls": [called(ROME)]},
    ]

    answer = await http.post("/v1/chat/completions", json={"messages": history})

    assert answer.status_code == 200
    assert received_chat(service).messages[1:] == (Message("assistant", ("One moment.",), (PARIS, ROME)),)


async def test_the_deprecated_form_of_calls_in_a_history_is_read(
    http: httpx2.AsyncClient, service: FakeService
) -> None:
    history = [
        *QUESTION,
        {"role": "assistant", "content": None, "function_call": {"name": "weather", "arguments": "{}"}},
        {"role": "function", "name": "weather", "content": "rain"},
    ]

    await http.post("/v1/chat/completions", json={"messages": history})

    assert received_chat(service).messages[1:] == (
        Message("assistant", (), (ToolCall("weather", "weather", "{}"),)),
        Message("tool", ("rain",), tool_call_id="weather"),
    )


@pytest.mark.parametrize(
    ("fields", "param", "sentence"),
    [
        (
            {"tool_choice": {"type": "function", "function": {"name": "moon"}}},
            "tool_choice",
            "'moon', which is not among",
        ),
        ({"tool_choice": {"type": "function"}}, "tool_choice", "a function needs its name"),
        ({"tool_choice": {"type": "allowed_tools"}}, "tool_choice", "needs a list of tools"),
        ({"tool_choice": "sometimes"}, "tool_choice.type", "tool_choice.type is 'sometimes'"),
        ({"tools": [{"type": "web_search"}]}, "tools[0]", "A tool of type 'web_search' is not supported"),
        ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools[0]", "A tool of type 'custom'"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name", "is missing"),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools[0].function.name", "'a b'"),
        ({"functions": [{"name": "weather"}]}, None, "Send functions as tools"),
        ({"function_call": {"name": "weather"}}, None, "Send functions as tools"),
    ],
)
async def test_a_wrong_tool_or_choice_is_refused_by_name(
    sdk: AsyncOpenAI, service: FakeService, fields: dict[str, Any], param: str | None, sentence: str
) -> None:
    body = {"tools": [WEATHER], **fields}

    with pytest.raises(openai.BadRequestError) as error:
        await sdk.chat.completions.create(model="", messages=QUESTION, extra_body=body)

    assert sentence in error.value.message
    assert error.value.param == param
    assert service.requests == []
