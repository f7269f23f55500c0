"""The tool loop of OpenAI's Agents SDK, over chat and over responses."""

import asyncio
from typing import Literal

import pytest
from agents import (
    Agent,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    function_tool,
    set_tracing_disabled,
)
from openai import AsyncOpenAI

from tests.clients.given import BASE_URL, KEY, SCRIPTED_ANSWER

set_tracing_disabled(True)
BOTH = pytest.mark.parametrize("kind", [OpenAIChatCompletionsModel, OpenAIResponsesModel], ids=["chat", "responses"])
Kind = type[OpenAIChatCompletionsModel] | type[OpenAIResponsesModel]


@function_tool
def weather(city: Literal["Oslo", "Rome"]) -> str:
    """Tell the weather of a city."""
    return f"Sunny in {city}"


def agent(kind: Kind) -> Agent:
    """Return an agent that calls its tool at first; the SDK then leaves the choice to the model."""
    client = AsyncOpenAI(base_url=BASE_URL, api_key=KEY, max_retries=0)
    settings = ModelSettings(tool_choice="required", max_tokens=200)
    return Agent(name="a", model=kind(model="agent", openai_client=client), tools=[weather], model_settings=settings)


@BOTH
def test_an_agent_calls_its_tool_and_answers(kind: Kind) -> None:
    ran = Runner.run_sync(agent(kind), "Weather?")

    kinds = [item.type for item in ran.new_items]
    assert kinds[-1] == "message_output_item"
    assert kinds.count("tool_call_item") == kinds.count("tool_call_output_item") > 0
    assert ran.final_output == SCRIPTED_ANSWER


@BOTH
def test_an_agent_calls_its_tool_in_a_stream(kind: Kind) -> None:
    async def run() -> tuple[list[str], str]:
        ran = Runner.run_streamed(agent(kind), "Weather?")
        names = [event.name async for event in ran.stream_events() if event.type == "run_item_stream_event"]
        return names, str(ran.final_output)

    names, answer = asyncio.run(run())
    assert names.count("tool_called") == names.count("tool_output") > 0
    assert answer == SCRIPTED_ANSWER


def test_an_agent_goes_on_from_its_last_response() -> None:
    first = Runner.run_sync(agent(OpenAIResponsesModel), "Weather?")

    second = Runner.run_sync(agent(OpenAIResponsesModel), "Again", previous_response_id=first.last_response_id)

    assert second.final_output == SCRIPTED_ANSWER
