"""OpenAI's Agents SDK, over chat and over responses."""

import asyncio
from typing import Any, Literal

import pytest
from agents import (
    Agent,
    Model,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    set_tracing_disabled,
)
from openai import AsyncOpenAI
from pydantic import BaseModel

from tests.clients.given import BASE_URL, KEY, SCRIPTED_ANSWER, data_url

set_tracing_disabled(True)
BOTH = pytest.mark.parametrize("kind", [OpenAIChatCompletionsModel, OpenAIResponsesModel], ids=["chat", "responses"])
Kind = type[OpenAIChatCompletionsModel] | type[OpenAIResponsesModel]


class Shape(BaseModel):
    """A shape."""

    kind: Literal["circle", "square"]
    filled: bool


def model(kind: Kind, name: str = "scripted") -> Model:
    """Return a model of the SDK."""
    return kind(model=name, openai_client=AsyncOpenAI(base_url=BASE_URL, api_key=KEY, max_retries=0))


@BOTH
def test_an_agent_answers(kind: Kind) -> None:
    ran = Runner.run_sync(Agent(name="a", instructions="Be brief.", model=model(kind)), "Hello")

    assert ran.final_output == SCRIPTED_ANSWER
    assert ran.context_wrapper.usage.output_tokens > 0


@BOTH
def test_an_agent_streams(kind: Kind) -> None:
    async def run() -> tuple[str, Any]:
        ran = Runner.run_streamed(Agent(name="a", model=model(kind)), "Hello")
        events = [event async for event in ran.stream_events() if event.type == "raw_response_event"]
        deltas = [event.data.delta for event in events if event.data.type == "response.output_text.delta"]
        return "".join(deltas), ran.final_output

    assert asyncio.run(run()) == (SCRIPTED_ANSWER, SCRIPTED_ANSWER)


@BOTH
def test_an_agent_answers_with_an_object(kind: Kind) -> None:
    agent = Agent(
        name="a", model=model(kind, "random"), output_type=Shape, model_settings=ModelSettings(max_tokens=200)
    )

    assert isinstance(Runner.run_sync(agent, "A shape").final_output, Shape)


@BOTH
def test_an_agent_sees(kind: Kind) -> None:
    parts = [
        {"type": "input_image", "image_url": data_url("circle.png"), "detail": "auto"},
        {"type": "input_text", "text": "Describe this image."},
    ]
    agent = Agent(name="a", model=model(kind, "gpt-4o"), model_settings=ModelSettings(temperature=0))
    asked: Any = [{"role": "user", "content": parts}]

    assert "blue circle" in Runner.run_sync(agent, asked).final_output.lower()


@BOTH
def test_a_conversation_goes_on(kind: Kind) -> None:
    agent = Agent(name="a", model=model(kind))
    first = Runner.run_sync(agent, "Hello")
    asked: Any = [*first.to_input_list(), {"role": "user", "content": "And then?"}]

    assert Runner.run_sync(agent, asked).final_output == SCRIPTED_ANSWER
