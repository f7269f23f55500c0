"""The demo as an agent: an MCP client of its own, started and talking as Claude Code's is."""

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

CONNECT_SECONDS = 45.0
"""A shim gives up after 20, the daemon's start included."""
STEP_SECONDS = 600
"""The largest models load and draw in this."""
GRACE_SECONDS = 15.0


class DaemonNotReached(SensesError):
    """No daemon serves, and none could be started."""

    code = "not_reached"


@dataclass(frozen=True, slots=True)
class CallResult:
    """What a tool answered; `error` is its sentence where it failed."""

    data: dict[str, Any]
    seconds: float
    error: str = ""


@dataclass(frozen=True, slots=True)
class DemoClient:
    """One connection to the shared daemon."""

    client: Client

    async def call(self, tool: str, **arguments: Any) -> CallResult:
        """Call a tool and wait for its result; whatever goes wrong comes back as `error`."""
        started_at = time.monotonic()
        data: dict[str, Any] = {}
        try:
            waiting = arguments | {"wait_seconds": STEP_SECONDS}
            result = await self.client.call_tool(tool, waiting, read_timeout_seconds=STEP_SECONDS + GRACE_SECONDS)
            data, error = dict(result.structured_content or {}), _error_of(result)
        except MCPError as failure:
            error = f"{failure}. `senses status` says where the log is."
        return CallResult(data, time.monotonic() - started_at, error)


@asynccontextmanager
async def connect_through_shim(folder: Path) -> AsyncGenerator[DemoClient]:
    """Start a shim that may write into `folder` and connect through it, which starts the daemon where none runs.

    Raises:
        DaemonNotReached: that fails; the message has the shim's words.
    """
    async with AsyncExitStack() as stack:
        try:
            client = await _connect(stack, folder)
        except DaemonNotReached:
            client = await _connect(stack, folder)  # a daemon that was slow to start is there by now
        yield DemoClient(client)


async def _connect(stack: AsyncExitStack, folder: Path) -> Client:
    parameters = StdioServerParameters(command=shim_command(), args=[str(folder)], env=dict(os.environ))
    info = Implementation(name="senses demo", version=VERSION)
    with tempfile.TemporaryFile("w+", encoding="utf-8") as shim_stderr:
        transport = stdio_client(parameters, shim_stderr)
        client = Client(transport, read_timeout_seconds=CONNECT_SECONDS, client_info=info)
        try:
            return await stack.enter_async_context(client)
        except (MCPError, OSError, ExceptionGroup) as error:
            shim_stderr.seek(0)
            reason = shim_stderr.read().strip() or "its connection ended"
            raise DaemonNotReached(
                f"Senses does not serve: {reason}\nTry again, or let `senses doctor` check the installation."
            ) from error


def _error_of(result: CallToolResult) -> str:
    """Return the sentence of a call that failed or is not over yet; empty for a result."""
    if result.is_error:
        return " ".join(block.text for block in result.content if isinstance(block, TextContent))
    if (result.structured_content or {}).get("status") == "running":
        return f"It is not done after {STEP_SECONDS} s. `senses status` shows what it is doing."
    return ""
