"""Converts the messages of a request to the runtime's messages."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from model_runtime.errors import InvalidInput
from model_runtime.media.types import ImageData
from model_runtime.requests import Message, Task
from openai_compat.api.chat_body import ContentPart, MessageBody
from openai_compat.api.image_inputs import ImageInputs
from openai_compat.api.schemas import MAX_PARTS

Role = Literal["system", "user", "assistant", "tool"]
ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}
MAX_IMAGES = 16
"""A decoded image takes many times the memory of its file."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """Messages with decoded images, and the task that a model must support to answer them."""

    messages: tuple[Message, ...]
    task: Task


async def read_conversation(
    message_bodies: Sequence[MessageBody], image_inputs: ImageInputs, *, param: str
) -> Conversation:
    """Convert the messages of a request and load their images. Errors name the part that is invalid.

    Raises:
        InvalidInput: more than 16 images or 4096 parts, or an image's URL is invalid, not allowed or cannot be fetched.
        InvalidMedia: an image cannot be decoded.
    """
    part_count = sum(len(body.content) for body in message_bodies)
    if part_count > MAX_PARTS:
        raise InvalidInput(
            f"{param} has {part_count} parts; the limit is {MAX_PARTS} per request. Send fewer.", param=param
        )
    image_count = sum(part.type == "image_url" for body in message_bodies for part in body.content)
    if image_count > MAX_IMAGES:
        raise InvalidInput(
            f"{param} has {image_count} images; the limit is {MAX_IMAGES} per request. Send fewer.", param=param
        )
    messages = [await _to_message(body, image_inputs, f"{param}[{index}]") for index, body in enumerate(message_bodies)]
    has_images = any(isinstance(content, ImageData) for message in messages for content in message.content)
    return Conversation(tuple(messages), Task.VISION if has_images else Task.TEXT)


async def _to_message(body: MessageBody, image_inputs: ImageInputs, param: str) -> Message:
    parts = [
        await _to_content(part, image_inputs, f"{param}.content[{index}].image_url")
        for index, part in enumerate(body.content)
    ]
    return Message(ROLES[body.role], tuple(part for part in parts if part != ""))


async def _to_content(part: ContentPart, image_inputs: ImageInputs, param: str) -> str | ImageData:
    if part.type == "image_url":
        return await image_inputs.load(part.image_url.url, param=param)
    return part.text or part.refusal
