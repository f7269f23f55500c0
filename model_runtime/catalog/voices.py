"""Voices and languages of speech models, and the selection for a request. Reads small files, never weights."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from model_runtime.catalog.checkpoint_files import CONFIG_FILE, read_config
from model_runtime.catalog.foreign_files import InvalidCheckpoint, list_files, object_at, read_npz_names, string_at
from model_runtime.catalog.languages import (
    guess_language,
    is_written_in,
    language_code,
    language_name,
    main_script,
    parse_language,
)
from model_runtime.errors import InvalidInput

KOKORO_LANGUAGES: Mapping[str, str] = {"a": "en", "b": "en", "e": "es", "f": "fr", "h": "hi", "i": "it", "p": "pt"}
"""First letter of a Kokoro voice → language."""
UNSPOKEN_KOKORO_LANGUAGES: Mapping[str, str] = {"j": "ja", "z": "zh"}
"""The same for the voices whose text front ends Senses lacks."""
MARVIS_LANGUAGES = ("en", "fr", "de")
ANY_SCRIPT_FAMILIES = {"qwen3_tts"}
"""Families that also speak words of another script than that of the language."""

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
"""Language → default voices in order of preference; "" is any language. The first that the model has is used."""

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
"""OpenAI's voice → similar voices of Kokoro, the starter and Qwen3-TTS. Other models use their default voice."""

MODEL_VOICE_NAMES = frozenset({"", "auto", "default"})
"""What a caller says to get the voice that the model prefers."""

LANGUAGES_BY_ALIAS: Mapping[str, tuple[str, ...]] = {
    "tts-fast": tuple(dict.fromkeys(KOKORO_LANGUAGES.values())),
    "tts-multilingual": ("en", "zh", "ja", "ko", "de", "fr", "ru", "pt", "es", "it"),
    "tts-stream": MARVIS_LANGUAGES,
}
"""Alias → its languages, for as long as its files are not on this disk."""


@dataclass(frozen=True, slots=True)
class VoiceSelection:
    """The voice and the language code for a text, and how it is to be spoken, in words."""

    voice: str
    language: str
    instructions: str = ""


@dataclass(frozen=True, slots=True)
class VoiceCatalog:
    """Voices and languages of one model. `language_by_voice` has the voices with a language of their own.

    `unspoken` maps the voices that are on the disk but cannot be used to their languages.
    """

    family: str
    names: tuple[str, ...]
    languages: tuple[str, ...]
    language_by_voice: Mapping[str, str] = field(default_factory=dict)
    unspoken: Mapping[str, str] = field(default_factory=dict)

    def select(self, model: str, text: str, *, voice: str = "", language: str = "") -> VoiceSelection:
        """Select the voice and language for `text`. `model` is the model's name in messages.

        Raises:
            InvalidInput: the model lacks the voice or language, or the text is in another script than the language.
        """
        requested_language = parse_language(language) or guess_language(text)
        selected_voice = self._find_voice(model, voice.strip().lower(), requested_language)
        selected_language = (
            requested_language or self.language_by_voice.get(selected_voice) or next(iter(self.languages), "")
        )
        param = "language" if language else "text"
        if selected_language not in self.languages:
            raise unsupported_language(model, selected_language, self.languages, param=param)
        if self.family not in ANY_SCRIPT_FAMILIES and not is_written_in(selected_language, main_script(text)):
            raise _unsupported_script(model, selected_language, text, param)
        return VoiceSelection(selected_voice, selected_language)

    def _find_voice(self, model: str, voice: str, language: str) -> str:
        by_name = {name.lower(): name for name in self.names}
        if voice in by_name:
            return by_name[voice]
        if voice in MODEL_VOICE_NAMES:
            return self._default_voice(language)
        if voice in OPENAI_VOICES:
            similar = (name for name in OPENAI_VOICES[voice] if name in self.names and self._can_say(name, language))
            return next(similar, self._default_voice(language))
        if voice in self.unspoken:
            problem = (
                f"Senses cannot speak {language_name(self.unspoken[voice])} with {model}, so its voice {voice!r} is"
            )
            problem += " not offered"
        else:
            problem = f"{model} has no voice {voice!r}"
        raise InvalidInput(
            f"{problem}. Voices: {', '.join(self.names)}. OpenAI's names ({', '.join(OPENAI_VOICES)}) work too.",
            param="voice",
            code="unknown_voice",
        )

    def _can_say(self, voice: str, language: str) -> bool:
        return not language or self.language_by_voice.get(voice, language) == language

    def _default_voice(self, language: str) -> str:
        native = [name for name, voice_language in self.language_by_voice.items() if voice_language == language]
        candidates = (*DEFAULT_VOICES.get(language, ()), *native, *DEFAULT_VOICES[""], *self.names)
        return next((name for name in candidates if name in self.names), "")


NO_VOICES = VoiceCatalog("", (), ())


def read_voices(folder: Path) -> VoiceCatalog:
    """Return the voices in a model folder, `NO_VOICES` for an unsupported model and for files that cannot be read."""
    try:
        return require_voices(folder)
    except InvalidCheckpoint:
        return NO_VOICES


def require_voices(folder: Path) -> VoiceCatalog:
    """Return the voices in a model folder, `NO_VOICES` for an unsupported model.

    Raises:
        InvalidCheckpoint: the configuration or the file of the voices cannot be read.
    """
    config = read_config(folder)
    match _voice_family(config):
        case "kokoro":
            return _kokoro_voices(folder)
        case "kitten_tts":
            return VoiceCatalog("kitten_tts", read_npz_names(kitten_voices_file(folder, config)), ("en",))
        case "sesame":
            return VoiceCatalog("sesame", _file_stems(folder / "prompts", ".wav"), MARVIS_LANGUAGES)
        case "qwen3_tts":
            return _qwen3_voices(config)
        case _:
            return NO_VOICES


def kitten_voices_file(folder: Path, config: Mapping[str, Any]) -> Path:
    """Return the file of a KittenTTS model's voices.

    Raises:
        InvalidCheckpoint: the configuration names a file outside the folder.
    """
    name = Path(string_at(config, "voices_path") or "voices.npz")
    if name.is_absolute() or ".." in name.parts:
        raise InvalidCheckpoint(folder / CONFIG_FILE, f"names voices outside its folder ({str(name)[:100]!r})")
    return folder / name


def _voice_family(config: Mapping[str, Any]) -> str:
    model_type = string_at(config, "model_type")
    if model_type in ("csm", "sesame", "marvis"):
        return "sesame"
    return model_type or ("kokoro" if "istftnet" in config else "")


def _kokoro_voices(folder: Path) -> VoiceCatalog:
    names = _file_stems(folder / "voices", ".safetensors")
    language_by_voice = {name: KOKORO_LANGUAGES[name[0]] for name in names if name[:1] in KOKORO_LANGUAGES}
    languages = tuple(dict.fromkeys(KOKORO_LANGUAGES.values()))
    unspoken = {name: UNSPOKEN_KOKORO_LANGUAGES[name[0]] for name in names if name[:1] in UNSPOKEN_KOKORO_LANGUAGES}
    return VoiceCatalog("kokoro", tuple(language_by_voice), languages, language_by_voice, unspoken)


def _qwen3_voices(config: Mapping[str, Any]) -> VoiceCatalog:
    talker = object_at(config, "talker_config")
    codes = (language_code(name) for name in object_at(talker, "codec_language_id"))
    languages = sorted(dict.fromkeys(filter(None, codes)), key=lambda code: code != "en")  # English is the default
    return VoiceCatalog("qwen3_tts", tuple(object_at(talker, "spk_id")), tuple(languages))


def unsupported_language(
    model: str, language: str, supported: Iterable[str], *, param: str, advice: str = ""
) -> InvalidInput:
    """Return the error for a text that `model` cannot speak; `advice` is a sentence that says what to do."""
    spoken = ", ".join(map(language_name, supported))
    return InvalidInput(
        f"{model} cannot speak {language_name(language)}, only {spoken}. {advice}".rstrip(),
        param=param,
        code="unsupported_language",
    )


def _unsupported_script(model: str, language: str, text: str, param: str) -> InvalidInput:
    return InvalidInput(
        f"{model} would speak {language_name(language)}, but the text is written in another script "
        f"({main_script(text).capitalize()}). Send text in that language, or name the language of the text.",
        param=param,
        code="unsupported_language",
    )


def _file_stems(folder: Path, suffix: str) -> tuple[str, ...]:
    """Return the names of files; one that is not UTF-8 could not be sent to anyone."""
    return tuple(file.stem for file in list_files(folder, (suffix,), depth=1) if file.stem.isprintable())
