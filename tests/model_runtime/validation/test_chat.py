"""Chats that no model should be loaded for."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from model_runtime.catalog.model import Model
from model_runtime.errors import InvalidInput
from model_runtime.media.types import ImageData
from model_runtime.requests import Chat, Message, Task
from model_runtime.validation.chat import validate

PICTURE = ImageData(4, 2, bytes(24))
QWEN = {"model_type": "qwen2_5_vl", "vision_config": {"depth": 32}, "max_position_embeddings": 4096}
MOONDREAM = {"model_type": "moondream1"}
LLAMA = {"model_type": "llama", "max_position_embeddings": 4096}


def chat(*parts: str | ImageData, **changes: Any) -> Chat:
    """A chat of one user message."""
    return replace(Chat("a-model", (Message("user", parts),)), **changes)


def refuse(request: Chat, config: Mapping[str, Any], folder: Path, engine: str = "mlx-vlm") -> None:
    """Check a chat against a model with this configuration."""
    (folder / "config.json").write_text(json.dumps(config))
    validate(request, Model("a-model", Task.VISION, engine, "for a test"), {"model": folder})


def test_an_ordinary_question_about_pictures_passes(tmp_path: Path) -> None:
    refuse(chat(PICTURE, PICTURE, "What changed?", json_schema="{}", stop=("\n",)), QWEN, tmp_path)
    refuse(chat(PICTURE), MOONDREAM, tmp_path)
    refuse(chat("Say hello."), LLAMA, tmp_path, "mlx-lm")
    refuse(chat("Say hello.", max_tokens=32_000), QWEN, tmp_path)


@pytest.mark.promise("chat:refused-before-loading")
@pytest.mark.parametrize(
    ("request_", "param", "words"),
    [
        (Chat("a-model", ()), "messages", "messages is empty"),
        (chat(), "messages", "neither text nor an image"),
        (chat(""), "messages", "neither text nor an image"),
        (chat("a \ud83d", "b"), "messages", "half of a character"),
        (chat("hi", stop=("\udc00",)), "stop", "half of a character"),
        (chat("hi", max_tokens=-1), "max_tokens", "max_tokens is -1; it must be at least 1"),
        (chat("hi", temperature=2.5), "temperature", "temperature is 2.5"),
        (chat("hi", temperature=float("nan")), "temperature", "from 0 to 2"),
        (chat("hi", top_p=-0.1), "top_p", "top_p is -0.1"),
        (chat("hi", stop=("a",) * 65), "stop", "65 strings"),
        (chat("hi", stop=("",)), "stop", "empty string"),
        (chat("hi", stop=("x" * 300,)), "stop", "300 characters"),
        (chat("hi", json_schema="{"), "json_schema", "not JSON"),
        (chat("hi", json_schema="[]"), "json_schema", "must be an object"),
        (chat(ImageData(1, 201, bytes(603)), "hi"), "messages", "1x201"),
        (chat(*[PICTURE] * 17), "messages", "at most 16 images"),
        (Chat("a-model", (Message("system", (PICTURE,)),)), "messages", "A system message has an image"),
    ],
)
def test_values_out_of_range_are_named_with_the_range(tmp_path: Path, request_: Chat, param: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words) as refused:
        refuse(request_, QWEN, tmp_path)

    assert refused.value.param == param


@pytest.mark.promise("chat:pictures-per-model")
@pytest.mark.parametrize("pictures", [0, 2])
def test_moondream_looks_at_exactly_one_picture(tmp_path: Path, pictures: int) -> None:
    with pytest.raises(InvalidInput, match=f"exactly 1 image at a time, but the messages have {pictures}"):
        refuse(chat(*[PICTURE] * pictures, "What is this?"), MOONDREAM, tmp_path)


@pytest.mark.promise("chat:pictures-per-model")
@pytest.mark.parametrize(("config", "engine"), [(LLAMA, "mlx-vlm"), (QWEN, "mlx-lm")])
def test_a_text_model_is_never_shown_a_picture(tmp_path: Path, config: Mapping[str, Any], engine: str) -> None:
    with pytest.raises(InvalidInput, match="a-model reads text only"):
        refuse(chat(PICTURE, "What is this?"), config, tmp_path, engine)


def test_text_far_beyond_the_context_never_reaches_an_engine(tmp_path: Path) -> None:
    with pytest.raises(
        InvalidInput, match="maximum context length is 4096 tokens. However, your messages have 70000 bytes"
    ) as refused:
        refuse(chat("x" * 70_000), QWEN, tmp_path)

    assert refused.value.code == "context_length_exceeded"


def test_a_picture_ten_times_longer_than_wide_is_fine(tmp_path: Path) -> None:
    refuse(chat(ImageData(10, 100, bytes(3000)), "What is this?"), QWEN, tmp_path)
