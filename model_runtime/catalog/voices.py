"""Which voices and languages a speech model has, and which of them a request means. Reads small files, never weights."""

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from model_runtime.catalog.languages import guess_language, is_written_in, language_code, language_name, main_script
from model_runtime.catalog.model import Model
from model_runtime.errors import InvalidInput

KOKORO_LANGUAGES: Mapping[str, str] = {"a": "en", "b": "en", "e": "es", "f": "fr", "h": "hi", "i": "it", "p": "pt"}
"""First letter of a Kokoro voice → its language. Its Japanese and Chinese need text front ends Senses does not carry."""

MARVIS_LANGUAGES = ("en", "fr", "de")

ANY_SCRIPT_FAMILIES = {"qwen3_tts"}
"""Kinds that read foreign names and words in their own letters."""

DEFAULT_VOICES: Mapping[str, tuple[str, ...]] = {
    "": ("af_heart", "alma", "conversational_a", "ryan"),
    "en": ("af_heart", "alma", "conversational_a", "ryan"),
    "es": ("ef_dora",),
    "fr": ("ff_siwis",),
    "hi": ("hf_alpha",),
    "it": ("if_sara",),
    "pt": ("pf_dora",),
    "ko": ("sohee",),
    "ja": ("ono_anna",),
    "zh": ("vivian",),
}
"""Language → voices to take where none was asked for, the first one that the model has."""

OPENAI_VOICES: Mapping[str, tuple[str, ...]] = {
    "alloy": ("af_alloy", "alma", "serena"),
    "ash": ("am_eric", "otto", "eric"),
    "ballad": ("bm_george", "otto", "dylan"),
    "cedar": ("am_michael", "otto", "uncle_fu"),
    "coral": ("af_bella", "alma", "vivian"),
    "echo": ("am_echo", "otto", "ryan"),
    "fable": ("bm_fable", "otto", "aiden"),
    "marin": ("af_heart", "alma", "serena"),
    "nova": ("af_nova", "alma", "vivian"),
    "onyx": ("am_onyx", "otto", "uncle_fu"),
    "sage": ("bf_emma", "alma", "serena"),
    "shimmer": ("af_sky", "alma", "vivian"),
    "verse": ("am_puck", "otto", "dylan"),
}
"""OpenAI's voices → the nearest ones of Kokoro, the starter and Qwen3-TTS; other models answer with their default."""

LANGUAGES_BY_ALIAS: Mapping[str, frozenset[str]] = {
    "tts-fast": frozenset(KOKORO_LANGUAGES.values()),
    "tts-multilingual": frozenset({"zh", "en", "ja", "ko", "de", "fr", "ru", "pt", "es", "it"}),
    "tts-stream": frozenset(MARVIS_LANGUAGES),
}
"""Alias → what it speaks, to name one that can where another cannot."""


@dataclass(frozen=True, slots=True)
class VoiceSelection:
    """The voice and the language (a code) a text is spoken with."""

    voice: str
    language: str


@dataclass(frozen=True, slots=True)
class VoiceCatalog:
    """The voices and languages of one model. `own` is the language of voices that have one."""

    family: str
    names: tuple[str, ...]
    languages: tuple[str, ...]
    language_by_voice: Mapping[str, str] = field(default_factory=dict)

    def select(self, model: str, text: str, *, voice: str = "", language: str = "") -> VoiceSelection:
        """Decide how `text` is spoken; `model` is the name for messages.

        Raises:
            InvalidInput: there is no such voice or language, or the model cannot speak or read it.
        """
        requested_language = _require_language_code(language) or guess_language(text)
        selected_voice = self._find_voice(model, voice) if voice else self._default_voice(requested_language)
        selected_language = requested_language or self.language_by_voice.get(selected_voice) or self.languages[0]
        if selected_language not in self.languages:
            raise _unsupported_language(
                model, selected_language, self.languages, param="language" if language else "text"
            )
        if self.family not in ANY_SCRIPT_FAMILIES and not is_written_in(selected_language, main_script(text)):
            raise _unsupported_script(model, selected_language, text, param="language" if language else "text")
        return VoiceSelection(selected_voice, selected_language)

    def _find_voice(self, model: str, voice: str) -> str:
        requested = voice.strip().lower()
        by_name = {name.lower(): name for name in self.names}
        if requested in by_name:
            return by_name[requested]
        if requested in OPENAI_VOICES:
            return next((name for name in OPENAI_VOICES[requested] if name in self.names), self._default_voice(""))
        raise InvalidInput(
            f"{model} has no voice {voice!r}. Voices: {', '.join(self.names)}. "
            f"OpenAI's names ({', '.join(OPENAI_VOICES)}) work too.",
            param="voice",
            code="unknown_voice",
        )

    def _default_voice(self, language: str) -> str:
        native = [name for name, voice_language in self.language_by_voice.items() if voice_language == language]
        candidates = (*DEFAULT_VOICES.get(language, ()), *native, *DEFAULT_VOICES[""], *self.names)
        return next((name for name in candidates if name in self.names), "")


def voice_names(model: Model, folders: Mapping[str, Path]) -> tuple[str, ...]:
    """Name a speech model's voices; empty where its files do not tell."""
    return read_voices(folders["model"]).names


def spoken_languages(model: Model, folders: Mapping[str, Path]) -> tuple[str, ...]:
    """Give the codes of the languages a speech model speaks, its first language first."""
    return read_voices(folders["model"]).languages


def read_voices(folder: Path) -> VoiceCatalog:
    """Read what a model folder says about voices; a `VoiceBook` without names where it is no speech model we know."""
    config = _read_json(folder / "config.json")
    match _voice_family(config):
        case "kokoro":
            return _kokoro_voices(folder)
        case "kitten_tts":
            names = _npz_array_names(folder / str(config.get("voices_path", "voices.npz")))
            return VoiceCatalog("kitten_tts", names, ("en",))
        case "sesame":
            return VoiceCatalog("sesame", _file_stems(folder / "prompts", ".wav"), MARVIS_LANGUAGES)
        case "qwen3_tts":
            return _qwen3_voices(config)
        case _:
            return VoiceCatalog("", (), ())


def _voice_family(config: Mapping[str, Any]) -> str:
    model_type = str(config.get("model_type", ""))
    if model_type in ("csm", "sesame", "marvis"):
        return "sesame"
    return model_type or ("kokoro" if "istftnet" in config else "")


def _kokoro_voices(folder: Path) -> VoiceCatalog:
    language_by_voice = {
        name: KOKORO_LANGUAGES[name[0]]
        for name in _file_stems(folder / "voices", ".safetensors")
        if name[0] in KOKORO_LANGUAGES
    }
    return VoiceCatalog(
        "kokoro", tuple(language_by_voice), tuple(dict.fromkeys(KOKORO_LANGUAGES.values())), language_by_voice
    )


def _qwen3_voices(config: Mapping[str, Any]) -> VoiceCatalog:
    talker = config.get("talker_config") or {}
    codes = (language_code(name) for name in talker.get("codec_language_id") or {})
    spoken = dict.fromkeys(filter(None, codes))
    return VoiceCatalog(
        "qwen3_tts", tuple(talker.get("spk_id") or {}), tuple(sorted(spoken, key=lambda code: code != "en"))
    )


def _require_language_code(language: str) -> str:
    code = language_code(language) if language else ""
    if language and not code:
        raise InvalidInput(
            f"There is no language {language!r}. Use a code such as en, ko or pt-BR, or an English name.",
            param="language",
        )
    return code


def _unsupported_language(model: str, language: str, supported: tuple[str, ...], *, param: str) -> InvalidInput:
    alternatives = [alias for alias, spoken in LANGUAGES_BY_ALIAS.items() if language in spoken and alias != model]
    advice = f"Use model {' or '.join(alternatives)}, which can." if alternatives else "No model of the catalogue can."
    return InvalidInput(
        f"{model} cannot speak {language_name(language)}, only {', '.join(map(language_name, supported))}. {advice}",
        param=param,
        code="unsupported_language",
    )


def _unsupported_script(model: str, language: str, text: str, *, param: str) -> InvalidInput:
    return InvalidInput(
        f"{model} would speak {language_name(language)}, but the text is written in another script "
        f"({main_script(text).capitalize()}). Send text in that language, or name the language of the text.",
        param=param,
        code="unsupported_language",
    )


def _file_stems(folder: Path, suffix: str) -> tuple[str, ...]:
    return tuple(sorted(file.stem for file in folder.glob(f"*{suffix}")))


def _npz_array_names(path: Path) -> tuple[str, ...]:
    """List the arrays of an .npz file, which is a ZIP of .npy files."""
    try:
        with zipfile.ZipFile(path) as archive:
            return tuple(sorted(Path(name).stem for name in archive.namelist()))
    except (OSError, zipfile.BadZipFile):
        return ()


def _read_json(path: Path) -> Mapping[str, Any]:
    try:
        parsed = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return parsed if isinstance(parsed, dict) else {}
