"""The bodies of OpenAI's endpoints, with OpenAI's names.

Unknown fields are ignored at every level, because clients send many that mean nothing here. A field that would
change what the answer means is checked, and refused with its name where it cannot be honoured.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from model_runtime.formats.durations import parse_keep_alive
from openai_compat.api.fields import parse_granularities, parse_size


class WireModel(BaseModel):
    """A part of a body; null means the default."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def drop_nulls(cls, values: Any) -> Any:
        """Take explicit nulls out, so that they mean the same as a field left out."""
        return (
            {key: value for key, value in values.items() if value is not None} if isinstance(values, dict) else values
        )


def unsupported_error(feature: str, advice: str) -> PydanticCustomError:
    """An error for something we understand and do not do."""
    return PydanticCustomError(
        "unsupported_value", "{what} is not supported. {advice}", {"what": feature, "advice": advice}
    )


def text_to_parts(value: object) -> object:
    """Read a bare text as a message's only part."""
    return [{"type": "text", "text": value}] if isinstance(value, str) else value


def text_to_list(value: object) -> object:
    """Read a bare text as a list of one."""
    return [value] if isinstance(value, str) else value


def text_to_object(key: str) -> BeforeValidator:
    """Read a bare text as an object with that text under `key`."""
    return BeforeValidator(lambda value: {key: value} if isinstance(value, str) else value)


KeepAliveSeconds = Annotated[float | None, BeforeValidator(parse_keep_alive)]
OutputSize = Annotated[tuple[int, int] | None, BeforeValidator(parse_size)]
TimestampGranularities = Annotated[frozenset[str], BeforeValidator(parse_granularities)]


class RequestBody(WireModel):
    """What every endpoint takes. `keep_alive` is ours: for how long the model stays after this request."""

    model: str = ""
    keep_alive: KeepAliveSeconds = None


class ImageUrl(WireModel):
    """A picture, nearly always as a data: URL."""

    url: str


class ContentPart(WireModel):
    """One piece of a message; which field counts depends on `type`."""

    type: str = "text"
    text: str = ""
    refusal: str = ""
    image_url: Annotated[ImageUrl, text_to_object("url")] = ImageUrl(url="")

    @model_validator(mode="after")
    def check(self) -> "ContentPart":
        """Refuse what a chat here cannot take in, rather than answer without it."""
        if self.type in ("input_audio", "audio"):
            raise unsupported_error("Sound in a chat", "Send it to /v1/audio/transcriptions and pass the text on.")
        if self.type not in ("text", "refusal", "image_url"):
            raise unsupported_error(f"A part of type {self.type[:40]!r}", "Parts are text or image_url.")
        if self.type == "image_url" and not self.image_url.url:
            raise ValueError("image_url needs a url")
        return self


class MessageBody(WireModel):
    """One turn; `developer` is the newer name of `system`."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Annotated[list[ContentPart], BeforeValidator(text_to_parts)] = Field(default_factory=list)


class JsonSchema(WireModel):
    """The shape a structured answer must have."""

    schema_: dict[str, Any] = Field(default_factory=dict, alias="schema")


class ResponseFormat(WireModel):
    """Free text, any JSON object, or a schema."""

    type: Literal["text", "json_object", "json_schema"] = "text"
    json_schema: JsonSchema = JsonSchema()


class StreamOptions(WireModel):
    """What a stream reports besides the answer."""

    include_usage: bool = False


class ChatBody(RequestBody):
    """POST /v1/chat/completions."""

    messages: list[MessageBody] = Field(min_length=1)
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
        """Refuse what would change the meaning of the answer and cannot be honoured."""
        if not isinstance(values, dict):
            return values
        if "input" in values and "messages" not in values:
            raise unsupported_error("`input` without `messages`", "This is a body for /v1/responses; send it there.")
        if values.get("logprobs") or values.get("top_logprobs"):
            raise unsupported_error("logprobs", "Leave logprobs and top_logprobs out.")
        if "audio" in str(values.get("modalities", "")):
            raise unsupported_error("An answer as sound", "Send the answer's text to /v1/audio/speech.")
        if values.get("web_search_options") is not None:
            raise unsupported_error("web_search_options", "Senses works offline; leave it out.")
        reject_forced_tools(values.get("tool_choice", values.get("function_call")))
        return values


def reject_forced_tools(choice: object) -> None:
    """Refuse a tool call that must happen. Offering tools is fine: clients do so always, and no call is an answer."""
    if choice not in (None, "auto", "none"):
        name = repr(choice) if choice in ("required", "any") else "that names a tool"
        raise unsupported_error(f"tool_choice {name}", 'The models here call no tools; use "auto" or "none".')


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
    """POST /v1/audio/transcriptions and /v1/audio/translations, without the sound itself."""

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
    """POST /v1/audio/speech. `language` is ours, for models that speak several."""

    input: str = Field(min_length=1)
    voice: Annotated[VoiceId, text_to_object("id")] = VoiceId(id="")
    response_format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] = "mp3"
    speed: float = Field(1.0, ge=0.25, le=4)
    stream_format: Literal["audio", "sse"] = "audio"
    language: str = ""
