"""The bodies of /v1/messages and /v1/messages/count_tokens, with Anthropic's names.

As in OpenAI's bodies, unknown fields are ignored. A known field that would change the answer and is not supported is
refused by its name, or told in the answer's warnings.
"""

from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import FailFast, Field, model_validator

from openai_compat.api.anthropic.blocks import (
    Block,
    Blocks,
    DocumentBlock,
    ResultBlock,
    SearchResultBlock,
    SystemBlocks,
    ToolResultBlock,
)
from openai_compat.api.chat_body import MAX_MESSAGES, JsonSchema
from openai_compat.api.schemas import RequestBody, WireModel, at_most, unsupported_error
from openai_compat.api.tools_body import MAX_TOOLS

OFFLINE_ADVICE = "Senses works offline and runs no tools: let your program run them, with an input_schema."
CUSTOM_ADVICE = "Models here know no tools by type: describe it with name, description and input_schema."
SERVER_TOOLS = ("web_search", "web_fetch", "code_execution", "tool_search")
REFUSED_FIELDS = {
    "compaction": "Ask for a summary in a message.",
    "container": "Senses runs no code; leave it out.",
    "mcp_servers": "Senses connects to no MCP servers for a chat; let your program do it, and send its tools.",
}
"""Field → what to do without it."""


class AnthropicMessage(WireModel):
    """One turn. A user's turn has the results of tools, an assistant's its calls."""

    role: Literal["user", "assistant", "system"]
    content: Blocks

    @model_validator(mode="after")
    def check(self) -> Self:
        """Refuse calls and results of tools in the wrong turn.

        Raises:
            ValueError: there is one.
        """
        for kind, role in (("tool_use", "assistant"), ("tool_result", "user")):
            if self.role != role and any(block.type == kind for block in self.content):
                raise ValueError(f"a {kind} block belongs into a message of the {role}, not of the {self.role}")
        return self


class AnthropicTool(WireModel):
    """A tool that the client runs."""

    type: str = "custom"
    name: str = Field(min_length=1, max_length=128)
    description: str = ""
    input_schema: dict[str, Any] = Field(default_factory=dict)
    strict: bool = False
    defer_loading: bool = False

    @model_validator(mode="after")
    def check(self) -> Self:
        """Refuse tools that Anthropic runs or describes.

        Raises:
            PydanticCustomError: it is one of them.
        """
        if self.type != "custom":
            advice = OFFLINE_ADVICE if self.type.startswith(SERVER_TOOLS) else CUSTOM_ADVICE
            raise unsupported_error(f"A tool of type {self.type[:40]!r}", advice)
        return self


class AnthropicToolChoice(WireModel):
    """Whether tools may, must or must not be called."""

    type: Literal["auto", "any", "tool", "none"] = "auto"
    name: str = ""
    disable_parallel_tool_use: bool = False


class Thinking(WireModel):
    """Whether the answer shows what the model thinks."""

    type: Literal["enabled", "adaptive", "disabled", "between_tools"] = "disabled"
    display: Literal["summarized", "omitted"] = "summarized"
    budget_tokens: int | None = None

    @property
    def is_shown(self) -> bool:
        """Whether the answer has blocks of thinking."""
        return self.type in ("enabled", "adaptive") and self.display != "omitted"


class OutputFormat(JsonSchema):
    """The JSON Schema of a structured answer."""

    type: Literal["json_schema"] = "json_schema"


class OutputConfig(WireModel):
    """The form of the answer."""

    format: OutputFormat | None = None
    effort: str | None = None


class CountTokensBody(RequestBody):
    """POST /v1/messages/count_tokens: all that is a part of the prompt. `output_format` is an older name of a part of `output_config`."""

    messages: Annotated[list[AnthropicMessage], FailFast(), at_most(MAX_MESSAGES, "messages"), Field(min_length=1)]
    system: SystemBlocks = Field(default_factory=list)
    tools: Annotated[list[AnthropicTool], FailFast(), at_most(MAX_TOOLS, "tools")] = Field(default_factory=list)
    tool_choice: AnthropicToolChoice = AnthropicToolChoice()
    thinking: Thinking = Thinking()
    output_config: OutputConfig = OutputConfig()
    output_format: OutputFormat | None = None
    context_management: dict[str, Any] | None = None
    thread: dict[str, Any] | None = None

    @model_validator(mode="before")
    @classmethod
    def refuse_fields(cls, values: Any) -> Any:
        """Refuse fields that would change the answer and are not supported.

        Raises:
            PydanticCustomError: there is one.
        """
        if isinstance(values, dict):
            for name, advice in REFUSED_FIELDS.items():
                if values.get(name):
                    raise unsupported_error(name, advice)
        return values

    @model_validator(mode="after")
    def check_tool_choice(self) -> Self:
        """Refuse to force a tool that is not there.

        Raises:
            ValueError: it is not.
        """
        names = [tool.name for tool in self.tools]
        if self.tool_choice.type == "tool" and self.tool_choice.name not in names:
            raise ValueError(f"tool_choice names {self.tool_choice.name[:60]!r}, which is not among the tools")
        if self.tool_choice.type == "any" and not names:
            raise ValueError("tool_choice is 'any', but there are no tools")
        return self

    @property
    def answer_format(self) -> OutputFormat | None:
        """The schema of the answer, None for free text."""
        return self.output_config.format or self.output_format

    def ignored_warnings(self) -> tuple[str, ...]:
        """Return a sentence for each thing that was sent and has no effect."""
        return tuple(self._ignored())

    def _ignored(self) -> Iterator[str]:
        if self.output_config.effort:
            yield "output_config.effort has no effect: Senses' models have no such setting."
        if self.thinking.budget_tokens is not None:
            yield "thinking.budget_tokens has no effect: max_tokens limits thinking and answer together."
        if self.context_management and self.context_management.get("edits"):
            yield "context_management has no effect: the model is given the whole conversation, without earlier thinking."
        if any(tool.defer_loading for tool in self.tools):
            yield "defer_loading has no effect: the model is told of every tool."
        if any(block.citations.enabled for message in self.messages for block in _documents(message.content)):
            yield "citations has no effect: the answer cites nothing."


def _documents(blocks: Iterable[Block | ResultBlock]) -> Iterator[DocumentBlock | SearchResultBlock]:
    """Yield all documents and search results, also those that tools returned."""
    for block in blocks:
        if isinstance(block, ToolResultBlock):
            yield from _documents(block.content)
        elif isinstance(block, DocumentBlock | SearchResultBlock):
            yield block


class MessagesBody(CountTokensBody):
    """POST /v1/messages."""

    max_tokens: int = Field(ge=1)
    stream: bool = False
    stop_sequences: list[str] = Field(default_factory=list, max_length=16)
    temperature: float = Field(1.0, ge=0, le=1)
    top_p: float = Field(1.0, gt=0, le=1)
    top_k: int = Field(0, ge=0)

    @model_validator(mode="after")
    def refuse_prefill(self) -> Self:
        """Refuse to continue an assistant's turn, in Anthropic's words.

        Raises:
            ValueError: the last turn is one.
        """
        if self.messages[-1].role == "assistant":
            raise ValueError(
                "This model does not support assistant message prefill. The conversation must end with a user message"
            )
        return self
