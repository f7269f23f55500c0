"""Validate the tools of chats. Reads the model's chat template and imports no library."""

import json
from collections.abc import Mapping
from pathlib import Path

from model_runtime.catalog.model import Model
from model_runtime.catalog.tool_formats import ToolFormat, tool_format_of
from model_runtime.errors import InvalidInput
from model_runtime.requests import Chat, Request, Tool

MAX_SHOWN_TOOLS = 8


def validate(request: Chat, model: Model, folders: Mapping[str, Path]) -> None:
    """Check the tools of a chat, and that the model can be made to call one if it must.

    Raises:
        InvalidInput: a tool cannot be used, or the model cannot call the one that it must.
    """
    _check_names(request)
    for tool in request.tools:
        _check_parameters(tool)
    if request.tool_choice == "required":
        _check_required(request, model, tool_format_of(model, folders))


def tool_warnings(request: Request, model: Model, folders: Mapping[str, Path]) -> tuple[str, ...]:
    """Return a warning if a chat offers tools to a model that cannot call any; clients offer them always."""
    if not isinstance(request, Chat) or not request.tools or request.tool_choice == "none":
        return ()
    if tool_format_of(model, folders):
        return ()
    return (f"The tools had no effect: {_cannot_call(model)}. It answered as if there were none.",)


def _check_names(request: Chat) -> None:
    names = [tool.name for tool in request.tools]
    twice = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None
    if twice is not None:
        raise InvalidInput(f"Two tools have the name {twice!r}. Give each its own.", param="tools")
    if request.forced_tool and request.forced_tool not in names:
        known = ", ".join(names[:MAX_SHOWN_TOOLS]) or "none"
        raise InvalidInput(
            f"tool_choice names the tool {request.forced_tool!r}, which is not among tools ({known}). Add it.",
            param="tool_choice",
        )


def _check_parameters(tool: Tool) -> None:
    try:
        f"{tool.name}{tool.description}{tool.parameters}".encode()
        parsed = json.loads(tool.parameters)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"The tool {tool.name!r} cannot be read: {error}. Correct it.", param="tools") from error
    if not isinstance(parsed, dict):
        reason = (
            f"The parameters of {tool.name!r} are a {type(parsed).__name__}; they must be a JSON schema, an object."
        )
        raise InvalidInput(reason, param="tools")


def _check_required(request: Chat, model: Model, tool_format: ToolFormat | None) -> None:
    if not request.tools:
        raise InvalidInput("tool_choice requires a call, but tools is empty. Send tools.", param="tool_choice")
    if tool_format is not None and tool_format.forced is not None:
        return
    reason = _cannot_call(model) if tool_format is None else f"{model.name} calls tools only when it wants to"
    raise InvalidInput(
        f'tool_choice requires a call, but {reason}. Set tool_choice to "auto", or choose a model with a template for '
        "tools, such as llm-fast.",
        param="tool_choice",
        code="unsupported_value",
    )


def _cannot_call(model: Model) -> str:
    return f"{model.name} cannot call tools, because its chat template has none or has them in a form unknown to Senses"
