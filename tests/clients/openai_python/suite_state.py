"""Responses that are kept: continued, retrieved, deleted."""

import openai
import pytest

from tests.clients.given import SCRIPTED_ANSWER
from tests.clients.openai_python.sdk import client


def test_a_response_goes_on_from_an_earlier_one() -> None:
    first = client.responses.create(model="scripted", input="My name is Ada.")
    second = client.responses.create(model="scripted", input="And mine?", previous_response_id=first.id)

    assert second.output_text == SCRIPTED_ANSWER
    assert second.previous_response_id == first.id
    assert second.usage.input_tokens > first.usage.input_tokens + 5


def test_a_response_is_retrieved_and_deleted() -> None:
    made = client.responses.create(model="scripted", input="Hello")

    assert client.responses.retrieve(made.id).output_text == SCRIPTED_ANSWER
    assert [item.role for item in client.responses.input_items.list(made.id)] == ["user"]
    client.responses.delete(made.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)


def test_a_response_that_is_not_stored_cannot_be_continued() -> None:
    made = client.responses.create(model="scripted", input="Hello", store=False)

    with pytest.raises(openai.APIStatusError) as refusal:
        client.responses.create(model="scripted", input="And?", previous_response_id=made.id)
    assert refusal.value.code == "previous_response_not_found"


def test_a_reasoning_item_in_the_history_does_no_harm() -> None:
    history = [
        {"role": "user", "content": "Hello"},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm."}]},
        {"role": "assistant", "content": "Hi."},
        {"role": "user", "content": "Again"},
    ]

    assert client.responses.create(model="scripted", input=history).output_text == SCRIPTED_ANSWER
