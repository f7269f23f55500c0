"""LangChain: its chat model by both endpoints, its completions, and what they report."""

from typing import Any, Literal

import openai
import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_openai import ChatOpenAI, OpenAI
from pydantic import BaseModel, SecretStr

from tests.clients.given import BASE_URL, KEY, SCRIPTED_ANSWER, data_url

SECRET = SecretStr(KEY)


class Shape(BaseModel):
    """A shape."""

    kind: Literal["circle", "square"]
    filled: bool


def chat(model: str = "scripted", **settings: Any) -> ChatOpenAI:
    """Return a chat model of LangChain."""
    return ChatOpenAI(model=model, base_url=BASE_URL, api_key=SECRET, max_retries=0, **settings)


@pytest.mark.parametrize("responses", [False, True])
def test_a_conversation_is_answered_with_its_usage(responses: bool) -> None:
    said = [SystemMessage("Be brief."), HumanMessage("Hello"), AIMessage("Hi."), HumanMessage("Again")]
    answer = chat(use_responses_api=responses).invoke(said)

    assert answer.text == SCRIPTED_ANSWER
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["output_tokens"] > 0


@pytest.mark.parametrize("responses", [False, True])
def test_an_answer_is_streamed(responses: bool) -> None:
    chunks = list(chat(use_responses_api=responses, stream_usage=True).stream("Hello"))

    assert "".join(chunk.text for chunk in chunks) == SCRIPTED_ANSWER
    assert any(chunk.usage_metadata for chunk in chunks)


async def _answers() -> list[Any]:
    return list(await chat().abatch(["Hello", "Hi", "Good day"]))


def test_a_batch_is_answered() -> None:
    import asyncio

    assert [answer.text for answer in asyncio.run(_answers())] == [SCRIPTED_ANSWER] * 3


@pytest.mark.parametrize("method", ["json_schema", "json_mode"])
def test_an_answer_is_structured(method: Literal["json_schema", "json_mode"]) -> None:
    if method == "json_schema":
        assert isinstance(chat("random", max_tokens=200).with_structured_output(Shape).invoke("A shape"), Shape)
    else:
        schema = chat("random", max_tokens=300, seed=3).with_structured_output(None, method=method, include_raw=True)
        assert schema.invoke("{}")["raw"].text.lstrip().startswith("{")


@pytest.mark.parametrize("responses", [False, True])
def test_a_picture_is_described(responses: bool) -> None:
    picture = {"type": "image_url", "image_url": {"url": data_url("circle.png")}}
    message = HumanMessage([{"type": "text", "text": "Describe this image."}, picture])

    assert "blue circle" in chat("gpt-4o", temperature=0, use_responses_api=responses).invoke([message]).text.lower()


def test_logprobs_are_in_the_metadata() -> None:
    answer = chat("random", max_tokens=4, logprobs=True, top_logprobs=2).invoke("Hello")

    assert len(answer.response_metadata["logprobs"]["content"]) == 4


def test_a_text_is_continued() -> None:
    model = OpenAI(model="scripted", base_url=BASE_URL, api_key=SECRET, max_tokens=4, max_retries=0)

    assert SCRIPTED_ANSWER.startswith(model.invoke("\n\n"))
    assert "".join(model.stream("\n\n")) == model.invoke("\n\n")


def test_an_error_is_the_sdks_with_our_sentence() -> None:
    with pytest.raises(openai.NotFoundError, match="vlm-worst"):
        chat("vlm-worst").invoke("Hello")
