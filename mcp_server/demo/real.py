"""`senses demo --real`: everyday sentences, spoken and heard by real models, rendered as a page and read from it."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from mcp_server.demo.trip import Sense
from model_runtime.catalog.builtin_models import OCR_MODEL
from model_runtime.errors import SensesError
from model_runtime.requests import Task

EVERYDAY_SENTENCES = (
    "Good morning, did you sleep well?",
    "Could you tell me where the nearest station is?",
    "Close the window, please, because it is getting cold.",
    "We will meet again next Monday at the same place.",
    "The new version is faster, smaller and easier to install.",
)
REAL_FALLBACKS = ("auto", "auto", "", OCR_MODEL.name)
"""The model of each sense, in the order of `Sense`. No model draws: the words that were heard are rendered."""
NEEDED = {Sense.SAID: Task.SPEECH, Sense.HEARD: Task.TRANSCRIPTION}
PAGE_WIDTH_PX, MARGIN_PX, FONT_PX, LINE_CHARACTERS = 640, 40, 28, 36


class RealModelMissing(SensesError):
    """No real model is there for a sense; the message has the command that gets one."""

    code = "model_not_downloaded"


def require_real_models(models: Sequence[Mapping[str, Any]], chosen: Mapping[Sense, str]) -> None:
    """Check that a real model answers where `chosen` names none; `models` are those of the tool `media_status`.

    Raises:
        RealModelMissing: only a starter is there, or the default model is not downloaded.
    """
    for sense, task in NEEDED.items():
        default = next((model for model in models if model["task"] == task and model.get("default")), {})
        if chosen.get(sense, "auto") != "auto" or (default.get("downloaded") and not default.get("starter")):
            continue
        command = default.get("get_it") or "make models"
        start_again = "" if "get_it" in default else ", and start `make serve` again"
        raise RealModelMissing(
            f"There is no real model for {task} here, and --real uses no starter. Get one: {command}{start_again}. "
            "Without --real the starters run the demo."
        )


def render_text(path: Path, text: str) -> None:
    """Write a picture of black words on a white page."""
    lines = textwrap.wrap(text, LINE_CHARACTERS)
    page = Image.new("RGB", (PAGE_WIDTH_PX, 2 * MARGIN_PX + 2 * FONT_PX * len(lines)), "white")
    font, draw = ImageFont.load_default(FONT_PX), ImageDraw.Draw(page)
    for row, line in enumerate(lines):
        draw.text((MARGIN_PX, MARGIN_PX + 2 * FONT_PX * row), line, fill="black", font=font)
    page.save(path)
