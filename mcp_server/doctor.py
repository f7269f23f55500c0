"""A check of everything by meaning: what the built-in models draw they must see, what they say they must hear."""

import os
import platform
import sys
import time
from collections.abc import Callable
from typing import Any

import anyio
from mcp import Client, MCPError, StdioServerParameters
from mcp_types import CallToolResult, TextContent

from mcp_server.setups import shim_command
from model_runtime.errors import SensesError
from model_runtime.settings import Settings

WORDS = "a red circle"
Say = Callable[[str], None]


def examine(settings: Settings, say: Say) -> bool:
    """Check the installation through a shim, as a client would, telling each result; return whether all is well."""
    say(f"Python {platform.python_version()} on {platform.platform()}, {sys.executable}")
    for name, folder in (("data", settings.folders.data), ("artifacts", settings.folders.artifacts)):
        parent = next(path for path in (folder, *folder.parents) if path.exists())
        say(f"{_mark(os.access(parent, os.W_OK))} {name} folder {folder} can be written")
    try:
        return anyio.run(_examine_senses, say)
    except (SensesError, MCPError, OSError, ExceptionGroup) as error:
        say(f"{_mark(False)} the daemon does not serve: {_reason(error)}. Its log is in {settings.folders.logs}")
        return False


def _reason(error: Exception) -> str:
    """The words of an error, which the client's task groups wrap."""
    return _reason(error.exceptions[0]) if isinstance(error, ExceptionGroup) else str(error).rstrip(".")


async def _examine_senses(say: Say) -> bool:
    keep = ("PATH", "HOME", "SENSES_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME")
    environ = {name: value for name, value in os.environ.items() if name in keep or name.startswith("SENSES_")}
    async with Client(StdioServerParameters(command=shim_command(), env=environ)) as client:
        say(f"{_mark(True)} the daemon answers (protocol {client.protocol_version})")
        drawn = await _check(
            client, say, "draws", "generate_image", prompt=WORDS, model="image-starter", width=64, height=64
        )
        picture = drawn["images"][0]["uri"] if drawn else ""
        seen = await _check(client, say, "sees", "describe_image", "red", image=picture, model="vlm-starter")
        spoken = await _check(client, say, "speaks", "speak", text=WORDS, model="tts-starter")
        sound = spoken["uri"] if spoken else ""
        heard = await _check(client, say, "hears", "transcribe", "red", audio=sound, model="stt-starter")
    return all(result is not None for result in (drawn, seen, spoken, heard))


async def _check(
    client: Client, say: Say, verb: str, tool: str, expected: str = "", **arguments: Any
) -> dict[str, Any] | None:
    if "" in (arguments.get("image"), arguments.get("audio")):
        say(f"{_mark(False)} {verb}: there is nothing to check it with")
        return None
    started = time.monotonic()
    result = await client.call_tool(tool, arguments)
    data = result.structured_content or {}
    said = _gist(data) or _error(result)
    well = not result.is_error and expected in said.lower()
    say(f"{_mark(well)} {verb} in {time.monotonic() - started:.1f} s: {said}")
    return data if well else None


def _gist(data: dict[str, Any]) -> str:
    """What was seen or heard, else where the result is."""
    if data.get("images"):
        return str(data["images"][0]["path"])
    return (data["text"] or "no words") if "text" in data else str(data.get("path", ""))


def _error(result: CallToolResult) -> str:
    return " ".join(block.text for block in result.content if isinstance(block, TextContent))


def _mark(well: bool) -> str:
    return "ok  " if well else "FAIL"
