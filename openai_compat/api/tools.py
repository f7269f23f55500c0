"""Tools in the runtime's words, and calls in OpenAI's. All endpoints with conversations use them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from model_runtime.errors import InvalidInput
from model_runtime.events import ToolCallDelta
from model_runtime.requests import Chat, Message, Tool, ToolCall
from openai_compat.api.tools_body import ChoiceMode, ToolBody, ToolCallBody, ToolChoice

MAX_SHOWN_TOOLS = 8
"""Names of tools in an error."""


@dataclass(frozen=True, slots=True)
class ToolUse:
    """The tools of a request and how they may be called; see `Chat`."""

    tools: tuple[Tool, ...] = ()
    choice: ChoiceMode = "auto"
    forced_tool: str = ""
    is_parallel: bool = True

    def apply(self, chat: Chat) -> Chat:
        """Return the chat with these tools."""
        return replace(
            chat,
            tools=self.tools,
            tool_choice=self.choice,
            forced_tool=self.forced_tool,
            parallel_tool_calls=self.is_parallel,
        )


NO_TOOLS = ToolUse()


def read_tool_use(tools: Sequence[ToolBody], choice: ToolChoice, *, is_parallel: bool) -> ToolUse:
    """Return the tools that a request lets the model call.

    Raises:
        InvalidInput: the choice names a tool that the request does not have.
    """
    offered = {body.function.name: to_tool(body) for body in tools}
    unknown = [name for name in choice.names if name not in offered]
    if unknown:
        known = ", ".join(list(offered)[:MAX_SHOWN_TOOLS]) or "none"
        raise InvalidInput(
            f"tool_choice names the tool {unknown[0]!r}, which is not among tools ({known}). Add it, or name another.",
            param="tool_choice",
        )
    if choice.type == "allowed_tools":
        return ToolUse(tuple(offered[name] for name in offered if name in choice.names), choice.mode, "", is_parallel)
    return ToolUse(tuple(offered.values()), choice.mode, "".join(choice.names), is_parallel)


def to_tool(body: ToolBody) -> Tool:
    """Return a tool of the runtime."""
    function = body.function
    return Tool(function.name, function.description, json.dumps(function.parameters), function.strict)


def to_tool_call(body: ToolCallBody) -> ToolCall:
    """Return an earlier call."""
    return ToolCall(body.id, body.function.name, body.function.arguments)


def join_tool_calls(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Return the messages with calls that follow an assistant's message in that message, as models' templates expect.

    /v1/responses has an item for each call; clients of chats send a message for each one, too.
    """
    joined: list[Message] = []
    for message in messages:
        last = joined[-1] if joined else None
        if last and last.role == message.role == "assistant" and message.tool_calls and not message.content:
            joined[-1] = replace(last, tool_calls=last.tool_calls + message.tool_calls)
        else:
            joined.append(message)
    return tuple(joined)


def tool_calls_json(calls: Sequence[ToolCall]) -> list[dict[str, Any]]:
    """Return the calls of a whole answer."""
    return [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in calls
    ]


def tool_call_delta_json(delta: ToolCallDelta) -> dict[str, Any]:
    """Return one part of a call; the first has its id and name, which OpenAI's clients wait for."""
    function = {"arguments": delta.arguments}
    if not delta.id:
        return {"index": delta.index, "function": function}
    return {"index": delta.index, "id": delta.id, "type": "function", "function": {"name": delta.name, **function}}
