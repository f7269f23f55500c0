"""Refuse recordings and languages a recogniser cannot take, before it is loaded."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from model_runtime.catalog.languages import LANGUAGES, language_code
from model_runtime.catalog.model import Model
from model_runtime.errors import InvalidInput, InvalidMedia
from model_runtime.requests import Transcribe

MIN_AUDIO_SECONDS = 0.05
ENGLISH_ONLY_VOCAB_SIZE = 51_864
"""Whisper's English-only models have this many tokens; multilingual ones have more."""

MAX_TEMPERATURE = 1.0


def validate(request: Transcribe, model: Model, folders: Mapping[str, Path]) -> None:
    """Check the clip, the language, the temperature and whether the model can translate.

    Raises:
        InvalidInput: a value cannot be used; the message names what can.
    """
    if request.audio.duration_seconds < MIN_AUDIO_SECONDS:
        raise InvalidMedia(
            f"The recording lasts {request.audio.duration_seconds * 1000:.0f} ms; at least {MIN_AUDIO_SECONDS * 1000:.0f} ms are needed.",
            param="audio",
            code="too_short",
        )
    if request.temperature is not None and not 0 <= request.temperature <= MAX_TEMPERATURE:
        raise InvalidInput(f"temperature is {request.temperature:g}; it must be from 0 to 1.", param="temperature")
    language = parse_language(request.language)
    capabilities = read_capabilities(folders["model"])
    if request.translate and not capabilities.translates:
        raise InvalidInput(
            f"{model.name} never learned to translate and would answer in the language it hears. Use stt-best.",
            param="translate",
            code="unsupported",
        )
    if language not in ("", "en") and not capabilities.multilingual:
        raise InvalidInput(
            f"{model.name} hears English only, not {LANGUAGES[language]}. Use stt-fast or stt-best.",
            param="language",
            code="unsupported_language",
        )


def parse_language(language: str) -> str:
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
class WhisperCapabilities:
    """What a recogniser can do besides writing down English."""

    multilingual: bool
    translates: bool


def read_capabilities(folder: Path) -> WhisperCapabilities:
    """Tell from a Whisper model's configuration what it can do; an unreadable one is left to the load.

    Turbo and distilled models have a decoder of a few layers that was trained on transcriptions only:
    https://github.com/openai/whisper#available-models-and-languages
    """
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        vocab_size, encoder_layers, decoder_layers = (
            int(config.get(mlx_key, config.get(hf_key))) for mlx_key, hf_key in _CONFIG_KEYS
        )
    except (OSError, ValueError, AttributeError, TypeError):
        return WhisperCapabilities(multilingual=True, translates=True)
    multilingual = vocab_size > ENGLISH_ONLY_VOCAB_SIZE
    return WhisperCapabilities(multilingual, translates=multilingual and encoder_layers < 8 * decoder_layers)


_CONFIG_KEYS = (("n_vocab", "vocab_size"), ("n_audio_layer", "encoder_layers"), ("n_text_layer", "decoder_layers"))
