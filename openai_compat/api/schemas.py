"""The bodies of OpenAI's endpoints, with OpenAI's names.

Unknown fields are ignored at every level, because clients send many that Senses does not need. A known field that
would change the meaning of the answer and is not supported is rejected by its name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from model_runtime.formats.durations import parse_keep_alive
from openai_compat.api.fields import parse_granularities, parse_size

Granularity = Literal["word", "segment"]
MAX_PARTS = 4096
"""Parts of one message, and of all messages of a request."""


class WireModel(BaseModel):
    """A part of a body. null means the default."""

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)  # an API that nobody uses costs no memory

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
    return BeforeValidator(
        lambda value: {key: value} if isinstance(value, str) else value,
        json_schema_input_type=str | dict[str, str],
    )


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


KeepAliveSeconds = Annotated[float | None, BeforeValidator(parse_keep_alive, json_schema_input_type=float | str)]
OutputSize = Annotated[
    tuple[int, int] | None,
    BeforeValidator(
        parse_size, json_schema_input_type=Annotated[str, Field(pattern=r"^(auto|[0-9]{2,4}x[0-9]{2,4})$")]
    ),
]
TimestampGranularities = Annotated[
    frozenset[str], BeforeValidator(parse_granularities, json_schema_input_type=Granularity | list[Granularity])
]


@dataclass(frozen=True, slots=True)
class IgnoredField:
    """Why a field has no effect, and the values that ask for nothing else than what is done anyway."""

    reason: str
    usual_values: tuple[object, ...] = ()


NO_SUCH_SETTING = "Senses' models have no such setting"


class RequestBody(WireModel):
    """Fields of every endpoint. `keep_alive` is ours: how long the model stays loaded after this request.

    Fields of `ignored` are accepted, and the answer says that they had no effect.
    """

    ignored: ClassVar[Mapping[str, IgnoredField]] = {}

    model: str = ""
    keep_alive: KeepAliveSeconds = None

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Describe the fields without effect as such."""
        described = handler(core_schema)
        properties = handler.resolve_ref_schema(described)["properties"]
        for name, field in cls.ignored.items():
            properties[name]["description"] = f"has no effect: {field.reason}"
        return described

    def ignored_warnings(self) -> tuple[str, ...]:
        """Return a sentence for each field that was sent and has no effect."""
        values = ((name, field, getattr(self, name)) for name, field in self.ignored.items())
        return tuple(
            f"{name} has no effect: {field.reason}."
            for name, field, value in values
            if value not in (None, *field.usual_values)
        )


class ImagesBody(RequestBody):
    """POST /v1/images/generations. `seed` and `steps` are ours."""

    ignored: ClassVar[Mapping[str, IgnoredField]] = {
        "quality": IgnoredField("`steps` sets how long a picture is worked on", ("auto", "standard")),
        "style": IgnoredField("say in the prompt how the picture shall look"),
        "complexity": IgnoredField(NO_SUCH_SETTING),
    }

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
    quality: Any = None
    style: Any = None
    complexity: Any = None

    @model_validator(mode="before")
    @classmethod
    def check(cls, values: Any) -> Any:
        """Reject what would make another picture.

        Raises:
            PydanticCustomError: a field is not supported.
        """
        for name in ("svg", "frame_count", "frame_duration_ms"):
            if isinstance(values, dict) and values.get(name) is not None:
                raise unsupported_error(name, "Senses draws single pictures of pixels; leave it out.")
        return values


class TranscriptionBody(RequestBody):
    """POST /v1/audio/transcriptions and /v1/audio/translations, without the recording."""

    ignored: ClassVar[Mapping[str, IgnoredField]] = {
        "chunking_strategy": IgnoredField("recordings are cut where nobody speaks", ("auto",)),
        "include": IgnoredField("segments of verbose_json have avg_logprob"),
        "keywords": IgnoredField("write the words into `prompt`"),
        "known_speaker_names": IgnoredField("no model tells speakers apart"),
        "known_speaker_references": IgnoredField("no model tells speakers apart"),
        "languages": IgnoredField("give one `language`, or none to have it detected"),
    }

    language: str = ""
    prompt: str = ""
    response_format: Literal["json", "text", "srt", "vtt", "verbose_json"] = "json"
    temperature: float = Field(0.0, ge=0, le=1)
    timestamp_granularities: TimestampGranularities = frozenset()
    stream: bool = False
    chunking_strategy: Any = None
    include: Any = None
    keywords: Any = None
    known_speaker_names: Any = None
    known_speaker_references: Any = None
    languages: Any = None


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
    instructions: str = Field("", max_length=4096)
