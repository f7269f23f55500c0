"""The commands and settings that connect a client to this installation."""

import json
import os
import shlex
from dataclasses import dataclass

from mcp_server.client_setup.config_files import senses_command, shim_command
from model_runtime.settings import Settings


@dataclass(frozen=True, slots=True)
class InstalledCommands:
    """How this installation is called: `senses`, and the `senses-mcp` that clients start; `home` of its instance."""

    senses: str
    shim: str
    home: str = ""


def installed_commands(settings: Settings) -> InstalledCommands:
    """Return how this installation is called, by absolute paths; raises `SetupError` where a part of it is missing."""
    home = str(settings.folders.data) if os.environ.get("SENSES_HOME") else ""
    return InstalledCommands(senses_command(), shim_command(), home)


def client_snippets(commands: InstalledCommands) -> list[tuple[str, str]]:
    """Return a command for each client, and what to paste into others."""
    # --env takes all that follows it up to the next option
    env_option = f" --env {shlex.quote('SENSES_HOME=' + commands.home)}" if commands.home else ""
    entry = {"command": commands.shim} | ({"env": {"SENSES_HOME": commands.home}} if commands.home else {})
    install = f"{shlex.quote(commands.senses)} install --client"
    return [
        ("Claude Code", f"claude mcp add{env_option} --scope user senses -- {shlex.quote(commands.shim)}"),
        ("Claude Desktop", f"{install} claude-desktop"),
        ("Cursor", f"{install} cursor"),
        ("VS Code", f"{install} vscode"),
        ("Others", json.dumps({"mcpServers": {"senses": entry}})),
    ]
