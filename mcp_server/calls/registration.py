"""Register the functions of tools with the server, and word their errors for agents."""

import re
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from mcp.server import MCPServer
from mcp_types import CallToolResult, ToolAnnotations

from mcp_server.calls.search_words import SEARCH_META, SEARCH_WORDS
from mcp_server.files.client import ClientConnection
from mcp_server.launcher.commands import absolute_senses_command
from model_runtime.errors import SensesError

ToolFunction = TypeVar("ToolFunction", bound=Callable[..., Awaitable[CallToolResult]])

PULL_COMMAND = re.compile(r"(?<![\w/-])senses pull ([\w-]+(?:/[\w.-]*\w)?)")
"""The command that downloads a model, in a message of the runtime; its group is the model's name."""


def tool(
    server: MCPServer[ClientConnection],
    *,
    title: str,
    read_only: bool = False,
    idempotent: bool = False,
    destructive: bool = False,
    open_world: bool = False,
    meta: dict[str, Any] | None = None,
) -> Callable[[ToolFunction], ToolFunction]:
    """Register a tool under its function's name and docstring.

    `destructive` means that it can replace a file, `open_world` that it reaches other machines.
    """
    annotations = ToolAnnotations(
        read_only_hint=read_only,
        destructive_hint=destructive,
        idempotent_hint=idempotent or read_only,
        open_world_hint=open_world,
    )

    def register(function: ToolFunction) -> ToolFunction:
        description = " ".join((function.__doc__ or "").split())
        about = {SEARCH_META: SEARCH_WORDS[function.__name__]} | (meta or {})
        return server.tool(title=title, description=description, annotations=annotations, meta=about)(function)

    return register


def error_text(error: SensesError) -> str:
    """Return the message of an error with its code and, if a retry may help, the seconds to wait.

    A command that downloads a model becomes the tool that does so, and the command as a person can type it.
    """
    retry = f"; retry after {error.retry_after_seconds:.0f} s" if error.retry_after_seconds is not None else ""
    return f"{PULL_COMMAND.sub(_ways_to_download, error.message)} [code: {error.code}{retry}]"


def _ways_to_download(command: re.Match[str]) -> str:
    return (
        f'download_model(model="{command[1]}") once the user agrees, or in a terminal '
        f"{absolute_senses_command()} pull {command[1]}"
    )
