"""What a running request reports, in order: waiting, loading, progress and pieces, then exactly one `Finished`.

What is doubtful before anything is done comes first of all.
"""

from dataclasses import dataclass, field, replace
from typing import Literal

from model_runtime.media.types import ImageData


@dataclass(frozen=True, slots=True)
class Queued:
    """The request waits; `position` 1 is the next to be served. `reason` is a short sentence for people."""

    position: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Loading:
    """The model is being loaded; `fraction` is 0..1, or None while unknown."""

    model: str
    stage: str
    fraction: float | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """The work goes on: `done` of `total` in the unit of `stage` (steps, seconds of audio, tokens, characters)."""

    stage: str
    done: float
    total: float


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next piece of an answer."""

    text: str


@dataclass(frozen=True, slots=True)
class LanguageDetected:
    """The language of a recording (ISO 639-1 code) and how sure the model is, where it was asked to find out."""

    language: str
    probability: float | None


@dataclass(frozen=True, slots=True)
class Warnings:
    """Warnings that are known before the first piece of the answer; its result repeats them."""

    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a transcript, in seconds from the start."""

    word: str
    start: float
    end: float
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """One stretch of a transcript, with the fields of OpenAI's verbose_json; numbers that are not finite are None."""

    id: int
    start: float
    end: float
    text: str
    seek: int = 0
    tokens: tuple[int, ...] = ()
    temperature: float | None = None
    avg_logprob: float | None = None
    compression_ratio: float | None = None
    no_speech_prob: float | None = None
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """The next piece of speech: mono signed 16-bit little-endian samples."""

    pcm: bytes
    sample_rate: int


@dataclass(frozen=True, slots=True)
class Preview:
    """An unfinished picture after `step` of `steps`."""

    image: ImageData
    step: int
    steps: int


@dataclass(frozen=True, slots=True)
class ChatResult:
    """The end of a chat."""

    text: str
    finish_reason: Literal["stop", "length"]
    prompt_tokens: int
    completion_tokens: int
    processed_sizes: tuple[tuple[int, int], ...] = ()
    """Width and height in which the model saw each picture, where it names places in pixels of that."""
    warnings: tuple[str, ...] = ()
    cached_tokens: int = field(default=0, compare=False)
    """How many of the prompt's tokens were known from before; says what was saved, nothing about the answer."""


@dataclass(frozen=True, slots=True)
class GeneratedImage:
    """A finished picture as PNG bytes with the parameters in its metadata."""

    png: bytes
    width: int
    height: int
    seed: int
    steps: int
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TranscriptionResult:
    """The end of a transcription; the segments were sent before, one by one."""

    text: str
    language: str
    duration_seconds: float
    segments: tuple[Segment, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SpeechResult:
    """The end of speech; the sound was sent before, chunk by chunk."""

    duration_seconds: float
    sample_rate: int
    voice: str
    language: str
    warnings: tuple[str, ...] = ()


Result = ChatResult | GeneratedImage | TranscriptionResult | SpeechResult


@dataclass(frozen=True, slots=True)
class Timings:
    """Where the time of a request went, in seconds."""

    queued_seconds: float
    loading_seconds: float
    running_seconds: float


@dataclass(frozen=True, slots=True)
class Finished:
    """The last event of every request that succeeds; `starter` tells that a built-in starter model answered."""

    model: str
    result: Result
    timings: Timings
    starter: bool = False


EngineEvent = Warnings | Progress | TextDelta | LanguageDetected | Segment | AudioChunk | Preview
Event = Queued | Loading | EngineEvent | Finished


def with_warnings(finished: Finished, warnings: tuple[str, ...]) -> Finished:
    """Return the end of a request with these warnings before the ones of its result."""
    if not warnings:
        return finished
    return replace(finished, result=replace(finished.result, warnings=(*warnings, *finished.result.warnings)))
