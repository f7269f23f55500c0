"""The four senses as a test calls them, whatever face of Senses is behind; and a check, which any face can be put to."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class TimedText:
    """A segment or a word, in seconds from the start."""

    start: float
    end: float
    text: str


@dataclass(frozen=True, slots=True)
class Transcription:
    """A transcript; a face that tells no times leaves the spans empty and says so in its `offers`."""

    text: str
    seconds: float = 0.0
    segments: tuple[TimedText, ...] = ()
    words: tuple[TimedText, ...] = ()


TIMES, SOURCE = "times", "source"
"""What not every face offers: times of segments and words, and drawing from a picture."""


class SensesClient(Protocol):
    """A way to call Senses. Files go in and come out as bytes, under names that tell nothing."""

    features: frozenset[str]
    speech_formats: tuple[str, ...]

    async def describe(self, file: bytes, question: str) -> str:
        """Answer a question about a picture file."""
        ...

    async def transcribe(self, file: bytes, *, word_timestamps: bool = False) -> Transcription:
        """Write down a recording; with the times of its words, where they are wanted and offered."""
        ...

    async def speak(self, text: str, *, audio_format: str = "wav", voice: str = "", speed: float = 1.0) -> bytes:
        """Speak into a file; `form` is one of `speech_formats`."""
        ...

    async def generate_image(
        self, prompt: str, *, width: int, height: int, seed: int, source: bytes = b"", strength: float = 0.4
    ) -> bytes:
        """Draw a PNG of so many pixels, from a picture file where the face offers that."""
        ...


@dataclass(frozen=True, slots=True)
class MeaningCheck:
    """One thing that must be true of every face: `run` raises `AssertionError` where it is not."""

    name: str
    run: Callable[[SensesClient], Awaitable[None]]
    required_feature: str = ""

    def __str__(self) -> str:
        return self.name
