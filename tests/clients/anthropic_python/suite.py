"""Anthropic's SDK for Python, strict, on the same models."""

import base64
from typing import Any

import anthropic
import pytest

from tests.clients.given import KEY, MEDIA, SCRIPTED_ANSWER, URL

client: Any = anthropic.Anthropic(base_url=URL, api_key=KEY, max_retries=0, _strict_response_validation=True)
"""`Any`, since its overloads want literals where checks have parameters."""
HELLO = [{"role": "user", "content": "Hello"}]
WEATHER = {
    "name": "weather",
    "description": "The weather of a city",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"enum": ["Oslo", "Rome"]}},
        "required": ["city"],
        "additionalProperties": False,
    },
}


def test_a_message_is_answered() -> None:
    answer = client.messages.create(model="scripted", max_tokens=200, system="Be brief.", messages=HELLO)

    assert answer.content[0].text == SCRIPTED_ANSWER
    assert answer.stop_reason == "end_turn"
    assert answer.usage.output_tokens > 0


def test_a_message_is_streamed() -> None:
    with client.messages.stream(model="scripted", max_tokens=200, messages=HELLO) as stream:
        text = "".join(stream.text_stream)

    assert text == stream.get_final_message().content[0].text == SCRIPTED_ANSWER


def test_a_picture_is_described() -> None:
    data = base64.b64encode((MEDIA / "circle.png").read_bytes()).decode()
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}
    content = [picture, {"type": "text", "text": "Describe this image."}]
    answer = client.messages.create(
        model="vlm-starter",
        max_tokens=60,
        messages=[{"role": "user", "content": content}],
        extra_body={"temperature": 0},
    )

    assert "blue circle" in answer.content[0].text.lower()


def test_a_tool_is_called_and_its_result_is_read() -> None:
    ask = {"model": "agent", "max_tokens": 200, "tools": [WEATHER]}
    called = client.messages.create(**ask, messages=HELLO, tool_choice={"type": "tool", "name": "weather"})
    (call,) = [block for block in called.content if block.type == "tool_use"]
    told = {"type": "tool_result", "tool_use_id": call.id, "content": "Sunny"}
    messages = [*HELLO, {"role": "assistant", "content": called.content}, {"role": "user", "content": [told]}]

    answer = client.messages.create(**ask, messages=messages)

    assert called.stop_reason == "tool_use"
    assert call.input["city"] in ("Oslo", "Rome")
    assert answer.content[0].text == SCRIPTED_ANSWER


def test_tokens_are_counted_as_they_are_used() -> None:
    counted = client.messages.count_tokens(model="scripted", messages=HELLO)
    usage = client.messages.create(model="scripted", max_tokens=1, messages=HELLO).usage

    assert counted.input_tokens == usage.input_tokens + usage.cache_read_input_tokens


def test_errors_are_the_exceptions_of_the_sdk() -> None:
    with pytest.raises(anthropic.NotFoundError, match="vlm-worst"):
        client.messages.create(model="vlm-worst", max_tokens=1, messages=HELLO)
    with pytest.raises(anthropic.AuthenticationError):
        anthropic.Anthropic(base_url=URL, api_key="wrong", max_retries=0).models.list()
