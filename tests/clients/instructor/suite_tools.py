"""Instructor by tool calls, which are its default."""

from typing import Any, Literal

import instructor
from openai import OpenAI
from pydantic import BaseModel

from tests.clients.given import BASE_URL, KEY

ASK: Any = {"messages": [{"role": "user", "content": "A shape"}], "max_tokens": 300, "max_retries": 0}


class Shape(BaseModel):
    """A shape."""

    kind: Literal["circle", "square"]
    filled: bool


def patched(mode: instructor.Mode) -> Any:
    """Return OpenAI's client as Instructor wraps it."""
    return instructor.from_openai(OpenAI(base_url=BASE_URL, api_key=KEY, max_retries=0), mode=mode)


def test_an_object_is_extracted_by_a_call() -> None:
    shape = patched(instructor.Mode.TOOLS).chat.completions.create(model="agent", response_model=Shape, **ASK)

    assert isinstance(shape, Shape)


def test_an_object_is_streamed_in_parts_of_a_call() -> None:
    *_, last = patched(instructor.Mode.TOOLS).chat.completions.create_partial(
        model="agent", response_model=Shape, **ASK
    )

    assert last.kind in ("circle", "square")
