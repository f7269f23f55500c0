"""What callers ask for: one frozen request per task. Media are decoded and checked before they get here."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from model_runtime.media.types import Audio, ImageData

DEFAULT_MAX_TOKENS = 1024
"""How long an answer becomes at most where nobody set a limit."""


class Task(StrEnum):
    """What a model can do. A `VISION` model also takes text-only chats unless its facts say otherwise."""

    VISION = "vision"
    TEXT = "text"
    IMAGE = "image"
    TRANSCRIPTION = "transcription"
    SPEECH = "speech"


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a chat; `content` keeps texts and pictures in the order the caller gave them."""

    role: Literal["system", "user", "assistant", "tool"]
    content: tuple[str | ImageData, ...]


@dataclass(frozen=True, slots=True)
class Chat:
    """Continue a conversation, with pictures where the model can see.

    `max_tokens` 0 means what fits beside the messages, at most `UNASKED_TOKENS`. `temperature` 0 is greedy.
    `json_schema` forces the answer into a JSON schema; "{}" means any JSON object and the empty string free text.
    """

    model: str
    messages: tuple[Message, ...]
    max_tokens: int = 512
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    json_schema: str = ""


@dataclass(frozen=True, slots=True)
class GenerateImage:
    """Draw one picture. `source` with `strength` (0..1, how far to move away from it) starts from a picture.

    `steps` 0 means the model's own number. `preview_every` sends a preview each that many steps; 0 sends none.
    """

    model: str
    prompt: str
    width: int
    height: int
    seed: int
    steps: int = 0
    source_image: ImageData | None = None
    strength: float = 0.4
    preview_every: int = 0


@dataclass(frozen=True, slots=True)
class Transcribe:
    """Write down a recording (16 kHz mono). `language` empty means find out; `translate` answers in English.

    `temperature` None means the library's ladder of retries; `prompt` is vocabulary or preceding text.
    """

    model: str
    audio: Audio
    language: str = ""
    translate: bool = False
    prompt: str = ""
    temperature: float | None = None
    word_timestamps: bool = False


@dataclass(frozen=True, slots=True)
class Speak:
    """Read `text` aloud. Empty `voice` or `language` means the model's default."""

    model: str
    text: str
    voice: str = ""
    speed: float = 1.0
    language: str = ""


Request = Chat | GenerateImage | Transcribe | Speak


def task_of(request: Request) -> Task:
    """Return what a request asks of a model: a chat without images is a text task."""
    match request:
        case Chat(messages=messages):
            sees = any(not isinstance(part, str) for message in messages for part in message.content)
            return Task.VISION if sees else Task.TEXT
        case GenerateImage():
            return Task.IMAGE
        case Transcribe():
            return Task.TRANSCRIPTION
        case Speak():
            return Task.SPEECH
