"""Turning the messages of a request into a chat for the runtime."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from model_runtime.errors import InvalidInput
from model_runtime.media.types import Picture
from model_runtime.requests import Message, Task
from openai_compat.api.image_inputs import Attachments
from openai_compat.api.schemas import MessageBody, Part

Role = Literal["system", "user", "assistant", "tool"]
ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}


MOST_PICTURES = 16
"""A decoded picture takes many times the room of its file."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """Messages with their pictures decoded, and what a model must be able to do to take them."""

    messages: tuple[Message, ...]
    task: Task


async def read_conversation(bodies: Sequence[MessageBody], attachments: Attachments, *, param: str) -> Conversation:
    """Decode the messages of a request. Raises `InvalidInput`, naming the part at fault."""
    pictures = sum(part.type == "image_url" for body in bodies for part in body.content)
    if pictures > MOST_PICTURES:
        raise InvalidInput(
            f"{param} hold {pictures} pictures; at most {MOST_PICTURES} can be sent at once.", param=param
        )
    messages = [await _message(body, attachments, f"{param}[{index}]") for index, body in enumerate(bodies)]
    sees = any(isinstance(piece, Picture) for message in messages for piece in message.content)
    return Conversation(tuple(messages), Task.VISION if sees else Task.TEXT)


async def _message(body: MessageBody, attachments: Attachments, param: str) -> Message:
    pieces = [
        await _piece(part, attachments, f"{param}.content[{index}].image_url")
        for index, part in enumerate(body.content)
    ]
    return Message(ROLES[body.role], tuple(piece for piece in pieces if piece != ""))


async def _piece(part: Part, attachments: Attachments, param: str) -> str | Picture:
    if part.type == "image_url":
        return await attachments.picture(part.image_url.url, param=param)
    return part.text or part.refusal
