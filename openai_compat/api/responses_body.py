"""The body of /v1/responses, whose input is converted to chat messages."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from openai_compat.api.chat_body import JsonSchema, Messages, SamplingBody
from openai_compat.api.response_items import items_to_messages
from openai_compat.api.schemas import NO_SUCH_SETTING, IgnoredField, WireModel, unsupported_error
from openai_compat.api.tools_body import ToolBody, ToolChoice, ToolChoiceValue, Tools

LOGPROBS = "message.output_text.logprobs"
ENCRYPTED_REASONING = "reasoning.encrypted_content"
UNSUPPORTED_FIELDS: Mapping[str, str] = {
    "conversation": "Continue a response with previous_response_id, or send the whole conversation as `input`.",
    "prompt": "Write the prompt itself into `instructions` and `input`.",
    "background": "Leave it out, or set stream.",
    "moderation": "Senses has no moderation model; leave it out.",
    "context_management": "Send a shorter conversation when the context is full.",
}
"""Field → what to do instead."""

MetadataText = Annotated[str, Field(max_length=512)]


class ResponseTextFormat(JsonSchema):
    """Format of the answer. Unlike in a chat completion, the schema is a sibling of the type."""

    type: Literal["text", "json_object", "json_schema"] = "text"
    name: str = "answer"

    def to_json(self) -> dict[str, Any]:
        """Return the format as the response repeats it."""
        if self.type != "json_schema":
            return {"type": self.type}
        return {"type": self.type, "name": self.name, "schema": self.schema_}


class ResponseTextOptions(WireModel):
    """Options of the text."""

    format: ResponseTextFormat = ResponseTextFormat()
    verbosity: Any = None


class ResponsesBody(SamplingBody):
    """POST /v1/responses. `metadata` is repeated in the response."""

    ignored: ClassVar[Mapping[str, IgnoredField]] = {
        "reasoning": IgnoredField("models think as they were made to"),
        "truncation": IgnoredField("a conversation that does not fit is refused", ("disabled",)),
        "image": IgnoredField("pictures are read as they are", ({"context_compression": "disabled"},)),
    }

    input: Annotated[Messages, BeforeValidator(items_to_messages, json_schema_input_type=str | list[dict[str, Any]])]
    instructions: str = ""
    previous_response_id: str = ""
    store: bool = True
    metadata: dict[Annotated[str, Field(max_length=64)], MetadataText] = Field(default_factory=dict, max_length=16)
    max_output_tokens: int | None = Field(None, ge=1)
    stream: bool = False
    text: ResponseTextOptions = ResponseTextOptions()
    include: list[str] = Field(default_factory=list)
    top_logprobs: int = Field(0, ge=0, le=20)
    tools: Tools = Field(default_factory=list)
    tool_choice: ToolChoiceValue = ToolChoice()
    parallel_tool_calls: bool = True
    reasoning: Any = None
    truncation: Any = None
    image: Any = None

    @model_validator(mode="before")
    @classmethod
    def check(cls, values: Any) -> Any:
        """Reject unsupported fields that would change the meaning of the answer.

        Raises:
            PydanticCustomError: a field is not supported.
        """
        if not isinstance(values, dict):
            return values
        for name, advice in UNSUPPORTED_FIELDS.items():
            if values.get(name):
                raise unsupported_error(name, advice)
        options = values.get("prompt_cache_options")
        if isinstance(options, dict) and options.get("prewarm"):
            raise unsupported_error(
                "prompt_cache_options.prewarm", "Leave it out: prompts are cached when they are read."
            )
        return values

    @property
    def logprob_count(self) -> int | None:
        """How many of the likeliest tokens are told in place of each, None for no log-probabilities."""
        return self.top_logprobs if self.top_logprobs or LOGPROBS in self.include else None

    def ignored_warnings(self) -> tuple[str, ...]:
        """Return a sentence for each field that was sent and has no effect."""
        verbosity = ["text.verbosity"] if self.text.verbosity not in (None, "medium") else []
        encrypted = [f"include {ENCRYPTED_REASONING}"] if ENCRYPTED_REASONING in self.include else []
        own = [f"{name} has no effect: {NO_SUCH_SETTING}." for name in verbosity]
        own += [f"{name} has no effect: reasoning is in plain text, and not read again." for name in encrypted]
        return (*super().ignored_warnings(), *own)


def tool_json(tool: ToolBody) -> dict[str, Any]:
    """Return a tool as the response repeats it."""
    return {"type": "function", **tool.function.model_dump()}


def tool_choice_json(choice: ToolChoice) -> str | dict[str, Any]:
    """Return the choice among tools as the response repeats it."""
    if choice.type not in ("function", "allowed_tools"):
        return choice.type
    named = [{"type": "function", "name": name} for name in choice.names]
    return named[0] if choice.type == "function" else {"type": choice.type, "mode": choice.mode, "tools": named}
