"""Validate chats. Reads the model's config.json and imports no library."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from model_runtime.catalog.checkpoint_files import read_config
from model_runtime.catalog.foreign_files import object_at, string_at
from model_runtime.catalog.model import Model
from model_runtime.catalog.transformer_dims import read_dims
from model_runtime.errors import ContextExceeded, InvalidInput
from model_runtime.media.types import ImageData
from model_runtime.requests import Chat

MAX_IMAGES = 16
MAX_ASPECT_RATIO = 200
"""Longer side over shorter side. Source: `smart_resize` of Qwen's image processors in transformers."""
MAX_STOP_STRINGS = 64
"""OpenAI takes 4. To other servers Continue sends all marks of a gap, of chat templates and of its languages."""
MAX_STOP_CHARACTERS = 256
MAX_BYTES_PER_TOKEN = 16
"""Upper bound of ordinary text in UTF-8. The engine counts the tokens of a request exactly."""
SINGLE_IMAGE_MODEL_TYPES = {
    "llava_next",
    "llava-qwen2",
    "bunny-llama",
    "paligemma",
    "multi_modality",
    "mllama",
    "falcon_ocr",
}
TEXT_ENGINE = "mlx-lm"


def validate(request: Chat, model: Model, folders: Mapping[str, Path]) -> None:
    """Check the messages, images and sampling parameters. `folders` maps the role "model" to the checkpoint.

    Raises:
        InvalidInput: a value is out of range, the model does not accept the images, or a value cannot be used.
        ContextExceeded: the text is far too long.
        InvalidCheckpoint: the model's config.json cannot be read.
    """
    config = read_config(folders["model"])
    parts = [part for message in request.messages for part in message.content]
    images = [part for part in parts if isinstance(part, ImageData)]
    _check_messages(request, has_content=bool(images or request.raw_text))
    text = request.raw_text + request.tool_text
    _check_encoding({"messages": text, "stop": "".join(request.stop), "json_schema": request.json_schema})
    _check_sampling(request)
    _check_stop_strings(request.stop)
    _check_schema(request.json_schema)
    _check_length(request, text, request.context_tokens or _context_limit(model, folders))
    _check_images(images, model, config)


def _check_messages(request: Chat, *, has_content: bool) -> None:
    if not request.messages:
        raise InvalidInput("messages is empty. Send at least one message.", param="messages")
    if not has_content:
        raise InvalidInput("The messages have neither text nor an image. Add a question.", param="messages")
    for message in request.messages:
        if message.role != "user" and any(isinstance(part, ImageData) for part in message.content):
            reason = f"A {message.role} message has an image. Send images in user messages."
            raise InvalidInput(reason, param="messages")


def _check_encoding(texts: Mapping[str, str]) -> None:
    for param, text in texts.items():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            reason = f"{param} has half of a character (a lone surrogate). Send whole characters."
            raise InvalidInput(reason, param=param) from error


def _check_sampling(request: Chat) -> None:
    if not 0 <= request.temperature <= 2:
        raise InvalidInput(f"temperature is {request.temperature}; it must be from 0 to 2.", param="temperature")
    if not 0 <= request.top_p <= 1:
        raise InvalidInput(f"top_p is {request.top_p}; it must be from 0 to 1.", param="top_p")


def _check_stop_strings(stops: tuple[str, ...]) -> None:
    if len(stops) > MAX_STOP_STRINGS:
        raise InvalidInput(f"stop has {len(stops)} strings; at most {MAX_STOP_STRINGS} are accepted.", param="stop")
    if not all(stops):
        raise InvalidInput("stop has an empty string, which would end every answer at once. Remove it.", param="stop")
    longest = max(map(len, stops), default=0)
    if longest > MAX_STOP_CHARACTERS:
        reason = f"stop has a string of {longest} characters; at most {MAX_STOP_CHARACTERS} are accepted."
        raise InvalidInput(reason, param="stop")


def _check_schema(schema: str) -> None:
    if not schema:
        return
    try:
        parsed = json.loads(schema)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"The JSON schema is not JSON: {error}. Correct it.", param="json_schema") from error
    if not isinstance(parsed, dict):
        reason = f"The JSON schema is a {type(parsed).__name__}; it must be an object. {{}} accepts any JSON object."
        raise InvalidInput(reason, param="json_schema")


def _check_length(request: Chat, text: str, context_limit: int) -> None:
    if request.max_tokens < 0:
        reason = f"max_tokens is {request.max_tokens}; it must be at least 1, or 0 for as many as fit."
        raise InvalidInput(reason, param="max_tokens")
    text_bytes = len(text.encode())
    if text_bytes > context_limit * MAX_BYTES_PER_TOKEN:
        raise ContextExceeded(context_limit, f"have {text_bytes} bytes of text, far more than that")


def _context_limit(model: Model, folders: Mapping[str, Path]) -> int:
    return read_dims(folders["model"]).served_tokens(int(model.options.get("context_tokens", 0)))


def _check_images(images: list[ImageData], model: Model, config: Mapping[str, Any]) -> None:
    minimum, maximum = _allowed_image_count(model, config)
    if len(images) > maximum == 0:
        raise InvalidInput(f"{model.name} reads text only. Send images to a vision model.", param="messages")
    if not minimum <= len(images) <= maximum:
        allowed = f"exactly {maximum}" if minimum == maximum else f"at most {maximum}"
        noun = "image" if maximum == 1 else "images"
        raise InvalidInput(
            f"{model.name} accepts {allowed} {noun} at a time, but the messages have {len(images)}. "
            "Send another number, or choose another model.",
            param="messages",
        )
    for image in images:
        _check_aspect_ratio(image)


def _check_aspect_ratio(image: ImageData) -> None:
    longer, shorter = max(image.width, image.height), min(image.width, image.height)
    if longer > MAX_ASPECT_RATIO * shorter:
        size = f"{image.width}x{image.height} pixels"
        reason = f"An image has {size}: its longer side is more than {MAX_ASPECT_RATIO} times its shorter. Crop it."
        raise InvalidInput(reason, param="messages")


def _allowed_image_count(model: Model, config: Mapping[str, Any]) -> tuple[int, int]:
    """Return the fewest and the most images of a chat with this model."""
    model_type = string_at(config, "model_type")
    if model_type.startswith("moondream"):
        return 1, 1
    if model.engine == TEXT_ENGINE or not object_at(config, "vision_config"):
        return 0, 0
    return 0, 1 if model_type in SINGLE_IMAGE_MODEL_TYPES else MAX_IMAGES
