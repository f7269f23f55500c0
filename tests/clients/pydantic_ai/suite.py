"""Pydantic AI, over chat and over responses."""

import asyncio
from typing import Any, Literal

import pytest
from pydantic import BaseModel
from pydantic_ai import Agent, BinaryContent, ModelHTTPError, NativeOutput
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider

from tests.clients.given import BASE_URL, KEY, MEDIA, SCRIPTED_ANSWER

Kind = type[OpenAIChatModel] | type[OpenAIResponsesModel]
BOTH = pytest.mark.parametrize("kind", [OpenAIChatModel, OpenAIResponsesModel], ids=["chat", "responses"])


class Shape(BaseModel):
    """A shape."""

    kind: Literal["circle", "square"]
    filled: bool


def model(kind: Kind, name: str = "scripted") -> Any:
    """Return a model of Pydantic AI."""
    return kind(name, provider=OpenAIProvider(base_url=BASE_URL, api_key=KEY))


@BOTH
def test_an_agent_answers(kind: Kind) -> None:
    ran = Agent(model(kind), instructions="Be brief.").run_sync("Hello")

    assert ran.output == SCRIPTED_ANSWER


@BOTH
def test_an_agent_streams(kind: Kind) -> None:
    async def run() -> str:
        async with Agent(model(kind)).run_stream("Hello") as streamed:
            return "".join([text async for text in streamed.stream_text(delta=True)])

    assert asyncio.run(run()) == SCRIPTED_ANSWER


@BOTH
def test_an_agent_answers_with_an_object_by_its_schema(kind: Kind) -> None:
    agent: Any = Agent(model(kind, "random"), output_type=NativeOutput(Shape), model_settings={"max_tokens": 200})

    assert isinstance(agent.run_sync("A shape").output, Shape)


@BOTH
def test_an_agent_sees(kind: Kind) -> None:
    picture = BinaryContent((MEDIA / "circle.png").read_bytes(), media_type="image/png")
    agent = Agent(model(kind, "gpt-4o"), model_settings={"temperature": 0})

    assert "blue circle" in agent.run_sync(["Describe this image.", picture]).output.lower()


@BOTH
def test_a_conversation_goes_on(kind: Kind) -> None:
    agent = Agent(model(kind))
    first = agent.run_sync("Hello")

    assert agent.run_sync("And then?", message_history=first.all_messages()).output == SCRIPTED_ANSWER


@BOTH
def test_an_unknown_model_is_told(kind: Kind) -> None:
    with pytest.raises(ModelHTTPError, match="vlm-worst") as caught:
        Agent(model(kind, "vlm-worst")).run_sync("Hello")

    assert caught.value.status_code == 404
