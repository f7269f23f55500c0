"""Requests: one frozen dataclass per task, with decoded media."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from model_runtime.media.types import Audio, ImageData


class Task(StrEnum):
    """Task of a model. A `VISION` model also accepts text-only chats."""

    VISION = "vision"
    TEXT = "text"
    IMAGE = "image"
    TRANSCRIPTION = "transcription"
    SPEECH = "speech"
    EMBEDDING = "embedding"


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that a chat model may call. `parameters` is the JSON Schema of its arguments, as JSON text.

    The arguments of a strict one always match it.
    """

    name: str
    description: str = ""
    parameters: str = "{}"
    is_strict: bool = False


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A model's call of a tool. `arguments` is a JSON object, as text; `id` names the call where its result is told."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a chat. `content` is its texts and images in the order of the request.

    `tool_calls` are those of an assistant's turn; `tool_call_id` is the call that a tool's turn answers.
    """

    role: Literal["system", "user", "assistant", "tool"]
    content: tuple[str | ImageData, ...]
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""


@dataclass(frozen=True, slots=True)
class Chat:
    """Continue a conversation of texts and images.

    `max_tokens` 0 means as many as the context leaves, as does a limit beyond it. `context_tokens` is the most that
    prompt and answer may take together, 0 for the model's own limit. `temperature` 0 is greedy.
    `top_k` 0 and `min_p` 0 keep all tokens. `logit_bias` are pairs of a token id and what is added to its logit;
    penalties of 0, for `repetition_penalty` of 1, change nothing.
    `top_logprobs` is how many of the likeliest tokens are told in place of each, with their log-probabilities: 0 for
    those of the answer's own tokens only, None for none at all.
    `is_raw` continues the text of the only message as it stands, without the model's template.
    `json_schema` constrains the answer to a JSON schema; "{}" means any JSON object, "" means free text.
    `counts_only` asks for the number of the prompt's tokens, and for no answer.
    `tools` may be called as `tool_choice` says; `forced_tool` is the one that must be, "" for none in particular.
    """

    model: str
    messages: tuple[Message, ...]
    max_tokens: int = 512
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    json_schema: str = ""
    top_k: int = 0
    min_p: float = 0.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    repetition_penalty: float = 1.0
    logit_bias: tuple[tuple[int, float], ...] = ()
    context_tokens: int = 0
    is_raw: bool = False
    top_logprobs: int | None = None
    tools: tuple[Tool, ...] = ()
    tool_choice: Literal["auto", "none", "required"] = "auto"
    forced_tool: str = ""
    parallel_tool_calls: bool = True
    counts_only: bool = False

    @property
    def raw_text(self) -> str:
        """The texts of all messages, joined without anything between them."""
        return "".join(part for message in self.messages for part in message.content if isinstance(part, str))

    @property
    def tool_text(self) -> str:
        """The texts of all tools and calls, which a template writes besides the content of the messages."""
        calls = [call for message in self.messages for call in message.tool_calls]
        offered = [part for tool in self.tools for part in (tool.name, tool.description, tool.parameters)]
        return "".join([*offered, *(part for call in calls for part in (call.id, call.name, call.arguments))])


@dataclass(frozen=True, slots=True)
class GenerateImage:
    """Generate one image of `width` x `height` pixels.

    `source_image` is the image to start from; `strength` 0..1 is how much it is changed. `references` are pictures that
    the model looks at: the prompt says how to change the first one, or what to make of all. `mask` is white where the
    first reference, or the source, may change, and of its size; every other pixel stays as it is. `steps` 0 means the
    model's default. `preview_every` is the number of steps between previews; 0 sends none. With `provenance` the
    metadata of the picture say what it was drawn from.
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
    provenance: bool = True
    references: tuple[ImageData, ...] = ()
    mask: ImageData | None = None

    @property
    def base(self) -> ImageData | None:
        """The picture that is changed: the first reference, or the image to start from."""
        return self.references[0] if self.references else self.source_image


@dataclass(frozen=True, slots=True)
class Transcribe:
    """Transcribe a recording (16 kHz mono). `language` "" means detect it; `translate` translates to English.

    `temperature` None means Whisper's sequence of fallback temperatures. `prompt` is vocabulary or preceding text.
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
    """Synthesize speech. `voice` or `language` "" means the model's default; `speed` 1 is normal.

    `instructions` say in words how to speak; a model that takes none ignores them with a warning.
    """

    model: str
    text: str
    voice: str = ""
    speed: float = 1.0
    language: str = ""
    instructions: str = ""


@dataclass(frozen=True, slots=True)
class Embed:
    """Turn each text into a vector of length 1. `dimensions` 0 means all that the model has; else the first ones."""

    model: str
    texts: tuple[str, ...]
    dimensions: int = 0


Request = Chat | GenerateImage | Transcribe | Speak | Embed


def task_of(request: Request) -> Task:
    """Return the task of a request. A chat without images is a text task."""
    match request:
        case Chat(messages=messages):
            has_images = any(not isinstance(part, str) for message in messages for part in message.content)
            return Task.VISION if has_images else Task.TEXT
        case GenerateImage():
            return Task.IMAGE
        case Transcribe():
            return Task.TRANSCRIPTION
        case Speak():
            return Task.SPEECH
        case Embed():
            return Task.EMBEDDING
