"""Commands and configuration snippets that connect a client to this installation."""

import json
import os
import shlex
from dataclasses import dataclass

from mcp_server.client_setup.config_files import senses_command, shim_command
from model_runtime.settings import Settings


@dataclass(frozen=True, slots=True)
class InstalledCommands:
    """The commands of this installation: `senses`, and `senses-mcp`, which clients start."""

    senses: str
    shim: str
    home: str = ""
    """SENSES_HOME as an absolute path; empty if it is not set."""


def installed_commands(settings: Settings) -> InstalledCommands:
    """Return the commands of this installation.

    Raises:
        ClientConfigError: `senses-mcp` is not installed.
    """
    home = str(settings.folders.data) if os.environ.get("SENSES_HOME") else ""
    return InstalledCommands(senses_command(), shim_command(), home)


def client_snippets(commands: InstalledCommands) -> list[tuple[str, str]]:
    """Return pairs of a client's name and the command that connects it; the last is the JSON for other clients."""
    # before --scope: claude's --env takes every argument up to the next option
    env_option = f" --env {shlex.quote('SENSES_HOME=' + commands.home)}" if commands.home else ""
    entry = {"command": commands.shim} | ({"env": {"SENSES_HOME": commands.home}} if commands.home else {})
    install = f"{shlex.quote(commands.senses)} install --client"
    return [
        ("Claude Code", f"claude mcp add{env_option} --scope user senses -- {shlex.quote(commands.shim)}"),
        ("Claude Desktop", f"{install} claude-desktop"),
        ("Cursor", f"{install} cursor"),
        ("VS Code", f"{install} vscode"),
        ("Codex", f"{install} codex"),
        ("opencode", f"{install} opencode"),
        ("Gemini CLI", f"{install} gemini-cli"),
        ("Others", json.dumps({"mcpServers": {"senses": entry}})),
    ]
