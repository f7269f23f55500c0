"""Pydantic AI's tools and objects by tool calls, over chat and over responses."""

import asyncio
from typing import Any, Literal

import pytest
from pydantic import BaseModel
from pydantic_ai import Agent, ToolOutput
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider

from tests.clients.given import BASE_URL, KEY

Kind = type[OpenAIChatModel] | type[OpenAIResponsesModel]
BOTH = pytest.mark.parametrize("kind", [OpenAIChatModel, OpenAIResponsesModel], ids=["chat", "responses"])


class Shape(BaseModel):
    """A shape."""

    kind: Literal["circle", "square"]
    filled: bool


def agent(kind: Kind) -> Any:
    """Return an agent whose answer is a call, which it must make."""
    model = kind("agent", provider=OpenAIProvider(base_url=BASE_URL, api_key=KEY))
    return Agent(model, output_type=ToolOutput(Shape), model_settings={"max_tokens": 200})


@BOTH
def test_an_agent_answers_with_an_object_by_a_call(kind: Kind) -> None:
    assert isinstance(agent(kind).run_sync("A shape").output, Shape)


@BOTH
def test_an_agent_streams_an_object_by_a_call(kind: Kind) -> None:
    async def run() -> Any:
        async with agent(kind).run_stream("A shape") as streamed:
            return await streamed.get_output()

    assert isinstance(asyncio.run(run()), Shape)
