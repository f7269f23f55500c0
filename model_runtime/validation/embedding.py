"""Validate requests for embeddings. The engine counts tokens and knows how many dimensions the model has."""

from model_runtime.errors import InvalidInput
from model_runtime.requests import Embed

MAX_TEXTS = 2048
"""As with OpenAI's models."""
MAX_CHARACTERS = 2_000_000
"""Of all texts together: more than OpenAI's 300 000 tokens."""


def validate(request: Embed) -> None:
    """Check the number and the length of the texts, and the number of dimensions.

    Raises:
        InvalidInput: a value cannot be used; the message says which values can.
    """
    if not 1 <= len(request.texts) <= MAX_TEXTS:
        raise InvalidInput(f"{len(request.texts)} texts were sent. Send 1 to {MAX_TEXTS}.", param="texts")
    for number, text in enumerate(request.texts):
        _check_text(number, text)
    if (characters := sum(map(len, request.texts))) > MAX_CHARACTERS:
        raise InvalidInput(
            f"The texts have {characters} characters; at most {MAX_CHARACTERS} are accepted at once. Send fewer texts.",
            param="texts",
        )
    if request.dimensions < 0:
        raise InvalidInput(f"dimensions is {request.dimensions}; it must be at least 1.", param="dimensions")


def _check_text(number: int, text: str) -> None:
    if not text:
        raise InvalidInput(f"Text {number} is empty. Leave it out.", param="texts", code="empty_text")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        reason = f"Text {number} has half of a character (a lone surrogate). Send whole characters."
        raise InvalidInput(reason, param="texts") from error
