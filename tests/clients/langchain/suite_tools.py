"""LangChain's tools and embeddings."""

from typing import Any, Literal

import pytest
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel, SecretStr

from tests.clients.given import BASE_URL, KEY, SCRIPTED_ANSWER

SECRET = SecretStr(KEY)
BOTH = pytest.mark.parametrize("responses", [False, True])


class Shape(BaseModel):
    """A shape."""

    kind: Literal["circle", "square"]
    filled: bool


@tool
def weather(city: Literal["Oslo", "Rome"]) -> str:
    """Tell the weather of a city."""
    return f"Sunny in {city}"


def agent(*, responses: bool) -> ChatOpenAI:
    """Return the model that reads tools."""
    settings: dict[str, Any] = {"max_tokens": 200, "max_retries": 0, "use_responses_api": responses}
    return ChatOpenAI(model="agent", base_url=BASE_URL, api_key=SECRET, **settings)


@BOTH
def test_a_tool_is_called_and_its_result_is_read(responses: bool) -> None:
    asked = HumanMessage("Weather?")
    called = agent(responses=responses).bind_tools([weather], tool_choice="weather").invoke([asked])
    (call,) = called.tool_calls
    told = ToolMessage(weather.invoke(call["args"]), tool_call_id=call["id"])

    answer = agent(responses=responses).bind_tools([weather]).invoke([asked, called, told])

    assert answer.text == SCRIPTED_ANSWER


@BOTH
def test_a_call_is_streamed(responses: bool) -> None:
    chunks = agent(responses=responses).bind_tools([weather], tool_choice="weather").stream("Weather?")
    first, *others = chunks
    for chunk in others:
        first = first + chunk

    assert first.tool_calls[0]["args"]["city"] in ("Oslo", "Rome")


def test_an_answer_is_structured_by_a_call() -> None:
    model = agent(responses=False).with_structured_output(Shape, method="function_calling")

    assert isinstance(model.invoke("A shape"), Shape)


def test_texts_have_embeddings() -> None:
    embeddings = OpenAIEmbeddings(
        model="embedder", base_url=BASE_URL, api_key=SECRET, max_retries=0, check_embedding_ctx_length=False
    )

    assert len(embeddings.embed_documents(["a red circle", "forty two"])) == 2
    assert sum(value**2 for value in embeddings.embed_query("a red circle")) == pytest.approx(1, abs=1e-2)
