"""The bodies of OpenAI's endpoints, with OpenAI's names.

Unknown fields are ignored at every level, because clients send many that Senses does not need. A known field that
would change the meaning of the answer and is not supported is rejected by its name.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, FailFast, Field, model_validator
from pydantic_core import PydanticCustomError

from model_runtime.formats.durations import parse_keep_alive
from openai_compat.api.fields import parse_granularities, parse_size

MAX_MESSAGES = 4096
MAX_PARTS = 4096
"""Parts of one message, and of all messages of a request."""
MAX_TOOLS = 1024


class WireModel(BaseModel):
    """A part of a body. null means the default."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def drop_nulls(cls, values: Any) -> Any:
        """Remove nulls, so that they mean the same as absent fields."""
        return (
            {key: value for key, value in values.items() if value is not None} if isinstance(values, dict) else values
        )


def unsupported_error(feature: str, advice: str) -> PydanticCustomError:
    """Return the error for a feature of OpenAI's API that Senses does not support."""
    return PydanticCustomError(
        "unsupported_value", "{what} is not supported. {advice}", {"what": feature, "advice": advice}
    )


def text_to_parts(value: object) -> object:
    """Convert a bare text to a list of one text part."""
    return [{"type": "text", "text": value}] if isinstance(value, str) else value


def text_to_list(value: object) -> object:
    """Convert a bare text to a list of one."""
    return [value] if isinstance(value, str) else value


def text_to_object(key: str) -> BeforeValidator:
    """Return a validator that converts a bare text to an object with that text under `key`."""
    return BeforeValidator(lambda value: {key: value} if isinstance(value, str) else value)


def at_most(limit: int, noun: str) -> BeforeValidator:
    """Return a validator that refuses a longer list before it looks at the items."""

    def check(value: object) -> object:
        if isinstance(value, list):
            require_at_most(value, limit, noun)
        return value

    return BeforeValidator(check)


def require_at_most(values: Sequence[object], limit: int, noun: str) -> None:
    """Refuse a list that is longer than `limit`.

    Raises:
        PydanticCustomError: it is longer.
    """
    if len(values) > limit:
        context = {"count": len(values), "noun": noun, "limit": limit}
        raise PydanticCustomError("too_many", "{count} {noun} are more than the limit of {limit}. Send fewer", context)


def reject_many_tools(values: Mapping[str, Any]) -> None:
    """Refuse more tools than the limit. Senses does not call tools, and ignores fewer.

    Raises:
        PydanticCustomError: there are more.
    """
    for name in ("tools", "functions"):
        if isinstance(values.get(name), list):
            require_at_most(values[name], MAX_TOOLS, name)


KeepAliveSeconds = Annotated[float | None, BeforeValidator(parse_keep_alive)]
OutputSize = Annotated[tuple[int, int] | None, BeforeValidator(parse_size)]
TimestampGranularities = Annotated[frozenset[str], BeforeValidator(parse_granularities)]


class RequestBody(WireModel):
    """Fields of every endpoint. `keep_alive` is ours: how long the model stays loaded after this request."""

    model: str = ""
    keep_alive: KeepAliveSeconds = None


class ImageUrl(WireModel):
    """An image, usually as a data: URL."""

    url: str


class ContentPart(WireModel):
    """One part of a message. `type` decides which field is used."""

    type: str = "text"
    text: str = ""
    refusal: str = ""
    image_url: Annotated[ImageUrl, text_to_object("url")] = ImageUrl(url="")

    @model_validator(mode="after")
    def check(self) -> "ContentPart":
        """Reject parts that a chat does not support, rather than answer without them.

        Raises:
            PydanticCustomError: the part's type is not supported.
            ValueError: an image has no URL.
        """
        if self.type in ("input_audio", "audio"):
            raise unsupported_error("Audio in a chat", "Send it to /v1/audio/transcriptions and send the text here.")
        if self.type not in ("text", "refusal", "image_url"):
            raise unsupported_error(f"A part of type {self.type[:40]!r}", "Use text or image_url.")
        if self.type == "image_url" and not self.image_url.url:
            raise ValueError("image_url needs a url")
        return self


class MessageBody(WireModel):
    """One message. `developer` is OpenAI's newer name of `system`."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Annotated[list[ContentPart], FailFast(), at_most(MAX_PARTS, "parts"), BeforeValidator(text_to_parts)] = (
        Field(default_factory=list)
    )


Messages = Annotated[list[MessageBody], FailFast(), at_most(MAX_MESSAGES, "messages"), Field(min_length=1)]
"""Validation stops at the first message that is invalid: an error names only that one."""


class JsonSchema(WireModel):
    """The JSON Schema of a structured answer."""

    schema_: dict[str, Any] = Field(default_factory=dict, alias="schema")


class ResponseFormat(WireModel):
    """Free text, any JSON object, or JSON that matches a schema."""

    type: Literal["text", "json_object", "json_schema"] = "text"
    json_schema: JsonSchema = JsonSchema()


class StreamOptions(WireModel):
    """What a stream has besides the answer."""

    include_usage: bool = False


class ChatBody(RequestBody):
    """POST /v1/chat/completions."""

    messages: Messages
    stream: bool = False
    stream_options: StreamOptions = StreamOptions()
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    temperature: float = Field(0.0, ge=0, le=2)
    top_p: float = Field(1.0, gt=0, le=1)
    n: int = Field(1, ge=1, le=4)
    seed: int | None = None
    stop: Annotated[list[str], BeforeValidator(text_to_list)] = Field(default_factory=list, max_length=4)
    response_format: ResponseFormat = ResponseFormat()

    @model_validator(mode="before")
    @classmethod
    def check(cls, values: Any) -> Any:
        """Reject unsupported fields that would change the meaning of the answer.

        Raises:
            PydanticCustomError: a field is not supported.
        """
        if not isinstance(values, dict):
            return values
        if "input" in values and "messages" not in values:
            raise unsupported_error("`input` without `messages`", "This is a body for /v1/responses; send it there.")
        if values.get("logprobs") or values.get("top_logprobs"):
            raise unsupported_error("logprobs", "Leave logprobs and top_logprobs out.")
        if "audio" in str(values.get("modalities", "")):
            raise unsupported_error("An audio answer", "Send the answer's text to /v1/audio/speech.")
        if values.get("web_search_options") is not None:
            raise unsupported_error("web_search_options", "Senses works offline; leave it out.")
        reject_many_tools(values)
        reject_forced_tools(values.get("tool_choice", values.get("function_call")))
        return values


def reject_forced_tools(choice: object) -> None:
    """Reject a required tool call. Optional tools are accepted: many clients always send them.

    Raises:
        PydanticCustomError: `choice` is neither "auto" nor "none".
    """
    if choice not in (None, "auto", "none"):
        name = repr(choice) if choice in ("required", "any") else "that names a tool"
        raise unsupported_error(f"tool_choice {name}", 'Senses does not call tools; use "auto" or "none".')


class ImagesBody(RequestBody):
    """POST /v1/images/generations. `seed` and `steps` are ours."""

    prompt: str = Field(min_length=1, max_length=32_000)
    n: int = Field(1, ge=1, le=10)
    size: OutputSize = None
    response_format: Literal["b64_json", "url"] = "b64_json"
    output_format: Literal["png", "jpeg", "webp"] = "png"
    output_compression: int = Field(90, ge=0, le=100)
    stream: bool = False
    partial_images: int = Field(0, ge=0, le=3)
    background: Literal["auto", "opaque"] = "auto"
    seed: int | None = Field(None, ge=0, lt=2**32)
    steps: int = Field(0, ge=0, le=50)


class TranscriptionBody(RequestBody):
    """POST /v1/audio/transcriptions and /v1/audio/translations, without the recording."""

    language: str = ""
    prompt: str = ""
    response_format: Literal["json", "text", "srt", "vtt", "verbose_json"] = "json"
    temperature: float = Field(0.0, ge=0, le=1)
    timestamp_granularities: TimestampGranularities = frozenset()
    stream: bool = False


class VoiceId(WireModel):
    """A voice given as an object."""

    id: str


class SpeechBody(RequestBody):
    """POST /v1/audio/speech. `language` is ours, for multilingual models."""

    input: str = Field(min_length=1)
    voice: Annotated[VoiceId, text_to_object("id")] = VoiceId(id="")
    response_format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] = "mp3"
    speed: float = Field(1.0, ge=0.25, le=4)
    stream_format: Literal["audio", "sse"] = "audio"
    language: str = ""
