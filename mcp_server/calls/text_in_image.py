"""The text in an image, read by ocr-fast beside what another model says about it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from mcp_server.calls.context import AppContext
from mcp_server.calls.jobs import ToolJob
from mcp_server.calls.result_types import ImageLine
from model_runtime.catalog.builtin_models import OCR_MODEL
from model_runtime.errors import Cancelled, SensesError
from model_runtime.events import ChatResult, Finished, TextLine
from model_runtime.media.types import ImageData
from model_runtime.requests import Chat, Message
from model_runtime.service import Service

IncludeText = Literal["auto", "always", "never"]

SMALL_MODEL_BYTES = 5_000_000_000
"""Weights of vision models that describe well and read small text badly are smaller."""
SENTENCE_TASKS = ("describe", "caption", "alt_text")
"""What a starter says of a picture that it cannot know; the text in it is right."""
MAX_LINES = 100
"""Lines beside a description: about 3000 tokens. The task "ocr" has them all."""


@dataclass(frozen=True, slots=True)
class TextInImage:
    """The lines that were read, and what their reader should know."""

    lines: list[ImageLine]
    warnings: tuple[str, ...] = ()


def is_text_wanted(service: Service, include_text: IncludeText, task: str, finished: Finished) -> bool:
    """Return whether the reader, if it is here, reads the text beside the answer of another model.

    "auto" does so where that model reads badly, in each answer of a starter, and for the task "ocr", whose lines no
    vision model can place.
    """
    if include_text == "never" or finished.model == OCR_MODEL.name:
        return False
    reader = service.model_info(OCR_MODEL.name)
    if reader is None or not reader.present:
        return False
    if include_text == "always" or task == "ocr":
        return True
    if finished.starter:
        return task in SENTENCE_TASKS
    answered = service.model_info(finished.model)
    return task == "describe" and answered is not None and answered.weights_bytes < SMALL_MODEL_BYTES


async def read_text(app: AppContext, image: ImageData, job: ToolJob, max_lines: int | None) -> TextInImage:
    """Read the text in an image. A failure is a warning, because the image was described already.

    `max_lines` None means all.

    Raises:
        Cancelled: the job was cancelled.
    """
    try:
        request = Chat(OCR_MODEL.name, (Message("user", (image,)),))
        _, answer = await app.run_request(request, job, ChatResult)
    except Cancelled:
        raise
    except SensesError as error:
        return TextInImage([], (f"The text in the image was not read: {error.message}",))
    kept = to_image_lines(answer.lines[:max_lines])
    cut = f'The first {len(kept)} of {len(answer.lines)} lines of text are here; task="ocr" has them all.'
    return TextInImage(kept, (cut,) if len(kept) < len(answer.lines) else ())


def to_image_lines(lines: Sequence[TextLine]) -> list[ImageLine]:
    """Return lines of the runtime as those of a result."""
    return [ImageLine(**asdict(line)) for line in lines]
