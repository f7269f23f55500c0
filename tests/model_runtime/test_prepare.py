"""Which requests are prepared on the event loop."""

import pytest

from model_runtime.media.types import ImageData
from model_runtime.prepare import INLINE_CHARACTERS, is_short_chat
from model_runtime.requests import Chat, Message, Request, Speak

PICTURE = ImageData(1, 1, b"abc")


def of_length(characters: int, json_schema: str = "") -> Chat:
    """Return a chat with so many characters in two messages, and a picture."""
    half = characters // 2
    messages = Message("user", ("a" * half, PICTURE)), Message("user", ("a" * (characters - half),))
    return Chat("m", messages, json_schema=json_schema)


@pytest.mark.parametrize(
    ("request_", "is_short"),
    [
        (of_length(INLINE_CHARACTERS), True),
        (of_length(INLINE_CHARACTERS + 1), False),
        (of_length(INLINE_CHARACTERS - 2, "{}"), True),
        (of_length(INLINE_CHARACTERS - 1, "{}"), False),
        (Speak("m", "a"), False),
    ],
    ids=range(5),
)
def test_a_short_chat_needs_no_thread(request_: Request, is_short: bool) -> None:
    assert is_short_chat(request_) is is_short
