"""The MCP clients that Senses can set up: where each keeps its servers and skills, and in which form."""

import base64
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mcp_server.client_setup.file_formats import JSON, TOML, FileFormat

SERVER_NAME = "senses"
MEDIA_FOLDERS = ("Desktop", "Documents", "Downloads", "Pictures", "Music", "Movies")
"""The default folders of a desktop app, which has no working folder."""


@dataclass(frozen=True, slots=True)
class ClientConfig:
    """One client: `config_path(home)` is its configuration file, `servers_key` the key of its MCP servers."""

    title: str
    config_path: Callable[[Path], Path]
    servers_key: str
    has_type_field: bool = False
    """Whether an entry has a field `type` for the transport."""
    default_folders: tuple[str, ...] = ()
    next_step: str = ""
    """What to do after the file has changed, if that is more than a restart."""
    install_link: Callable[[dict[str, Any]], str] | None = None
    """install_link(entry) returns the URL that opens the client and offers to add the entry; None without links."""
    file_format: FileFormat = JSON
    to_entry: Callable[[dict[str, Any]], dict[str, Any]] = dict
    """to_entry(entry) returns the client's own form of an entry with command, args and env."""
    skills_folder: Callable[[Path], Path] | None = None
    """skills_folder(home) is where the client looks for skills; None if it has none."""
    has_plugins: bool = False
    """Whether a skill may be a plugin of Claude Code."""


def _app_settings_path(home: Path, *parts: str) -> Path:
    support = home / "Library" / "Application Support" if sys.platform == "darwin" else home / ".config"
    return support.joinpath(*parts)


def cursor_link(entry: dict[str, Any]) -> str:
    """Return Cursor's install link (cursor.com/docs/mcp/install-links): the entry's JSON in base64."""
    config = base64.b64encode(json.dumps(entry).encode()).decode()
    return f"cursor://anysphere.cursor-deeplink/mcp/install?name={SERVER_NAME}&config={quote(config, safe='')}"


def vscode_link(entry: dict[str, Any]) -> str:
    """Return VS Code's install link (VS Code API, "MCP developer guide"): the JSON of the named entry."""
    return "vscode:mcp/install?" + quote(json.dumps({"name": SERVER_NAME} | entry), safe="")


def codex_entry(entry: dict[str, Any]) -> dict[str, Any]:
    """Return Codex's form (as `codex mcp add` of 0.171.0 writes it), with time for a daemon that starts: 10 s is short."""
    tables = {key: value for key, value in entry.items() if key == "env"}
    return {key: value for key, value in entry.items() if key != "env"} | {"startup_timeout_sec": 60} | tables


def opencode_entry(entry: dict[str, Any]) -> dict[str, Any]:
    """Return opencode's form (McpLocalConfig of opencode.ai/config.json, 1.18.33), with time for a daemon that starts."""
    environment = {"environment": entry["env"]} if "env" in entry else {}
    command = [entry["command"], *entry.get("args", ())]
    return {"type": "local", "command": command, "enabled": True, "timeout": 60_000} | environment


def _codex_folder(home: Path) -> Path:
    return Path(os.environ.get("CODEX_HOME") or home / ".codex")


def _opencode_folder(home: Path) -> Path:
    return Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "opencode"


def _opencode_config_path(home: Path) -> Path:
    """Return opencode's file: opencode.jsonc where there is one, as the client's own commands edit that."""
    commented = _opencode_folder(home) / "opencode.jsonc"
    return commented if commented.exists() else commented.with_suffix(".json")


CLIENT_CONFIGS = {
    "claude-desktop": ClientConfig(
        "Claude Desktop",
        lambda home: _app_settings_path(home, "Claude", "claude_desktop_config.json"),
        "mcpServers",
        default_folders=MEDIA_FOLDERS,
        next_step="Quit Claude Desktop completely and open it again.",
    ),
    "claude-code": ClientConfig(
        "Claude Code",
        lambda home: home / ".claude.json",
        "mcpServers",
        has_type_field=True,
        skills_folder=lambda home: home / ".claude" / "skills",
        has_plugins=True,
    ),
    "cursor": ClientConfig(
        "Cursor",
        lambda home: home / ".cursor" / "mcp.json",
        "mcpServers",
        install_link=cursor_link,
        skills_folder=lambda home: home / ".cursor" / "skills",
    ),
    "vscode": ClientConfig(
        "VS Code",
        lambda home: _app_settings_path(home, "Code", "User", "mcp.json"),
        "servers",
        has_type_field=True,
        install_link=vscode_link,
    ),
    "codex": ClientConfig(
        "Codex",
        lambda home: _codex_folder(home) / "config.toml",
        "mcp_servers",
        file_format=TOML,
        to_entry=codex_entry,
        skills_folder=lambda home: _codex_folder(home) / "skills",
    ),
    "opencode": ClientConfig(
        "opencode",
        _opencode_config_path,
        "mcp",
        to_entry=opencode_entry,
        skills_folder=lambda home: _opencode_folder(home) / "skills",
    ),
    "gemini-cli": ClientConfig(
        "Gemini CLI",
        lambda home: home / ".gemini" / "settings.json",
        "mcpServers",
        skills_folder=lambda home: home / ".gemini" / "skills",
    ),
}
