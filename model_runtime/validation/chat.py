"""What a chat must be before any model is loaded for it. Reads the model's config.json, imports no library."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from model_runtime.catalog.architecture import context_tokens
from model_runtime.catalog.checkpoint_files import read_config
from model_runtime.catalog.model import Model
from model_runtime.errors import InvalidInput
from model_runtime.media.types import Picture
from model_runtime.requests import Chat

MAX_PICTURES = 16
MAX_ASPECT_RATIO = 200
"""The image processors of Qwen refuse anything longer and thinner."""
MAX_STOPS = 4
MAX_STOP_CHARACTERS = 256
BYTES_PER_TOKEN = 16
"""No tokenizer packs ordinary text this densely; the engine counts exactly what passes here."""
ONE_PICTURE_FAMILIES = {
    "llava_next",
    "llava-qwen2",
    "bunny-llama",
    "paligemma",
    "multi_modality",
    "mllama",
    "falcon_ocr",
}
TEXT_ENGINE = "mlx-lm"


def check(request: Chat, model: Model, folders: Mapping[str, Path]) -> None:
    """Refuse a chat that the model cannot answer; `folders` maps the role "model" to its checkpoint.

    Raises:
        InvalidInput: a value is out of range, pictures and model do not go together, or the text is far too long.
        BrokenCheckpoint: the model's config.json cannot be read.
    """
    config = read_config(folders["model"])
    limit = context_tokens(config, int(model.options.get("context_tokens", 0)))
    _check_messages(request)
    _check_characters(request)
    _check_sampling(request)
    _check_stops(request.stop)
    _check_schema(request.json_schema)
    _check_length(request, limit)
    pictures = [part for message in request.messages for part in message.content if isinstance(part, Picture)]
    _check_pictures(pictures, model, config)


def _check_messages(request: Chat) -> None:
    if not request.messages:
        raise InvalidInput("messages is empty. Send at least one message.", param="messages")
    if not any(part for message in request.messages for part in message.content):
        raise InvalidInput("The messages hold neither text nor a picture. Say what you want to know.", param="messages")
    for message in request.messages:
        if message.role != "user" and any(isinstance(part, Picture) for part in message.content):
            raise InvalidInput(
                f"A {message.role} message holds a picture. Send pictures in user messages.", param="messages"
            )


def _check_characters(request: Chat) -> None:
    texts = "".join(part for message in request.messages for part in message.content if isinstance(part, str))
    for param, text in (("messages", texts), ("stop", "".join(request.stop)), ("json_schema", request.json_schema)):
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InvalidInput(
                f"{param} holds half of a character (a lone surrogate). Send whole characters.", param=param
            ) from error


def _check_sampling(request: Chat) -> None:
    if not 0 <= request.temperature <= 2:
        raise InvalidInput(f"temperature is {request.temperature}; it must be from 0 to 2.", param="temperature")
    if not 0 <= request.top_p <= 1:
        raise InvalidInput(f"top_p is {request.top_p}; it must be from 0 to 1.", param="top_p")


def _check_stops(stops: tuple[str, ...]) -> None:
    if len(stops) > MAX_STOPS:
        raise InvalidInput(f"stop holds {len(stops)} strings; at most {MAX_STOPS} are possible.", param="stop")
    if not all(stops):
        raise InvalidInput("stop holds an empty string, which would end every answer at once.", param="stop")
    longest = max(map(len, stops), default=0)
    if longest > MAX_STOP_CHARACTERS:
        raise InvalidInput(
            f"stop holds a string of {longest} characters; at most {MAX_STOP_CHARACTERS} are possible.", param="stop"
        )


def _check_schema(schema: str) -> None:
    if not schema:
        return
    try:
        parsed = json.loads(schema)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"The JSON schema is not JSON: {error}.", param="json_schema") from error
    if not isinstance(parsed, dict):
        raise InvalidInput(
            f"The JSON schema is a {type(parsed).__name__}; it must be an object, such as {{}} for any JSON object.",
            param="json_schema",
        )


def _check_length(request: Chat, limit: int) -> None:
    if not 0 <= request.max_tokens <= limit:
        raise InvalidInput(
            f"max_tokens is {request.max_tokens}; {request.model or 'this model'} takes from 1 to {limit}, "
            "or 0 for what fits.",
            param="max_tokens",
        )
    size = sum(len(part.encode()) for message in request.messages for part in message.content if isinstance(part, str))
    if size > limit * BYTES_PER_TOKEN:
        raise InvalidInput(
            f"The messages hold {size} bytes of text, far more than the {limit} tokens the model can read. Shorten them.",
            param="messages",
            code="context_length_exceeded",
        )


def _check_pictures(pictures: list[Picture], model: Model, config: Mapping[str, Any]) -> None:
    fewest, most = _picture_range(model, config)
    if len(pictures) > most == 0:
        raise InvalidInput(f"{model.name} reads text only. Send pictures to a vision model.", param="messages")
    if not fewest <= len(pictures) <= most:
        wanted = f"exactly {most}" if fewest == most else f"at most {most}"
        noun = "picture" if most == 1 else "pictures"
        raise InvalidInput(
            f"{model.name} looks at {wanted} {noun} at a time, and the messages hold {len(pictures)}. "
            "Send another number, or choose another model.",
            param="messages",
        )
    for picture in pictures:
        _check_shape(picture)


def _check_shape(picture: Picture) -> None:
    longer, shorter = max(picture.width, picture.height), min(picture.width, picture.height)
    if longer > MAX_ASPECT_RATIO * shorter:
        raise InvalidInput(
            f"A picture is {picture.width}x{picture.height}: more than {MAX_ASPECT_RATIO} times longer than wide. Crop it.",
            param="messages",
        )


def _picture_range(model: Model, config: Mapping[str, Any]) -> tuple[int, int]:
    """Fewest and most pictures that a chat with this model may hold."""
    family = str(config.get("model_type", ""))
    if family.startswith("moondream"):
        return 1, 1
    if model.engine == TEXT_ENGINE or not config.get("vision_config"):
        return 0, 0
    return 0, 1 if family in ONE_PICTURE_FAMILIES else MAX_PICTURES
