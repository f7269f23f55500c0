"""Validate requests for transcription."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from model_runtime.catalog.checkpoint_files import read_config_or_empty
from model_runtime.catalog.foreign_files import count_at
from model_runtime.catalog.languages import LANGUAGES, parse_language
from model_runtime.catalog.model import Model
from model_runtime.errors import InvalidInput, InvalidMedia
from model_runtime.requests import Transcribe

MIN_AUDIO_SECONDS = 0.05
ENGLISH_ONLY_VOCAB_SIZE = 51_864
"""Vocabulary of Whisper's English-only models, in tokens; multilingual models have more."""
MAX_TEMPERATURE = 1.0
_CONFIG_KEYS = (("n_vocab", "vocab_size"), ("n_audio_layer", "encoder_layers"), ("n_text_layer", "decoder_layers"))
"""Keys in config.json of OpenAI's format and of Hugging Face's."""


def validate(request: Transcribe, model: Model, folders: Mapping[str, Path]) -> None:
    """Check the length of the recording, the temperature, the language and whether the model can translate.

    Raises:
        InvalidMedia: the recording is too short.
        InvalidInput: a value cannot be used; the message says which values can.
    """
    if request.audio.duration_seconds < MIN_AUDIO_SECONDS:
        duration_ms, minimum_ms = request.audio.duration_seconds * 1000, MIN_AUDIO_SECONDS * 1000
        reason = f"The recording has {duration_ms:.0f} ms; at least {minimum_ms:.0f} ms are needed."
        raise InvalidMedia(reason, param="audio", code="too_short")
    if request.temperature is not None and not 0 <= request.temperature <= MAX_TEMPERATURE:
        raise InvalidInput(f"temperature is {request.temperature:g}; it must be from 0 to 1.", param="temperature")
    language = parse_language(request.language)
    capabilities = read_capabilities(folders["model"])
    if request.translate and not capabilities.translates:
        raise InvalidInput(
            f"{model.name} cannot translate; it would answer in the language of the recording. Use stt-best.",
            param="translate",
            code="unsupported",
        )
    if language not in ("", "en") and not capabilities.multilingual:
        raise InvalidInput(
            f"{model.name} only supports English, not {LANGUAGES[language]}. Use stt-fast or stt-best.",
            param="language",
            code="unsupported_language",
        )


@dataclass(frozen=True, slots=True)
class WhisperCapabilities:
    """What a Whisper model can do besides transcribing English."""

    multilingual: bool
    translates: bool


def read_capabilities(folder: Path) -> WhisperCapabilities:
    """Return what the Whisper model in `folder` can do; everything if its config.json cannot be read.

    Turbo and distilled models have a decoder of a few layers that was trained on transcription only:
    https://github.com/openai/whisper#available-models-and-languages
    """
    config = read_config_or_empty(folder)
    counts = [count_at(config, openai_key) or count_at(config, hf_key) for openai_key, hf_key in _CONFIG_KEYS]
    if not all(counts):  # loading the model reports the error
        return WhisperCapabilities(multilingual=True, translates=True)
    vocab_size, encoder_layers, decoder_layers = counts
    multilingual = vocab_size > ENGLISH_ONLY_VOCAB_SIZE
    return WhisperCapabilities(multilingual, translates=multilingual and encoder_layers < 8 * decoder_layers)
