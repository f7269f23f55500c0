"""Completions, responses and embeddings."""

import openai
import pytest

from tests.clients.given import SCRIPTED_ANSWER, data_url
from tests.clients.openai_python.sdk import client, lenient

ORDER = [
    "response.created",
    "response.in_progress",
    "response.output_item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.completed",
]
"""The types of the events of a response, each repeated one once."""


def test_a_text_is_continued() -> None:
    ask = {"model": "scripted", "prompt": "\n\n"}
    plain = client.completions.create(**ask, max_tokens=4)
    chunks = list(lenient.completions.create(**ask, max_tokens=4, stream=True, stream_options={"include_usage": True}))

    assert SCRIPTED_ANSWER.startswith(plain.choices[0].text)
    assert plain.choices[0].finish_reason == "length"
    assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices) == plain.choices[0].text
    assert chunks[-1].usage.completion_tokens == 4


def test_a_text_is_continued_in_several_ways_and_echoed() -> None:
    ask = {"model": "random", "prompt": ["one", "two"], "max_tokens": 3}
    plain = client.completions.create(**ask, n=2, echo=True, stop=["\n"])

    assert [choice.index for choice in plain.choices] == [0, 1, 2, 3]
    assert [choice.text[:3] for choice in plain.choices] == ["one", "one", "two", "two"]


def test_a_response_is_given() -> None:
    response = client.responses.create(
        model="scripted", input="Hello", instructions="Be brief.", metadata={"run": "1"}, store=False
    )

    assert (response.output_text, response.status) == (SCRIPTED_ANSWER, "completed")
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens


def test_a_response_is_streamed_in_the_order_of_its_events() -> None:
    events = list(client.responses.create(model="scripted", input="Hello", stream=True))

    kinds = [event.type for event in events]
    assert list(dict.fromkeys(kinds)) == ORDER
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert "".join(event.delta for event in events if event.type == ORDER[4]) == SCRIPTED_ANSWER
    assert events[-1].response.output_text == SCRIPTED_ANSWER


def test_the_streaming_helper_of_the_sdk_ends_with_the_whole_response() -> None:
    with client.responses.stream(model="scripted", input="Hello") as stream:
        for _event in stream:
            pass
        final = stream.get_final_response()

    assert final.output_text == SCRIPTED_ANSWER


def test_a_limit_leaves_a_response_incomplete() -> None:
    response = client.responses.create(model="scripted", input="Hello", max_output_tokens=3)

    assert response.status == "incomplete"
    assert response.incomplete_details.reason == "max_output_tokens"


def test_a_picture_is_described_in_a_response() -> None:
    parts = [
        {"type": "input_image", "image_url": data_url("circle.png"), "detail": "auto"},
        {"type": "input_text", "text": "Describe this image."},
    ]
    response = client.responses.create(model="gpt-4o", input=[{"role": "user", "content": parts}], temperature=0)

    assert "blue circle" in response.output_text.lower()


def test_what_a_response_cannot_have_is_refused_by_name() -> None:
    for changes in ({"background": True}, {"conversation": "conv_1"}, {"prompt": {"id": "p"}}):
        with pytest.raises(openai.BadRequestError, match=next(iter(changes))):
            client.responses.create(model="scripted", input="Hello", **changes)
