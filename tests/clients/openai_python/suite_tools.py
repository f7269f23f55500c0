"""Tool calls, in chats and in responses. The model `agent` reads tools, and says what is scripted when none is forced."""

import json
from typing import Any

import openai
import pytest

from tests.clients.given import SCRIPTED_ANSWER
from tests.clients.openai_python.sdk import client, user

PARAMETERS = {
    "type": "object",
    "properties": {"city": {"enum": ["Oslo", "Rome"]}, "days": {"enum": [1, 2, 3]}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
WEATHER = {"name": "weather", "description": "The weather of a city", "parameters": PARAMETERS, "strict": True}
CLOCK = {"name": "clock", "parameters": {"type": "object", "properties": {}, "additionalProperties": False}}
TOOLS = [{"type": "function", "function": function} for function in (WEATHER, CLOCK)]
FLAT_TOOLS = [{"type": "function", **function} for function in (WEATHER, CLOCK)]
NAMED = {"type": "function", "function": {"name": "weather"}}
ASK: dict[str, Any] = {
    "model": "agent",
    "messages": user("What is the weather in Rome?"),
    "tools": TOOLS,
    "max_tokens": 200,
}
RESPOND: dict[str, Any] = {
    "model": "agent",
    "input": "What is the weather in Rome?",
    "tools": FLAT_TOOLS,
    "max_output_tokens": 200,
}


def require_weather(name: str, arguments: str) -> None:
    """Check a call of the tool `weather`."""
    called = json.loads(arguments)
    assert name == "weather"
    assert (called["city"] in ("Oslo", "Rome"), called["days"] in (1, 2, 3)) == (True, True)


def test_tools_that_are_offered_need_not_be_called() -> None:
    for choice in ("auto", "none"):
        answer = client.chat.completions.create(**ASK, tool_choice=choice)

        assert (answer.choices[0].message.content, answer.choices[0].message.tool_calls) == (SCRIPTED_ANSWER, None)


def test_a_named_tool_is_called_with_arguments_of_its_schema() -> None:
    answer = client.chat.completions.create(**ASK, tool_choice=NAMED)

    (call,) = answer.choices[0].message.tool_calls
    assert answer.choices[0].finish_reason == "tool_calls"
    assert call.id
    require_weather(call.function.name, call.function.arguments)


def test_a_required_call_is_one_of_the_tools() -> None:
    answer = client.chat.completions.create(**ASK, tool_choice="required")

    assert {call.function.name for call in answer.choices[0].message.tool_calls} <= {"weather", "clock"}
    assert all(isinstance(json.loads(call.function.arguments), dict) for call in answer.choices[0].message.tool_calls)


def test_a_call_is_streamed_with_its_id_and_name_first() -> None:
    chunks = list(client.chat.completions.create(**ASK, tool_choice=NAMED, stream=True))

    deltas = [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or ()]
    assert (deltas[0].index, bool(deltas[0].id), deltas[0].function.name) == (0, True, "weather")
    require_weather("weather", "".join(delta.function.arguments or "" for delta in deltas))
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


def test_the_streaming_helper_of_the_sdk_reads_a_call() -> None:
    with client.chat.completions.stream(**ASK, tool_choice=NAMED) as stream:
        kinds = {event.type for event in stream}
        (call,) = stream.get_final_completion().choices[0].message.tool_calls

    assert "tool_calls.function.arguments.done" in kinds
    require_weather(call.function.name, call.function.arguments)


def test_a_conversation_goes_on_after_a_tool() -> None:
    call = client.chat.completions.create(**ASK, tool_choice=NAMED).choices[0].message
    told = {"role": "tool", "tool_call_id": call.tool_calls[0].id, "content": "Sunny"}
    messages: list[Any] = [*ASK["messages"], call.model_dump(exclude_none=True), told]

    answer = client.chat.completions.create(**{**ASK, "messages": messages})

    assert answer.choices[0].message.content == SCRIPTED_ANSWER


def test_a_model_without_tools_answers_and_says_so_and_is_not_forced() -> None:
    answer = client.chat.completions.create(**{**ASK, "model": "scripted"}, tool_choice="auto")

    assert answer.choices[0].message.content == SCRIPTED_ANSWER
    assert "tool" in str(answer.model_extra["senses"]["warnings"])
    with pytest.raises(openai.BadRequestError, match="tool"):
        client.chat.completions.create(**{**ASK, "model": "scripted"}, tool_choice="required")


def test_a_response_calls_a_named_tool() -> None:
    response = client.responses.create(**RESPOND, tool_choice={"type": "function", "name": "weather"})

    (call,) = [item for item in response.output if item.type == "function_call"]
    require_weather(call.name, call.arguments)
    assert call.call_id


def test_a_response_streams_a_call() -> None:
    events = list(client.responses.create(**RESPOND, tool_choice="required", parallel_tool_calls=False, stream=True))

    kinds = [event.type for event in events]
    assert "response.function_call_arguments.delta" in kinds
    (done,) = [event for event in events if event.type == "response.function_call_arguments.done"]
    assert isinstance(json.loads(done.arguments), dict)
    assert kinds[-1] == "response.completed"


def test_a_response_goes_on_after_a_tool() -> None:
    first = client.responses.create(**RESPOND, tool_choice={"type": "function", "name": "weather"})
    (call,) = [item for item in first.output if item.type == "function_call"]
    told = {"type": "function_call_output", "call_id": call.call_id, "output": "Sunny"}

    whole = client.responses.create(**{**RESPOND, "input": [*user("Weather?"), call.model_dump(), told]})
    continued = client.responses.create(**{**RESPOND, "input": [told]}, previous_response_id=first.id)

    assert whole.output_text == continued.output_text == SCRIPTED_ANSWER


def test_hosted_tools_are_refused_by_name() -> None:
    for kind in ("web_search", "file_search", "code_interpreter"):
        with pytest.raises(openai.BadRequestError, match=kind):
            client.responses.create(model="agent", input="Hello", tools=[{"type": kind}])
