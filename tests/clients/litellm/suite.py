"""LiteLLM as a library: every endpoint by its prefix `openai/`."""

import base64
import os
from typing import Any, Literal

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else its import asks the network

import litellm
import pytest
from pydantic import BaseModel

from tests.clients.given import BASE_URL, KEY, RECORDING, SCRIPTED_ANSWER, SPOKEN, data_url

litellm.telemetry = False
GATEWAY: Any = {"api_base": BASE_URL, "api_key": KEY, "num_retries": 0, "max_retries": 0}
HELLO = [{"role": "user", "content": "Hello"}]


class Shape(BaseModel):
    """A shape."""

    kind: Literal["circle", "square"]
    filled: bool


def test_a_chat_is_answered() -> None:
    answer: Any = litellm.completion(model="openai/scripted", messages=HELLO, **GATEWAY)

    assert answer.choices[0].message.content == SCRIPTED_ANSWER
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.completion_tokens > 0


def test_a_chat_is_streamed() -> None:
    chunks: list[Any] = list(
        litellm.completion(
            model="openai/scripted", messages=HELLO, stream=True, stream_options={"include_usage": True}, **GATEWAY
        )
    )

    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == SCRIPTED_ANSWER
    assert litellm.stream_chunk_builder(chunks).usage.completion_tokens > 0


def test_a_picture_is_described() -> None:
    parts = [
        {"type": "text", "text": "Describe this image."},
        {"type": "image_url", "image_url": {"url": data_url("circle.png")}},
    ]
    answer: Any = litellm.completion(
        model="openai/gpt-4o", messages=[{"role": "user", "content": parts}], temperature=0, **GATEWAY
    )

    assert "blue circle" in answer.choices[0].message.content.lower()


def test_an_answer_matches_its_schema() -> None:
    answer: Any = litellm.completion(
        model="openai/random", messages=HELLO, response_format=Shape, max_tokens=200, **GATEWAY
    )

    assert Shape.model_validate_json(answer.choices[0].message.content).kind in ("circle", "square")


def test_a_response_is_given_and_streamed() -> None:
    response: Any = litellm.responses(model="openai/scripted", input="Hello", **GATEWAY)
    events: list[Any] = list(litellm.responses(model="openai/scripted", input="Hello", stream=True, **GATEWAY))

    assert response.output[0].content[0].text == SCRIPTED_ANSWER
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == SCRIPTED_ANSWER


def test_a_text_is_continued() -> None:
    answer: Any = litellm.text_completion(
        model="text-completion-openai/scripted", prompt="\n\n", max_tokens=4, **GATEWAY
    )

    assert SCRIPTED_ANSWER.startswith(answer.choices[0].text)


def test_a_picture_is_drawn() -> None:
    drawn: Any = litellm.image_generation(model="openai/dall-e-3", prompt="a red circle", size="64x64", **GATEWAY)

    assert base64.b64decode(drawn.data[0].b64_json).startswith(b"\x89PNG")


@pytest.mark.parametrize("kind", ["json", "verbose_json"])
def test_a_recording_is_written_down(kind: Any) -> None:
    with RECORDING.open("rb") as file:
        heard: Any = litellm.transcription(model="openai/whisper-1", file=file, response_format=kind, **GATEWAY)

    assert heard.text == SPOKEN


def test_a_text_is_spoken() -> None:
    spoken: Any = litellm.speech(model="openai/tts-1", voice="alloy", input="a red circle", **GATEWAY)

    assert spoken.content.startswith((b"ID3", b"\xff"))


@pytest.mark.parametrize(
    ("model", "content", "kind"),
    [
        ("vlm-worst", "Hello", litellm.NotFoundError),
        ("whisper-1", "Hello", litellm.BadRequestError),
        ("scripted", "word " * 20_000, litellm.ContextWindowExceededError),
    ],
)
def test_errors_are_those_that_agents_handle(model: str, content: str, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        litellm.completion(model=f"openai/{model}", messages=[{"role": "user", "content": content}], **GATEWAY)
