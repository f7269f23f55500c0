"""The settings of a realtime session, in the words of OpenAI's API and in those of its beta."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from model_runtime.errors import InvalidInput
from model_runtime.formats.validation_errors import to_invalid_input
from model_runtime.media.sound_stream import RawFormat

MAX_PROMPT_CHARACTERS = 20_000
NULLABLE = frozenset({"noise_reduction", "transcription", "turn_detection"})
"""Settings that null turns off. Elsewhere null means: as before."""
BETA_FIELDS: Mapping[str, str] = {
    "input_audio_transcription": "transcription",
    "input_audio_noise_reduction": "noise_reduction",
    "turn_detection": "turn_detection",
}
"""The beta's name of a setting → its name under `audio.input`."""
BETA_FORMATS: Mapping[str, str] = {"pcm16": "audio/pcm", "g711_ulaw": "audio/pcmu", "g711_alaw": "audio/pcma"}


class SessionPart(BaseModel):
    """A part of the settings. Unknown ones are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)


class SoundFormat(SessionPart):
    """Format of the sound that the client sends."""

    type: RawFormat = "audio/pcm"
    rate: Literal[24_000] = 24_000


class Transcription(SessionPart):
    """Which model hears, and what helps it. Without a model the default one does."""

    model: str = Field(default="", max_length=256)
    language: str = Field(default="", max_length=64)
    prompt: str = Field(default="", max_length=MAX_PROMPT_CHARACTERS)
    keywords: tuple[str, ...] = Field(default=(), max_length=256)
    languages: tuple[str, ...] = Field(default=(), max_length=64)
    delay: str | None = Field(default=None, max_length=16)

    @property
    def whole_prompt(self) -> str:
        """The prompt with the keywords."""
        return " ".join(filter(None, [self.prompt.strip(), ", ".join(self.keywords)]))[:MAX_PROMPT_CHARACTERS]

    @property
    def only_language(self) -> str:
        """The language, "" if it is to be detected."""
        return self.language or (self.languages[0] if len(self.languages) == 1 else "")


class TurnDetection(SessionPart):
    """When the end of speech is taken for the end of a turn."""

    type: Literal["server_vad"] = "server_vad"
    threshold: float = Field(default=0.5, ge=0, le=1)
    prefix_padding_ms: int = Field(default=300, ge=0, le=5000)
    silence_duration_ms: int = Field(default=500, ge=50, le=10_000)
    create_response: bool = False
    interrupt_response: bool = False
    idle_timeout_ms: int | None = None


class AudioInput(SessionPart):
    """Everything about the sound."""

    format: SoundFormat = SoundFormat()
    noise_reduction: dict[str, Any] | None = None
    transcription: Transcription | None = Transcription()
    turn_detection: TurnDetection | None = TurnDetection()


class SessionAudio(SessionPart):
    """`audio` of a session, which has only an input."""

    input: AudioInput = AudioInput()


class SessionSettings(SessionPart):
    """The settings of one session."""

    type: Literal["transcription"] = "transcription"
    audio: SessionAudio = SessionAudio()
    include: tuple[str, ...] = Field(default=(), max_length=16)

    def updated(self, changes: object) -> "SessionSettings":
        """Return the settings with the fields that `changes` has; the others stay.

        Raises:
            InvalidInput: a field is invalid; names the first one.
        """
        if not isinstance(changes, dict):
            raise InvalidInput("session is missing. Send its settings as an object.", param="session")
        try:
            return SessionSettings.model_validate(merge(self.model_dump(), changes))
        except ValidationError as error:
            invalid = to_invalid_input(error)
            invalid.param = f"session.{invalid.param}" if invalid.param else "session"
            raise invalid from error

    def warnings(self) -> list[str]:
        """Return a sentence for each setting that has no effect."""
        sound = self.audio.input
        heard, turns = sound.transcription or Transcription(), sound.turn_detection or TurnDetection()
        ignored = {
            "noise_reduction": bool(sound.noise_reduction),
            "transcription.delay": bool(heard.delay),
            "transcription.languages": len(heard.languages) > 1 and not heard.language,
            "turn_detection.create_response": turns.create_response,
            "turn_detection.interrupt_response": turns.interrupt_response,
            "turn_detection.idle_timeout_ms": turns.idle_timeout_ms is not None,
            "include": bool(self.include),
        }
        return [f"{name} has no effect." for name, is_set in ignored.items() if is_set]


def merge(settings: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with changes: objects are merged field by field, everything else is replaced."""
    merged = dict(settings)
    for name, value in changes.items():
        old = settings.get(name)
        if isinstance(value, dict) and isinstance(old, dict):
            merged[name] = merge(old, value)
        elif value is not None or name in NULLABLE:
            merged[name] = value
    return merged


def from_beta(changes: object) -> object:
    """Return changes in the words of the beta in those of today."""
    if not isinstance(changes, dict):
        return changes
    sound: dict[str, Any] = {name: changes[old] for old, name in BETA_FIELDS.items() if old in changes}
    if (form := changes.get("input_audio_format")) is not None:
        sound["format"] = {"type": BETA_FORMATS.get(str(form), form)}
    return {"audio": {"input": sound}, "include": changes.get("include")}


def session_json(settings: SessionSettings, session_id: str, *, beta: bool) -> dict[str, Any]:
    """Return a session as the server describes it, with what has no effect under `senses`."""
    told = {"id": session_id, "object": "realtime.transcription_session"}
    warnings = {"senses": {"warnings": settings.warnings()}}
    dumped = settings.model_dump(mode="json")
    sound = dumped["audio"]["input"]
    if sound["format"]["type"] != "audio/pcm":
        del sound["format"]["rate"]
    if not beta:
        return told | dumped | warnings
    form = next(old for old, name in BETA_FORMATS.items() if name == sound["format"]["type"])
    flat = {old: sound[name] for old, name in BETA_FIELDS.items()}
    return told | {"input_audio_format": form, "include": dumped["include"]} | flat | warnings
