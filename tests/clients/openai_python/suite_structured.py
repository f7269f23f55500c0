"""Answers that match a schema."""

import json
from typing import Literal

import pytest
from pydantic import BaseModel

from tests.clients.openai_python.sdk import client, user


class Shape(BaseModel):
    """What a check asks for: every answer of it is short."""

    kind: Literal["circle", "square"]
    filled: bool
    colors: list[Literal["red", "blue"]]


SCHEMA = {
    "type": "object",
    "properties": {
        "kind": {"enum": ["circle", "square"]},
        "colors": {"type": "array", "items": {"enum": ["red", "blue"]}, "minItems": 2, "maxItems": 2},
    },
    "required": ["kind", "colors"],
    "additionalProperties": False,
}
FORMAT = {"type": "json_schema", "json_schema": {"name": "shape", "strict": True, "schema": SCHEMA}}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["random", "pictures"])
def test_an_answer_matches_its_schema(model: str, stream: bool) -> None:
    ask = {"model": model, "messages": user("A shape"), "response_format": FORMAT, "max_tokens": 100}
    answered = client.chat.completions.create(**ask, stream=stream)

    text = (
        "".join(chunk.choices[0].delta.content or "" for chunk in answered)
        if stream
        else answered.choices[0].message.content
    )
    shape = json.loads(text)
    assert shape["kind"] in ("circle", "square")
    assert len(shape["colors"]) == 2


def test_an_answer_is_read_as_a_pydantic_model() -> None:
    answer = client.chat.completions.parse(
        model="random", messages=user("A shape"), response_format=Shape, max_tokens=400, seed=1
    )

    assert isinstance(answer.choices[0].message.parsed, Shape)


def test_an_answer_may_be_any_json_object() -> None:
    answer = client.chat.completions.create(
        model="random", messages=user("{}"), response_format={"type": "json_object"}, max_tokens=400, seed=3
    )

    choice = answer.choices[0]
    assert choice.message.content.lstrip().startswith("{")
    assert choice.finish_reason == "length" or isinstance(json.loads(choice.message.content), dict)


def test_a_response_matches_its_schema() -> None:
    text = {"format": {"type": "json_schema", "name": "shape", "strict": True, "schema": SCHEMA}}
    response = client.responses.create(model="random", input="A shape", text=text, max_output_tokens=100)

    assert json.loads(response.output_text)["kind"] in ("circle", "square")


def test_a_response_is_read_as_a_pydantic_model() -> None:
    response = client.responses.parse(model="random", input="A shape", text_format=Shape, max_output_tokens=400)

    assert isinstance(response.output_parsed, Shape)
