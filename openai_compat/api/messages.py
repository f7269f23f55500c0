"""Converts the messages of a request to the runtime's messages."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from model_runtime.errors import InvalidInput
from model_runtime.media.types import ImageData
from model_runtime.requests import Message, Task
from openai_compat.api.audio_inputs import AudioInputs
from openai_compat.api.chat_body import ContentPart, MessageBody
from openai_compat.api.image_inputs import ImageInputs
from openai_compat.api.schemas import MAX_PARTS
from openai_compat.api.tools import join_tool_calls, to_tool_call

Role = Literal["system", "user", "assistant", "tool"]
ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}
MAX_MEDIA = 16
"""Images, or recordings, of one request. A decoded one takes many times the memory of its file."""
MEDIA_NOUNS = {"image_url": "images", "input_audio": "recordings"}


@dataclass(frozen=True, slots=True)
class Conversation:
    """Messages with decoded images, the task that a model must support to answer them, and what the answer must tell."""

    messages: tuple[Message, ...]
    task: Task
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MediaInputs:
    """What turns the parts of a message into content."""

    images: ImageInputs
    audio: AudioInputs


def task_of_bodies(message_bodies: Sequence[MessageBody]) -> Task:
    """Return the task that a model must support to answer messages that are not read yet."""
    has_images = any(part.type == "image_url" for body in message_bodies for part in body.content)
    return Task.VISION if has_images else Task.TEXT


async def read_conversation(message_bodies: Sequence[MessageBody], inputs: MediaInputs, *, param: str) -> Conversation:
    """Convert the messages of a request with their tool calls, load their images and transcribe their recordings.

    Errors name the part that is invalid.

    Raises:
        InvalidInput: more than 16 images or recordings or 4096 parts, or a URL is invalid, not allowed or not fetched.
        InvalidMedia: an image or a recording cannot be decoded.
        SensesError: a recording cannot be transcribed.
    """
    _check_counts(message_bodies, param)
    warnings: list[str] = []
    messages = [
        await _to_message(body, inputs, f"{param}[{index}]", warnings) for index, body in enumerate(message_bodies)
    ]
    has_images = any(isinstance(content, ImageData) for message in messages for content in message.content)
    return Conversation(join_tool_calls(messages), Task.VISION if has_images else Task.TEXT, tuple(warnings))


def _check_counts(message_bodies: Sequence[MessageBody], param: str) -> None:
    parts = [part.type for body in message_bodies for part in body.content]
    limits = [("parts", len(parts), MAX_PARTS)]
    limits += [(noun, parts.count(kind), MAX_MEDIA) for kind, noun in MEDIA_NOUNS.items()]
    for noun, count, limit in limits:
        if count > limit:
            raise InvalidInput(
                f"{param} has {count} {noun}; the limit is {limit} per request. Send fewer.", param=param
            )


async def _to_message(body: MessageBody, inputs: MediaInputs, param: str, warnings: list[str]) -> Message:
    parts = [
        await _to_content(part, inputs, f"{param}.content[{index}].{part.type}", warnings)
        for index, part in enumerate(body.content)
    ]
    content = tuple(part for part in parts if part != "")
    return Message(ROLES[body.role], content, tuple(map(to_tool_call, body.tool_calls)), body.tool_call_id)


async def _to_content(part: ContentPart, inputs: MediaInputs, param: str, warnings: list[str]) -> str | ImageData:
    if part.type == "image_url":
        return await inputs.images.load(part.image_url.url, param=param)
    if part.type == "input_audio":
        transcribed = await inputs.audio.transcribe(part.input_audio.data, param=param)
        warnings.append(transcribed.warning)
        return transcribed.text
    return part.text or part.refusal
