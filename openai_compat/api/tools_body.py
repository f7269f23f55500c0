"""The bodies of tools, of the choice among them, and of earlier calls.

/v1/chat/completions nests what a function is under `function`, /v1/responses does not: both forms are read. Format:
https://platform.openai.com/docs/api-reference/chat/create
"""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from openai_compat.api.schemas import WireModel, at_most, unsupported_error

MAX_TOOLS = 1024
FUNCTION_FIELDS = ("name", "description", "parameters", "strict")

FunctionName = Annotated[str, Field(pattern=r"^[\w.:/-]{1,128}$")]
ChoiceKind = Literal["none", "auto", "required", "function", "allowed_tools"]
ChoiceMode = Literal["none", "auto", "required"]


def nested(values: object, key: str, fields: tuple[str, ...]) -> object:
    """Return an object with its `fields` under `key`, if they stand beside it."""
    if not isinstance(values, dict) or key in values or not any(field in values for field in fields):
        return values
    return {**values, key: {field: values[field] for field in fields if field in values}}


class FunctionRef(WireModel):
    """A function by its name."""

    name: FunctionName


class FunctionBody(FunctionRef):
    """A function that the model may call. `parameters` is the JSON Schema of its arguments."""

    description: str = ""
    parameters: dict[str, Any] = Field(default_factory=dict)
    strict: bool = False


class ToolBody(WireModel):
    """A tool that the model may call."""

    type: str = "function"
    function: FunctionBody

    @model_validator(mode="before")
    @classmethod
    def check(cls, values: Any) -> Any:
        """Refuse tools that are no functions: nobody here would run them.

        Raises:
            PydanticCustomError: the tool is of another type.
        """
        if isinstance(values, dict) and values.get("type") not in (None, "function"):
            raise unsupported_error(f"A tool of type {str(values['type'])[:40]!r}", "Use functions.")
        return nested(values, "function", FUNCTION_FIELDS)


class NamedTool(WireModel):
    """A function among those that are allowed."""

    function: FunctionRef

    @model_validator(mode="before")
    @classmethod
    def nest(cls, values: Any) -> Any:
        """Read a name that stands beside the type."""
        return nested(values, "function", ("name",))


class AllowedTools(WireModel):
    """The tools of a request that its answer may call."""

    mode: Literal["auto", "required"] = "auto"
    tools: Annotated[list[NamedTool], at_most(MAX_TOOLS, "tools"), Field(min_length=1)]


class ToolChoice(WireModel):
    """Whether the model may or must call a tool, and which. "any" is Mistral's word for "required"."""

    type: ChoiceKind = "auto"
    function: FunctionRef | None = None
    allowed_tools: AllowedTools | None = None

    @model_validator(mode="before")
    @classmethod
    def nest(cls, values: Any) -> Any:
        """Read names and modes that stand beside the type."""
        if not isinstance(values, dict):
            return values
        kind = "required" if values.get("type") == "any" else values.get("type", "auto")
        if kind == "allowed_tools":
            return nested({**values, "type": kind}, "allowed_tools", ("mode", "tools"))
        return nested({**values, "type": kind}, "function", ("name",))

    @model_validator(mode="after")
    def check(self) -> "ToolChoice":
        """Refuse a choice that does not say what it chooses.

        Raises:
            ValueError: a function is chosen without its name, or tools are allowed without a list of them.
        """
        if self.type == "function" and self.function is None:
            raise ValueError("a function needs its name")
        if self.type == "allowed_tools" and self.allowed_tools is None:
            raise ValueError("allowed_tools needs a list of tools")
        return self

    @property
    def mode(self) -> ChoiceMode:
        """Whether tools may be called, must be, or must not."""
        match self.type:
            case "function":
                return "required"
            case "allowed_tools":
                return self.allowed_tools.mode if self.allowed_tools else "auto"
            case mode:
                return mode

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the tools that it chooses; empty for all."""
        if self.type == "function" and self.function:
            return (self.function.name,)
        if self.type == "allowed_tools" and self.allowed_tools:
            return tuple(tool.function.name for tool in self.allowed_tools.tools)
        return ()


def arguments_to_text(value: object) -> object:
    """Convert arguments that were sent as an object to JSON text."""
    return json.dumps(value) if isinstance(value, dict) else value


class CalledFunction(FunctionRef):
    """The function of an earlier call. `arguments` is JSON text."""

    arguments: Annotated[str, BeforeValidator(arguments_to_text, json_schema_input_type=str | dict[str, Any])] = ""


class ToolCallBody(WireModel):
    """An earlier call of a tool. `id` names it where its result is told."""

    id: str = ""
    function: CalledFunction


Tools = Annotated[list[ToolBody], at_most(MAX_TOOLS, "tools")]
ToolChoiceValue = Annotated[
    ToolChoice,
    BeforeValidator(
        lambda value: {"type": value} if isinstance(value, str) else value,
        json_schema_input_type=ChoiceMode | ToolChoice,
    ),
]
ToolCalls = Annotated[list[ToolCallBody], at_most(MAX_TOOLS, "tool calls")]


def with_tool_calls(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return a message with the deprecated `function_call` as a tool call, and its result, of the role function, as one.

    Both had no id: the function's name takes its place.
    """
    call = message.get("function_call")
    if isinstance(call, dict):
        return {**message, "tool_calls": [{"id": call.get("name"), "function": call}]}
    if message.get("role") == "function":
        return {**message, "tool_call_id": message.get("name")}
    return dict(message)
