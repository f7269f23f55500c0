"""Configuration files of MCP clients: plan, write, back up and undo the entry of Senses; and links that add it."""

import base64
import json
import os
import shlex
import shutil
import stat
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from model_runtime.atomic_file import write_atomically
from model_runtime.errors import SensesError

SERVER_NAME = "senses"
MEDIA_FOLDERS = ("Desktop", "Documents", "Downloads", "Pictures", "Music", "Movies")
"""The default folders of a desktop app, which has no working folder."""


class ClientConfigError(SensesError):
    """A client's configuration cannot be changed; the message says what to do by hand."""

    code = "setup_failed"


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


CLIENT_CONFIGS = {
    "claude-desktop": ClientConfig(
        "Claude Desktop",
        lambda home: _app_settings_path(home, "Claude", "claude_desktop_config.json"),
        "mcpServers",
        default_folders=MEDIA_FOLDERS,
        next_step="Quit Claude Desktop completely and open it again.",
    ),
    "claude-code": ClientConfig("Claude Code", lambda home: home / ".claude.json", "mcpServers", has_type_field=True),
    "cursor": ClientConfig(
        "Cursor", lambda home: home / ".cursor" / "mcp.json", "mcpServers", install_link=cursor_link
    ),
    "vscode": ClientConfig(
        "VS Code",
        lambda home: _app_settings_path(home, "Code", "User", "mcp.json"),
        "servers",
        has_type_field=True,
        install_link=vscode_link,
    ),
}


@dataclass(frozen=True, slots=True)
class ConfigChange:
    """The planned change of a configuration file; `old_text` is None if the file does not exist."""

    path: Path
    old_text: str | None
    new_text: str

    @property
    def is_needed(self) -> bool:
        """Whether the new text means something else than the old one."""
        return self.old_text is None or json.loads(self.old_text or "{}") != json.loads(self.new_text)

    def write(self) -> Path | None:
        """Write the file and a backup of the old one beside it; return the backup's path, or None without an old file.

        Both keep the old file's permissions: clients keep keys in these files.

        Raises:
            OSError: a file cannot be written.
        """
        target = self.path.resolve()  # a link stays a link, as people keep these files with their dotfiles
        target.parent.mkdir(parents=True, exist_ok=True)
        if self.old_text is None:
            write_atomically(target, self.new_text.encode())
            return None
        mode = stat.S_IMODE(target.stat().st_mode)
        backup = target.with_name(target.name + ".before-senses")
        write_atomically(backup, self.old_text.encode(), mode=mode)
        write_atomically(target, self.new_text.encode(), mode=mode)
        return backup


def server_entry(client: ClientConfig, command: str, folders: Sequence[str], home: Path) -> dict[str, Any]:
    """Return the entry of Senses for a client's file; without `folders` the client's default ones that exist."""
    allowed_folders = list(folders) or [str(home / name) for name in client.default_folders if (home / name).is_dir()]
    type_field = {"type": "stdio"} if client.has_type_field else {}
    senses_home = os.environ.get("SENSES_HOME")
    env_field = {"env": {"SENSES_HOME": str(Path(senses_home).expanduser().absolute())}} if senses_home else {}
    return type_field | {"command": command} | ({"args": allowed_folders} if allowed_folders else {}) | env_field


def install_link(client: ClientConfig, entry: dict[str, Any]) -> str:
    """Return the link that adds an entry.

    Raises:
        ClientConfigError: the client has no install links.
    """
    if client.install_link is None:
        raise ClientConfigError(f"{client.title} has no install links. Leave --link out, and Senses edits its file.")
    return client.install_link(entry)


def shim_command() -> str:
    """Return the absolute path of `senses-mcp`: desktop apps do not have the shell's PATH.

    Raises:
        ClientConfigError: it is neither beside this Python nor on the PATH.
    """
    sibling = Path(sys.executable).parent / "senses-mcp"
    found = str(sibling) if sibling.exists() else shutil.which("senses-mcp")
    if found is None:
        raise ClientConfigError(
            f"senses-mcp is neither beside {sys.executable} nor on the PATH. Install Senses again: make setup."
        )
    return found


def senses_command() -> str:
    """Return the command of this installation: `senses` if the PATH leads to it, else its absolute path."""
    sibling = Path(sys.executable).parent / "senses"
    found = shutil.which("senses")
    return "senses" if found is not None and Path(found).resolve() == sibling.resolve() else str(sibling)


def absolute_senses_command() -> str:
    """Return the path of `senses` beside this Python, quoted for a shell: it is rarely on the PATH of a person."""
    return shlex.quote(str(Path(sys.executable).parent / "senses"))


def plan_edit(client: ClientConfig, home: Path, entry: dict[str, Any] | None) -> ConfigChange:
    """Plan to add Senses to a client's file, or to remove it if `entry` is None; the rest of the file stays.

    Raises:
        ClientConfigError: the file is not a JSON object; the message says what to do by hand.
    """
    path = client.config_path(home)
    old_text = path.read_text(encoding="utf-8") if path.exists() else None
    try:
        config = json.loads(old_text) if old_text and old_text.strip() else {}
    except ValueError as error:
        raise ClientConfigError(_manual_edit_text(client, path, f"is not plain JSON ({error})", entry)) from error
    if not isinstance(config, dict) or not isinstance(config.get(client.servers_key, {}), dict):
        raise ClientConfigError(_manual_edit_text(client, path, f"has no object under {client.servers_key!r}", entry))
    servers = {name: value for name, value in config.get(client.servers_key, {}).items() if name != SERVER_NAME}
    if entry is not None:
        servers[SERVER_NAME] = entry
    new_config = config | {client.servers_key: servers}
    return ConfigChange(path, old_text, json.dumps(new_config, indent=2, ensure_ascii=False) + "\n")


def _manual_edit_text(client: ClientConfig, path: Path, problem: str, entry: dict[str, Any] | None) -> str:
    if entry is None:
        instruction = f"Remove {SERVER_NAME!r} from {client.servers_key!r} in it."
    else:
        instruction = f"Add this under {client.servers_key!r}:\n" + json.dumps({SERVER_NAME: entry}, indent=2)
    return f"{path} {problem}, so Senses does not change it. {instruction}"
