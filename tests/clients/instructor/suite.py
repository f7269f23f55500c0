"""Instructor, in the modes that local servers are used with."""

from typing import Any, Literal

import instructor
from openai import OpenAI
from pydantic import BaseModel

from tests.clients.given import BASE_URL, KEY, data_url

ASK: Any = {"messages": [{"role": "user", "content": "A shape"}], "max_tokens": 300, "max_retries": 0, "seed": 1}


class Shape(BaseModel):
    """A shape."""

    kind: Literal["circle", "square"]
    filled: bool


def patched(mode: instructor.Mode) -> Any:
    """Return OpenAI's client as Instructor wraps it."""
    return instructor.from_openai(OpenAI(base_url=BASE_URL, api_key=KEY, max_retries=0), mode=mode)


def test_an_object_is_extracted() -> None:
    shape = patched(instructor.Mode.JSON_SCHEMA).chat.completions.create(model="random", response_model=Shape, **ASK)

    assert isinstance(shape, Shape)


def test_the_completion_comes_with_the_object() -> None:
    shape, completion = patched(instructor.Mode.JSON_SCHEMA).chat.completions.create_with_completion(
        model="random", response_model=Shape, **ASK
    )

    assert isinstance(shape, Shape)
    assert completion.usage.completion_tokens > 0


def test_an_object_is_streamed_in_parts() -> None:
    *_, last = patched(instructor.Mode.JSON_SCHEMA).chat.completions.create_partial(
        model="random", response_model=Shape, **ASK
    )

    assert last.kind in ("circle", "square")


def test_an_object_is_extracted_from_a_picture() -> None:
    parts = [
        {"type": "text", "text": "A shape"},
        {"type": "image_url", "image_url": {"url": data_url("circle.png")}},
    ]
    shape = patched(instructor.Mode.JSON_SCHEMA).chat.completions.create(
        model="pictures", response_model=Shape, **{**ASK, "messages": [{"role": "user", "content": parts}]}
    )

    assert isinstance(shape, Shape)
