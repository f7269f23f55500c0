"""Telling MCP clients where Senses is: their configuration files, edited with a backup and undone on request, and links."""

import base64
import json
import os
import shutil
import stat
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from model_runtime.atomic_file import atomic_write
from model_runtime.errors import SensesError

NAME = "senses"
MEDIA_FOLDERS = ("Desktop", "Documents", "Downloads", "Pictures", "Music", "Movies")
"""What a desktop app, which has no working folder, may reach unless told otherwise."""


class SetupError(SensesError):
    """A client's configuration cannot be changed; the message says how to do it by hand."""

    code = "setup_failed"


@dataclass(frozen=True, slots=True)
class Setup:
    """One client: its file in a home folder, and the key that holds its servers."""

    title: str
    path: Callable[[Path], Path]
    key: str
    typed: bool = False
    """Whether an entry names its transport."""
    folders: tuple[str, ...] = ()
    after: str = "Restart it."
    link: Callable[[dict[str, Any]], str] | None = None
    """The address that makes the client ask its user to add an entry, where it has one."""


def _application(home: Path, *parts: str) -> Path:
    """Where a desktop app keeps its settings."""
    support = home / "Library" / "Application Support" if sys.platform == "darwin" else home / ".config"
    return support.joinpath(*parts)


def cursor_link(entry: dict[str, Any]) -> str:
    """Return Cursor's address for an entry: it carries the entry's JSON in base64."""
    config = base64.b64encode(json.dumps(entry).encode()).decode()
    return f"cursor://anysphere.cursor-deeplink/mcp/install?name={NAME}&config={quote(config, safe='')}"


def vscode_link(entry: dict[str, Any]) -> str:
    """Return VS Code's address for an entry: it carries the JSON of the entry with its name."""
    return "vscode:mcp/install?" + quote(json.dumps({"name": NAME} | entry), safe="")


SETUPS = {
    "claude-desktop": Setup(
        "Claude Desktop",
        lambda home: _application(home, "Claude", "claude_desktop_config.json"),
        "mcpServers",
        folders=MEDIA_FOLDERS,
        after="Quit Claude Desktop completely and open it again.",
    ),
    "claude-code": Setup("Claude Code", lambda home: home / ".claude.json", "mcpServers", typed=True),
    "cursor": Setup("Cursor", lambda home: home / ".cursor" / "mcp.json", "mcpServers", link=cursor_link),
    "vscode": Setup(
        "VS Code",
        lambda home: _application(home, "Code", "User", "mcp.json"),
        "servers",
        typed=True,
        link=vscode_link,
    ),
}


@dataclass(frozen=True, slots=True)
class Change:
    """What a configuration file holds now (None: there is none) and what it shall hold."""

    path: Path
    before: str | None
    after: str

    @property
    def needed(self) -> bool:
        """Whether anything changes."""
        return self.before is None or json.loads(self.before or "{}") != json.loads(self.after)

    def make(self) -> Path | None:
        """Write the file, and the old one next to it; return the backup's path where there is one.

        Both may be read by whoever could read the old one: clients keep keys in these files.
        """
        target = self.path.resolve()
        target.parent.mkdir(parents=True, exist_ok=True)
        if self.before is None:
            atomic_write(target, self.after.encode())
            return None
        mode = stat.S_IMODE(target.stat().st_mode)
        backup = target.with_name(target.name + ".before-senses")
        atomic_write(backup, self.before.encode(), mode=mode)
        atomic_write(target, self.after.encode(), mode=mode)
        return backup


def entry(setup: Setup, command: str, folders: Sequence[str], home: Path) -> dict[str, Any]:
    """Return what a client's file says about Senses."""
    opened = list(folders) or [str(home / name) for name in setup.folders if (home / name).is_dir()]
    kind = {"type": "stdio"} if setup.typed else {}
    instance = os.environ.get("SENSES_HOME")
    env = {"env": {"SENSES_HOME": str(Path(instance).expanduser().absolute())}} if instance else {}
    return kind | {"command": command} | ({"args": opened} if opened else {}) | env


def link(setup: Setup, entry: dict[str, Any]) -> str:
    """Return the address that adds an entry; raises `SetupError` where the client knows none."""
    if setup.link is None:
        raise SetupError(f"{setup.title} takes no links; without --link its file is written.")
    return setup.link(entry)


def add(setup: Setup, home: Path, entry: dict[str, Any]) -> Change:
    """Plan to put Senses into a client's file; the rest of it stays.

    Raises:
        SetupError: the file is no JSON object; the message has what to paste.
    """
    return _edit(setup, home, entry)


def remove(setup: Setup, home: Path) -> Change:
    """Plan to take Senses out of a client's file; the rest of it stays."""
    return _edit(setup, home, None)


def shim_command() -> str:
    """Return the absolute path of `senses-mcp`: desktop apps have a PATH of their own.

    Raises:
        SetupError: it is not installed next to this Python nor on the PATH.
    """
    beside = Path(sys.executable).parent / "senses-mcp"
    found = str(beside) if beside.exists() else shutil.which("senses-mcp")
    if found is None:
        raise SetupError(
            f"senses-mcp is not next to {sys.executable} nor on the PATH. Install Senses again: make setup."
        )
    return found


def senses_command() -> str:
    """Return how to call this installation's `senses`: by name where the PATH finds the same one."""
    beside = Path(sys.executable).parent / "senses"
    found = shutil.which("senses")
    return "senses" if found is not None and Path(found).resolve() == beside.resolve() else str(beside)


def _edit(setup: Setup, home: Path, entry: dict[str, Any] | None) -> Change:
    path = setup.path(home)
    before = path.read_text(encoding="utf-8") if path.exists() else None
    try:
        table = json.loads(before) if before and before.strip() else {}
    except ValueError as error:
        raise SetupError(_by_hand(setup, path, f"is not plain JSON ({error})", entry)) from error
    if not isinstance(table, dict) or not isinstance(table.get(setup.key, {}), dict):
        raise SetupError(_by_hand(setup, path, f"has no object under {setup.key!r}", entry))
    servers = {name: value for name, value in table.get(setup.key, {}).items() if name != NAME}
    if entry is not None:
        servers[NAME] = entry
    return Change(path, before, json.dumps(table | {setup.key: servers}, indent=2, ensure_ascii=False) + "\n")


def _by_hand(setup: Setup, path: Path, problem: str, entry: dict[str, Any] | None) -> str:
    wanted = f" Add this under {setup.key!r}:\n" + json.dumps({NAME: entry}, indent=2) if entry else ""
    return f"{path} {problem}, so Senses leaves it alone.{wanted}"
