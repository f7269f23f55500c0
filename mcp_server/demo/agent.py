"""An MCP client that connects through a shim, as Claude Code does."""

import os
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcp import Client, MCPError, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp_types import CallToolResult, Implementation, TextContent

from mcp_server.client_setup.config_files import shim_command
from mcp_server.launcher.paths import VERSION
from model_runtime.errors import SensesError

CONNECT_TIMEOUT_SECONDS = 75.0
"""More than the shim's own `START_TIMEOUT_SECONDS`."""
STEP_TIMEOUT_SECONDS = 600
"""Enough for the largest models to load and draw."""
REPLY_GRACE_SECONDS = 15.0
"""How much longer than the tool waits the client waits for its reply."""


class DaemonNotReached(SensesError):
    """No daemon serves, and none could be started; `reason` is the shim's error."""

    code = "not_reached"

    def __init__(self, reason: str) -> None:
        super().__init__(f"Senses does not answer: {reason}\nTry again, or run `senses doctor`.")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class CallResult:
    """The structured result of a tool call, its seconds, and the error message if the call failed."""

    data: dict[str, Any]
    seconds: float
    error: str = ""


@dataclass(frozen=True, slots=True)
class DemoClient:
    """One connection to the shared daemon."""

    client: Client

    async def call(self, tool: str, **arguments: Any) -> CallResult:
        """Call a tool and wait for its result; a failure is returned as `error`."""
        started_at = time.monotonic()
        data: dict[str, Any] = {}
        try:
            result = await self.client.call_tool(
                tool,
                arguments | {"wait_seconds": STEP_TIMEOUT_SECONDS},
                read_timeout_seconds=STEP_TIMEOUT_SECONDS + REPLY_GRACE_SECONDS,
            )
            data, error = dict(result.structured_content or {}), _error_of(result)
        except MCPError as failure:
            error = f"{failure}. `senses status` shows the folder of the log."
        return CallResult(data, time.monotonic() - started_at, error)

    async def list_models(self) -> list[dict[str, Any]]:
        """Return what the tool `media_status` says of every model."""
        result = await self.client.call_tool("media_status", {"section": "models"})
        return list((result.structured_content or {}).get("models", ()))


@asynccontextmanager
async def connect_through_shim(folder: Path) -> AsyncGenerator[DemoClient]:
    """Connect through a shim that may write into `folder`; the shim starts the daemon if none runs.

    Raises:
        DaemonNotReached: the shim fails twice.
    """
    async with AsyncExitStack() as stack:
        try:
            client = await _connect(stack, folder)
        except DaemonNotReached:
            client = await _connect(stack, folder)  # a daemon that started slowly is ready by now
        yield DemoClient(client)


async def _connect(stack: AsyncExitStack, folder: Path) -> Client:
    parameters = StdioServerParameters(command=shim_command(), args=[str(folder)], env=dict(os.environ))
    info = Implementation(name="senses demo", version=VERSION)
    with tempfile.TemporaryFile("w+", encoding="utf-8") as shim_stderr:
        transport = stdio_client(parameters, shim_stderr)
        client = Client(transport, read_timeout_seconds=CONNECT_TIMEOUT_SECONDS, client_info=info)
        try:
            return await stack.enter_async_context(client)
        except (MCPError, OSError, ExceptionGroup) as error:
            shim_stderr.seek(0)
            raise DaemonNotReached(shim_stderr.read().strip() or "senses-mcp exited without a message") from error


def _error_of(result: CallToolResult) -> str:
    """Return the error message of a call that failed or still runs; empty for a result."""
    if result.is_error:
        return " ".join(block.text for block in result.content if isinstance(block, TextContent))
    if (result.structured_content or {}).get("status") == "running":
        return f"The call still runs after {STEP_TIMEOUT_SECONDS} s. `senses status` shows its progress."
    return ""
