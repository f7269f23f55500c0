"""Validate chats with a model that only reads the text of a picture."""

from model_runtime.catalog.model import Model
from model_runtime.errors import InvalidInput
from model_runtime.media.types import ImageData
from model_runtime.requests import Chat


def validate(request: Chat, model: Model) -> None:
    """Check that the chat has one image and asks for text.

    Raises:
        InvalidInput: the chat has no image or several, or it wants JSON or log-probabilities.
    """
    count = sum(isinstance(part, ImageData) for message in request.messages for part in message.content)
    if count != 1:
        raise InvalidInput(
            f"{model.name} reads exactly one image, but the messages have {count}. Send one, or choose a vision model.",
            param="messages",
        )
    if request.json_schema:
        raise InvalidInput(
            f"{model.name} writes down text and cannot answer in JSON. Leave response_format out; each line with its "
            "place is in the answer's field senses.lines.",
            param="response_format",
        )
    if request.top_logprobs is not None:
        raise InvalidInput(
            f"{model.name} has no tokens with log-probabilities. Leave logprobs out; each line has its confidence in the "
            "answer's field senses.lines.",
            param="logprobs",
        )
