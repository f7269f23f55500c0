"""Refuse recordings and languages a recogniser cannot take, before it is loaded."""

import json
import math
from collections.abc import Mapping
from pathlib import Path

from model_runtime.errors import BadMedia, InvalidInput
from model_runtime.languages import LANGUAGES, language_code
from model_runtime.models import Model
from model_runtime.requests import Transcribe

SHORTEST_SECONDS = 0.05
ENGLISH_VOCABULARY = 51_864
"""Whisper's English-only models have this many tokens; multilingual ones have more."""

MAX_TEMPERATURE = 1.0


def check(request: Transcribe, model: Model, folders: Mapping[str, Path]) -> None:
    """Check the clip, the language, the temperature and whether the model can translate.

    Raises:
        InvalidInput: a value cannot be used; the message names what can.
    """
    if request.sound.seconds < SHORTEST_SECONDS:
        raise BadMedia(
            f"The recording lasts {request.sound.seconds * 1000:.0f} ms; at least {SHORTEST_SECONDS * 1000:.0f} ms are needed.",
            param="audio",
            code="too_short",
        )
    if request.temperature is not None and not 0 <= request.temperature <= MAX_TEMPERATURE:
        raise InvalidInput(f"temperature is {request.temperature:g}; it must be from 0 to 1.", param="temperature")
    language = known_language(request.language)
    if is_multilingual(folders["model"]):
        return
    if language not in ("", "en"):
        raise InvalidInput(
            f"{model.name} hears English only, not {LANGUAGES[language]}. Use stt-fast or stt-best.",
            param="language",
            code="unsupported_language",
        )
    if request.translate:
        raise InvalidInput(
            f"{model.name} hears English only and cannot translate. Use stt-best.",
            param="translate",
            code="unsupported",
        )


def known_language(language: str) -> str:
    """Return the code of a language given as code, tag or English name; "" stays "", which means find out.

    Raises:
        InvalidInput: there is no such language.
    """
    code = language_code(language) if language.strip() else ""
    if language.strip() and not code:
        raise InvalidInput(
            f"There is no language {language!r}. Use a code such as en, ko or pt-BR, an English name, or leave it out; "
            f"known are {', '.join(LANGUAGES)}.",
            param="language",
        )
    return code


def is_multilingual(folder: Path) -> bool:
    """Tell from a Whisper model's configuration whether it hears more than English; an unreadable one is left to the load."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        size = float(config.get("n_vocab", config.get("vocab_size", math.inf)))
    except (OSError, ValueError, AttributeError, TypeError):
        return True
    return size > ENGLISH_VOCABULARY
