"""Chats that the reader of text is not loaded for."""

from dataclasses import replace

import pytest

from model_runtime.catalog.builtin_models import OCR_FOLDER, OCR_MODEL
from model_runtime.errors import InvalidInput
from model_runtime.media.types import ImageData
from model_runtime.requests import Chat, Message
from model_runtime.validation import validate

PICTURE = ImageData(4, 2, bytes(24))


def refuse(request: Chat) -> None:
    validate(request, OCR_MODEL, {"model": OCR_FOLDER})


@pytest.mark.promise("runtime:checked-first")
@pytest.mark.parametrize(("parts", "count"), [(("Read it.",), 0), ((PICTURE, PICTURE), 2)])
def test_the_reader_takes_exactly_one_picture(parts: tuple[str | ImageData, ...], count: int) -> None:
    with pytest.raises(InvalidInput, match=f"ocr-fast reads exactly one image, but the messages have {count}"):
        refuse(Chat("ocr-fast", (Message("user", parts),)))


def test_the_reader_says_where_its_lines_are_when_json_is_wanted() -> None:
    request = Chat("ocr-fast", (Message("user", (PICTURE,)),))

    refuse(request)
    with pytest.raises(InvalidInput, match=r"cannot answer in JSON.*senses\.lines"):
        refuse(replace(request, json_schema="{}"))
