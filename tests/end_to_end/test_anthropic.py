"""Anthropic's SDK, strict about every field, with nothing changed but the base URL."""

import base64
from pathlib import Path
from typing import Any

import pytest
from anthropic import Anthropic

from tests.end_to_end.conftest import RunningDaemon
from tests.end_to_end.pictures import draw_circle

pytestmark = [pytest.mark.engines, pytest.mark.timeout(180)]


@pytest.fixture
def client(served: RunningDaemon) -> Any:
    """The SDK, validating every answer; `Any`, since its overloads want literals where tests have parameters."""
    return Anthropic(base_url=served.url, api_key="none", max_retries=0, _strict_response_validation=True)


def question(path: Path, text: str) -> list[dict[str, object]]:
    data = base64.b64encode(path.read_bytes()).decode()
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}
    return [{"role": "user", "content": [picture, {"type": "text", "text": text}]}]


@pytest.mark.promise("anthropic:messages")
@pytest.mark.promise("anthropic:count-tokens")
def test_a_picture_is_described_plain_and_streamed_with_the_same_words_and_counted(client: Any, tmp_path: Path) -> None:
    messages = question(draw_circle(tmp_path / "picture.png", "blue"), "Describe this image.")
    wanted = {"model": "claude-sonnet-99", "messages": messages}
    greedy = {"max_tokens": 50, "extra_body": {"temperature": 0}}

    plain = client.messages.create(**wanted, **greedy)
    with client.messages.stream(**wanted, **greedy) as stream:
        pieces = list(stream.text_stream)
        streamed = stream.get_final_message()
    counted = client.messages.count_tokens(**wanted)

    assert "blue circle" in plain.content[0].text.lower()
    assert "".join(pieces) == streamed.content[0].text == plain.content[0].text
    assert len(pieces) > 3
    assert plain.stop_reason == streamed.stop_reason == "end_turn"
    assert plain.senses["starter"] is True
    assert counted.input_tokens == plain.usage.input_tokens + plain.usage.cache_read_input_tokens


@pytest.mark.promise("anthropic:stop-reasons")
def test_the_stop_sequence_that_ends_an_answer_is_told(client: Any, tmp_path: Path) -> None:
    messages = question(draw_circle(tmp_path / "picture.png", "blue"), "Describe this image.")

    answer = client.messages.create(
        model="best",
        max_tokens=50,
        messages=messages,
        stop_sequences=["never", "circle"],
        extra_body={"temperature": 0},
    )

    assert (answer.stop_reason, answer.stop_sequence) == ("stop_sequence", "circle")
    assert "circle" not in answer.content[0].text
