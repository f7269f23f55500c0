"""Refuse recordings and languages a recogniser cannot take, before it is loaded."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from model_runtime.catalog.languages import LANGUAGES, language_code
from model_runtime.catalog.model import Model
from model_runtime.errors import BadMedia, InvalidInput
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
    hearing = read_hearing(folders["model"])
    if request.translate and not hearing.translates:
        raise InvalidInput(
            f"{model.name} never learned to translate and would answer in the language it hears. Use stt-best.",
            param="translate",
            code="unsupported",
        )
    if language not in ("", "en") and not hearing.multilingual:
        raise InvalidInput(
            f"{model.name} hears English only, not {LANGUAGES[language]}. Use stt-fast or stt-best.",
            param="language",
            code="unsupported_language",
        )


def known_language(language: str) -> str:
    """Return the code of a language given as code, tag or English name; "" for "" and "auto", which mean find out.

    Raises:
        InvalidInput: there is no such language.
    """
    if language.strip().lower() in ("", "auto"):
        return ""
    code = language_code(language)
    if not code:
        raise InvalidInput(
            f"There is no language {language!r}. Use a code such as en, ko or pt-BR, an English name, or leave it out; "
            f"known are {', '.join(LANGUAGES)}.",
            param="language",
        )
    return code


@dataclass(frozen=True, slots=True)
class Hearing:
    """What a recogniser can do besides writing down English."""

    multilingual: bool
    translates: bool


def read_hearing(folder: Path) -> Hearing:
    """Tell from a Whisper model's configuration what it can do; an unreadable one is left to the load.

    Turbo and distilled models have a decoder of a few layers that was trained on transcriptions only:
    https://github.com/openai/whisper#available-models-and-languages
    """
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        words, ears, mouth = (int(config.get(ours, config.get(theirs))) for ours, theirs in _SIZES)
    except (OSError, ValueError, AttributeError, TypeError):
        return Hearing(multilingual=True, translates=True)
    multilingual = words > ENGLISH_VOCABULARY
    return Hearing(multilingual, translates=multilingual and ears < 8 * mouth)


_SIZES = (("n_vocab", "vocab_size"), ("n_audio_layer", "encoder_layers"), ("n_text_layer", "decoder_layers"))
