"""Which voices and languages a speech model has, and which of them a request means. Reads small files, never weights."""

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from model_runtime.catalog.languages import is_written_in, language_code, language_name, likeliest_language, script
from model_runtime.catalog.model import Model
from model_runtime.errors import InvalidInput

KOKORO_LANGUAGES: Mapping[str, str] = {"a": "en", "b": "en", "e": "es", "f": "fr", "h": "hi", "i": "it", "p": "pt"}
"""First letter of a Kokoro voice → its language. Its Japanese and Chinese need text front ends Senses does not carry."""

MARVIS_LANGUAGES = ("en", "fr", "de")

ANY_SCRIPT = {"qwen3_tts"}
"""Kinds that read foreign names and words in their own letters."""

DEFAULTS: Mapping[str, tuple[str, ...]] = {
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

SPEAKERS: Mapping[str, frozenset[str]] = {
    "tts-fast": frozenset(KOKORO_LANGUAGES.values()),
    "tts-multilingual": frozenset({"zh", "en", "ja", "ko", "de", "fr", "ru", "pt", "es", "it"}),
    "tts-stream": frozenset(MARVIS_LANGUAGES),
}
"""Alias → what it speaks, to name one that can where another cannot."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The voice and the language (a code) a text is spoken with."""

    voice: str
    language: str


@dataclass(frozen=True, slots=True)
class VoiceBook:
    """The voices and languages of one model. `own` is the language of voices that have one."""

    kind: str
    names: tuple[str, ...]
    languages: tuple[str, ...]
    own: Mapping[str, str] = field(default_factory=dict)

    def choose(self, model: str, text: str, *, voice: str = "", language: str = "") -> Choice:
        """Decide how `text` is spoken; `model` is the name for messages.

        Raises:
            InvalidInput: there is no such voice or language, or the model cannot speak or read it.
        """
        asked = _code(language) or likeliest_language(text)
        name = self._named(model, voice) if voice else self._default(asked)
        spoken = asked or self.own.get(name) or self.languages[0]
        if spoken not in self.languages:
            raise _cannot_speak(model, spoken, self.languages, param="language" if language else "text")
        if self.kind not in ANY_SCRIPT and not is_written_in(spoken, script(text)):
            raise _cannot_read(model, spoken, text, param="language" if language else "text")
        return Choice(name, spoken)

    def _named(self, model: str, voice: str) -> str:
        wanted = voice.strip().lower()
        by_name = {name.lower(): name for name in self.names}
        if wanted in by_name:
            return by_name[wanted]
        if wanted in OPENAI_VOICES:
            return next((name for name in OPENAI_VOICES[wanted] if name in self.names), self._default(""))
        raise InvalidInput(
            f"{model} has no voice {voice!r}. Voices: {', '.join(self.names)}. "
            f"OpenAI's names ({', '.join(OPENAI_VOICES)}) work too.",
            param="voice",
            code="unknown_voice",
        )

    def _default(self, language: str) -> str:
        native = [name for name, own in self.own.items() if own == language]
        candidates = (*DEFAULTS.get(language, ()), *native, *DEFAULTS[""], *self.names)
        return next((name for name in candidates if name in self.names), "")


def voices(model: Model, folders: Mapping[str, Path]) -> tuple[str, ...]:
    """Name a speech model's voices; empty where its files do not tell."""
    return read_voices(folders["model"]).names


def languages(model: Model, folders: Mapping[str, Path]) -> tuple[str, ...]:
    """Give the codes of the languages a speech model speaks, its first language first."""
    return read_voices(folders["model"]).languages


def read_voices(folder: Path) -> VoiceBook:
    """Read what a model folder says about voices; a `VoiceBook` without names where it is no speech model we know."""
    config = _read_json(folder / "config.json")
    match _kind(config):
        case "kokoro":
            return _kokoro(folder)
        case "kitten_tts":
            names = _npz_names(folder / str(config.get("voices_path", "voices.npz")))
            return VoiceBook("kitten_tts", names, ("en",))
        case "sesame":
            return VoiceBook("sesame", _stems(folder / "prompts", ".wav"), MARVIS_LANGUAGES)
        case "qwen3_tts":
            return _qwen3(config)
        case _:
            return VoiceBook("", (), ())


def _kind(config: Mapping[str, Any]) -> str:
    named = str(config.get("model_type", ""))
    if named in ("csm", "sesame", "marvis"):
        return "sesame"
    return named or ("kokoro" if "istftnet" in config else "")


def _kokoro(folder: Path) -> VoiceBook:
    own = {
        name: KOKORO_LANGUAGES[name[0]]
        for name in _stems(folder / "voices", ".safetensors")
        if name[0] in KOKORO_LANGUAGES
    }
    return VoiceBook("kokoro", tuple(own), tuple(dict.fromkeys(KOKORO_LANGUAGES.values())), own)


def _qwen3(config: Mapping[str, Any]) -> VoiceBook:
    talker = config.get("talker_config") or {}
    codes = (language_code(name) for name in talker.get("codec_language_id") or {})
    spoken = dict.fromkeys(filter(None, codes))
    return VoiceBook(
        "qwen3_tts", tuple(talker.get("spk_id") or {}), tuple(sorted(spoken, key=lambda code: code != "en"))
    )


def _code(language: str) -> str:
    code = language_code(language) if language else ""
    if language and not code:
        raise InvalidInput(
            f"There is no language {language!r}. Use a code such as en, ko or pt-BR, or an English name.",
            param="language",
        )
    return code


def _cannot_speak(model: str, language: str, able: tuple[str, ...], *, param: str) -> InvalidInput:
    others = [alias for alias, spoken in SPEAKERS.items() if language in spoken and alias != model]
    advice = f"Use model {' or '.join(others)}, which can." if others else "No model of the catalogue can."
    return InvalidInput(
        f"{model} cannot speak {language_name(language)}, only {', '.join(map(language_name, able))}. {advice}",
        param=param,
        code="unsupported_language",
    )


def _cannot_read(model: str, language: str, text: str, *, param: str) -> InvalidInput:
    return InvalidInput(
        f"{model} would speak {language_name(language)}, but the text is written in another script "
        f"({script(text).capitalize()}). Send text in that language, or name the language of the text.",
        param=param,
        code="unsupported_language",
    )


def _stems(folder: Path, suffix: str) -> tuple[str, ...]:
    return tuple(sorted(file.stem for file in folder.glob(f"*{suffix}")))


def _npz_names(path: Path) -> tuple[str, ...]:
    """List the arrays of an .npz file, which is a ZIP of .npy files."""
    try:
        with zipfile.ZipFile(path) as archive:
            return tuple(sorted(Path(name).stem for name in archive.namelist()))
    except (OSError, zipfile.BadZipFile):
        return ()


def _read_json(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
