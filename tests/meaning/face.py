"""The four tasks as tests call them, over any interface of Senses; and a check, which runs against any interface."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class TimedText:
    """A segment or a word; `start` and `end` in seconds from the start of the recording."""

    start: float
    end: float
    text: str


@dataclass(frozen=True, slots=True)
class Transcription:
    """A transcript. An interface without the feature TIMESTAMPS leaves segments and words empty."""

    text: str
    seconds: float = 0.0
    segments: tuple[TimedText, ...] = ()
    words: tuple[TimedText, ...] = ()


TIMESTAMPS, SOURCE_IMAGE = "timestamps", "source_image"
"""Features that some interfaces lack: timestamps of segments and words, and generating from an image."""


class SensesClient(Protocol):
    """An interface of Senses. Files are bytes; their names do not reveal their content."""

    features: frozenset[str]
    speech_formats: tuple[str, ...]

    async def describe(self, file: bytes, question: str) -> str:
        """Answer a question about an image file."""
        ...

    async def transcribe(self, file: bytes, *, word_timestamps: bool = False) -> Transcription:
        """Transcribe a recording, with timestamps of words if requested and supported."""
        ...

    async def speak(self, text: str, *, audio_format: str = "wav", voice: str = "", speed: float = 1.0) -> bytes:
        """Return an audio file of a text. `audio_format` is one of `speech_formats`."""
        ...

    async def generate_image(
        self, prompt: str, *, width: int, height: int, seed: int, source: bytes = b"", strength: float = 0.4
    ) -> bytes:
        """Return a PNG of `width` by `height` pixels, generated from the file `source` if given and supported."""
        ...


@dataclass(frozen=True, slots=True)
class MeaningCheck:
    """A statement that must be true of each interface. `run` raises `AssertionError` if it is false."""

    name: str
    run: Callable[[SensesClient], Awaitable[None]]
    required_feature: str = ""

    def __str__(self) -> str:
        return self.name
