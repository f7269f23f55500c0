"""The bodies of chats, with OpenAI's names: messages, how tokens are chosen, and the form of the answer."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, FailFast, Field, model_validator

from model_runtime.validation.chat import MAX_STOP_STRINGS
from openai_compat.api.schemas import (
    MAX_PARTS,
    NO_SUCH_SETTING,
    IgnoredField,
    RequestBody,
    VoiceId,
    WireModel,
    at_most,
    text_to_list,
    text_to_object,
    text_to_parts,
    unsupported_error,
)
from openai_compat.api.tools_body import ToolCalls, ToolChoice, ToolChoiceValue, Tools, with_tool_calls

MAX_MESSAGES = 4096
MAX_CHOICES = 16
"""Answers to one request."""
MAX_BIASES = 1024

TokenId = Annotated[int, Field(ge=0, lt=2**31)]
LogitBias = Annotated[dict[TokenId, Annotated[float, Field(ge=-100, le=100)]], Field(max_length=MAX_BIASES)]
StopTexts = Annotated[
    list[str], Field(max_length=MAX_STOP_STRINGS), BeforeValidator(text_to_list, json_schema_input_type=str | list[str])
]

Modality = Literal["text", "audio"]
Modalities = Annotated[list[Modality], BeforeValidator(text_to_list, json_schema_input_type=Modality | list[Modality])]


class ImageUrl(WireModel):
    """An image, usually as a data: URL."""

    url: str


class InputAudio(WireModel):
    """A recording in base64. Its content tells the format."""

    data: str = ""


class ContentPart(WireModel):
    """One part of a message. `type` decides which field is used."""

    type: str = "text"
    text: str = ""
    refusal: str = ""
    image_url: Annotated[ImageUrl, text_to_object("url")] = ImageUrl(url="")
    input_audio: InputAudio = InputAudio()

    @model_validator(mode="after")
    def check(self) -> "ContentPart":
        """Reject parts that a chat does not support, rather than answer without them.

        Raises:
            PydanticCustomError: the part's type is not supported.
            ValueError: an image has no URL, or a recording no data.
        """
        if self.type not in ("text", "refusal", "image_url", "input_audio"):
            raise unsupported_error(f"A part of type {self.type[:40]!r}", "Use text, image_url or input_audio.")
        if self.type == "image_url" and not self.image_url.url:
            raise ValueError("image_url needs a url")
        if self.type == "input_audio" and not self.input_audio.data:
            raise ValueError("input_audio needs data, the recording in base64")
        return self


class SpokenAnswer(WireModel):
    """A spoken answer of before, by the id that it had."""

    id: str = ""


class MessageBody(WireModel):
    """One message. `developer` is OpenAI's newer name of `system`; `audio` stands for what was said in an answer."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Annotated[
        list[ContentPart],
        FailFast(),
        at_most(MAX_PARTS, "parts"),
        BeforeValidator(text_to_parts, json_schema_input_type=str | list[ContentPart]),
    ] = Field(default_factory=list)
    tool_calls: ToolCalls = Field(default_factory=list)
    tool_call_id: str = ""

    @model_validator(mode="before")
    @classmethod
    def convert_function_call(cls, values: Any) -> Any:
        """Read calls and results in their deprecated form."""
        return with_tool_calls(values) if isinstance(values, dict) else values

    audio: SpokenAnswer = SpokenAnswer()


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


class AudioOptions(WireModel):
    """How an answer is spoken. `model` is ours. Without a format a stream has `pcm16`, a whole answer `wav`."""

    voice: Annotated[VoiceId, text_to_object("id")] = VoiceId(id="")
    format: Literal["wav", "mp3", "opus", "aac", "flac", "pcm16"] | None = None
    model: str = ""


class SamplingBody(RequestBody):
    """How tokens are chosen. `top_k`, `min_p` and `repetition_penalty` are vLLM's names, which many clients send."""

    temperature: float = Field(1.0, ge=0, le=2)
    top_p: float = Field(1.0, gt=0, le=1)
    top_k: int = Field(0, ge=-1)
    min_p: float = Field(0.0, ge=0, le=1)
    frequency_penalty: float = Field(0.0, ge=-2, le=2)
    presence_penalty: float = Field(0.0, ge=-2, le=2)
    repetition_penalty: float = Field(1.0, gt=0, le=10)
    logit_bias: LogitBias = Field(default_factory=dict)
    seed: int | None = None
    stop: StopTexts = Field(default_factory=list)


class ChatBody(SamplingBody):
    """POST /v1/chat/completions."""

    ignored: ClassVar[Mapping[str, IgnoredField]] = {
        "reasoning_effort": IgnoredField(NO_SUCH_SETTING),
        "verbosity": IgnoredField(NO_SUCH_SETTING, ("medium",)),
    }

    messages: Messages
    stream: bool = False
    stream_options: StreamOptions = StreamOptions()
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    n: int = Field(1, ge=1, le=MAX_CHOICES)
    response_format: ResponseFormat = ResponseFormat()
    logprobs: bool = False
    top_logprobs: int = Field(0, ge=0, le=20)
    modalities: Modalities = Field(default_factory=list)
    audio: AudioOptions = AudioOptions()
    tools: Tools = Field(default_factory=list)
    tool_choice: ToolChoiceValue = ToolChoice()
    parallel_tool_calls: bool = True
    reasoning_effort: Any = None
    verbosity: Any = None

    @property
    def is_spoken(self) -> bool:
        """Whether the answer is to be spoken."""
        return "audio" in self.modalities

    @model_validator(mode="before")
    @classmethod
    def check(cls, values: Any) -> Any:
        """Reject unsupported fields that would change the meaning of the answer.

        Raises:
            PydanticCustomError: a field is not supported.
            ValueError: `top_logprobs` is without `logprobs`.
        """
        if not isinstance(values, dict):
            return values
        if "input" in values and "messages" not in values:
            raise unsupported_error("`input` without `messages`", "This is a body for /v1/responses; send it there.")
        if values.get("top_logprobs") and not values.get("logprobs"):
            raise ValueError("top_logprobs needs logprobs: true")
        if values.get("moderation"):
            raise unsupported_error("moderation", "Senses has no moderation model; leave it out.")
        if values.get("web_search_options") is not None:
            raise unsupported_error("web_search_options", "Senses works offline; leave it out.")
        for name in ("functions", "function_call"):
            if values.get(name) not in (None, [], "auto", "none"):
                advice = "Send functions as tools, and the choice among them as tool_choice."
                raise unsupported_error(f"{name}, which is deprecated,", advice)
        return values

    def ignored_warnings(self) -> tuple[str, ...]:
        """Return a sentence for each field that was sent and has no effect."""
        is_unheard = self.audio != AudioOptions() and not self.is_spoken
        unheard = ('audio has no effect: modalities has no "audio".',) if is_unheard else ()
        return (*super().ignored_warnings(), *unheard)

    @model_validator(mode="after")
    def check_speech(self) -> "ChatBody":
        """Refuse what a spoken answer cannot have.

        Raises:
            PydanticCustomError: several answers, a schema or log-probabilities are asked for.
        """
        asked_for = {"n": self.n > 1, "response_format": self.response_format.type != "text", "logprobs": self.logprobs}
        if self.is_spoken and (name := next((name for name, is_asked in asked_for.items() if is_asked), "")):
            raise unsupported_error(f"{name} with an audio answer", 'Leave it out, or leave out "audio" of modalities.')
        return self
