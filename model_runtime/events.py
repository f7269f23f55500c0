"""Events of one request, in order: `ModelChosen`, `Warnings`, `Queued`, `Loading`, events of the engine, exactly one `Finished`."""

from dataclasses import dataclass, field
from typing import Literal, TypeVar

from model_runtime.errors import JobFailed
from model_runtime.media.types import ImageData
from model_runtime.requests import ToolCall


@dataclass(frozen=True, slots=True)
class Queued:
    """The request waits. `position` 1 is served next; `reason` is a short sentence for people.

    `wait_seconds` estimates how long it still waits; None while unknown.
    """

    position: int
    reason: str = ""
    wait_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Loading:
    """The model is being loaded. `fraction` is 0..1, or None while unknown."""

    model: str
    stage: str
    fraction: float | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """`done` of `total` units are processed. `stage` names the unit: "steps", "seconds", "tokens",
    "characters", "rows", "lines" or "texts"."""

    stage: str
    done: float
    total: float


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A token's text and natural log-probability, before temperature, penalties and grammar.

    `top` are the likeliest tokens in its place, the first one first; they have none themselves.
    """

    token: str
    logprob: float
    top: tuple["TokenLogprob", ...] = ()


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next text of an answer, with the log-probabilities of its tokens if the request asks for them."""

    text: str
    logprobs: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """The next text of what a model thinks before it answers."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """The next part of a tool call. The first one of each `index` (from 0) has its id and name, and no arguments yet."""

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""


@dataclass(frozen=True, slots=True)
class LanguageDetected:
    """Detected language of a recording (ISO 639-1 code) and its probability 0..1, None if the model gives none."""

    language: str
    probability: float | None


@dataclass(frozen=True, slots=True)
class Warnings:
    """Warnings known before the request starts. Its result repeats them."""

    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ModelChosen:
    """Another model answers than the one that the requested name means. A warning says why."""

    model: str
    starter: bool


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a transcript. `start` and `end` are seconds from the start of the recording."""

    word: str
    start: float
    end: float
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment of a transcript, with the fields of OpenAI's verbose_json. Non-finite numbers are None.

    `start` and `end` are seconds, `seek` is Whisper's offset in mel frames of 10 ms.
    """

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
    """The next samples of speech: mono signed 16-bit little-endian, `sample_rate` in Hz."""

    pcm: bytes
    sample_rate: int


@dataclass(frozen=True, slots=True)
class Preview:
    """The unfinished image after `step` of `steps` denoising steps."""

    image: ImageData
    step: int
    steps: int


@dataclass(frozen=True, slots=True)
class TextLine:
    """One line of text in a picture. `confidence` is 0..1."""

    text: str
    box: tuple[int, int, int, int]
    """Left, top, width and height in pixels of the picture's file."""
    confidence: float


@dataclass(frozen=True, slots=True)
class ChatResult:
    """Result of a chat. `lines` are those of a model that reads text, in the order of reading.

    `reasoning` is what the model thought before it answered; it is no part of `text`. `stop_sequence` is the one of the
    request's that ended the answer, "" if none did.
    """

    text: str
    finish_reason: Literal["stop", "length", "tool_calls"]
    prompt_tokens: int
    completion_tokens: int
    processed_sizes: tuple[tuple[int, int], ...] = ()
    """Width and height of each image as the model processed it, in pixels; its coordinates refer to them."""
    warnings: tuple[str, ...] = ()
    cached_tokens: int = field(default=0, compare=False)
    """Prompt tokens whose keys and values came from the prefix cache; not part of what makes two answers equal."""
    lines: tuple[TextLine, ...] = ()
    logprobs: tuple[TokenLogprob, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    reasoning: str = ""
    reasoning_tokens: int = 0
    stop_sequence: str = ""


@dataclass(frozen=True, slots=True)
class GeneratedImage:
    """A finished image as PNG bytes; its metadata say what it was drawn from if the request wants that."""

    png: bytes
    width: int
    height: int
    seed: int
    steps: int
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TranscriptionResult:
    """Result of a transcription. Its segments were sent before, one by one."""

    text: str
    language: str
    duration_seconds: float
    segments: tuple[Segment, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SpeechResult:
    """Result of speech synthesis. Its audio was sent before, in chunks. `sample_rate` is in Hz."""

    duration_seconds: float
    sample_rate: int
    voice: str
    language: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EmbeddingResult:
    """Vectors of length 1 in the order of the texts: float32, little-endian, of shape (texts, `dimensions`)."""

    vectors: bytes
    dimensions: int
    prompt_tokens: int
    warnings: tuple[str, ...] = ()


Result = ChatResult | GeneratedImage | TranscriptionResult | SpeechResult | EmbeddingResult
ResultT = TypeVar("ResultT", bound=Result)


@dataclass(frozen=True, slots=True)
class Timings:
    """Time a request spent in each stage, in seconds."""

    queued_seconds: float
    loading_seconds: float
    running_seconds: float


@dataclass(frozen=True, slots=True)
class Finished:
    """The last event of every request that succeeds. `starter` is True if a built-in starter model answered."""

    model: str
    result: Result
    timings: Timings
    starter: bool = False


EngineEvent = (
    Warnings | Progress | TextDelta | ReasoningDelta | ToolCallDelta | LanguageDetected | Segment | AudioChunk | Preview
)
Event = ModelChosen | Queued | Loading | EngineEvent | Finished


def expect_result(last_event: Event | None, result_type: type[ResultT]) -> tuple[Finished, ResultT]:
    """Return a run's last event and its result.

    Raises:
        JobFailed: the run has no result of this type.
    """
    if not isinstance(last_event, Finished) or not isinstance(last_event.result, result_type):
        raise JobFailed(
            f"The request ended without a result of type {result_type.__name__}. "
            "This is a bug in Senses; please report it."
        )
    return last_event, last_event.result
