"""Configuration files of MCP clients: plan, write, back up and undo the entry of Senses."""

import os
import shutil
import stat
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from mcp_server.client_setup.clients import SERVER_NAME, ClientConfig
from mcp_server.client_setup.file_formats import parse_json
from model_runtime.atomic_file import write_atomically
from model_runtime.errors import SensesError


class ClientConfigError(SensesError):
    """A client's configuration cannot be changed; the message says what to do by hand."""

    code = "setup_failed"


class BackupAction(StrEnum):
    """What happens to the backup: it is the file as it was before Senses."""

    WRITE = "write"
    KEEP = "keep"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class ConfigChange:
    """The planned change of a configuration file. `old_text` is None if it does not exist, `new_text` if it shall not."""

    path: Path
    old_text: str | None
    new_text: str | None
    parse: Callable[[str], Any] = parse_json
    backup: BackupAction = BackupAction.WRITE

    @property
    def is_needed(self) -> bool:
        """Whether the new text means something else than the old one."""
        if self.old_text is None or self.new_text is None:
            return self.old_text != self.new_text
        return bool(self.parse(self.old_text) != self.parse(self.new_text))

    def write(self) -> Path | None:
        """Write the file and a backup of the old one beside it; return the backup's path, or None without one.

        Both keep the old file's permissions: clients keep keys in these files.

        Raises:
            OSError: a file cannot be written.
        """
        target, backup = self.path.resolve(), backup_path(self.path)  # a link stays a link, as with dotfiles
        target.parent.mkdir(parents=True, exist_ok=True)
        written = None
        mode = None if self.old_text is None else stat.S_IMODE(target.stat().st_mode)
        if self.old_text is not None and self.backup is BackupAction.WRITE:
            write_atomically(backup, self.old_text.encode(), mode=mode)
            written = backup
        if self.new_text is None:
            target.unlink(missing_ok=True)
        else:
            write_atomically(target, self.new_text.encode(), mode=mode)
        if self.backup is BackupAction.REMOVE:
            backup.unlink(missing_ok=True)
        return written


def backup_path(path: Path) -> Path:
    """Return where the backup of a client's file is."""
    target = path.resolve()
    return target.with_name(target.name + ".before-senses")


def server_entry(client: ClientConfig, command: str, folders: Sequence[str], home: Path) -> dict[str, Any]:
    """Return the entry of Senses for a client's file; without `folders` the client's default ones that exist."""
    allowed_folders = list(folders) or [str(home / name) for name in client.default_folders if (home / name).is_dir()]
    type_field = {"type": "stdio"} if client.has_type_field else {}
    senses_home = os.environ.get("SENSES_HOME")
    env_field = {"env": {"SENSES_HOME": str(Path(senses_home).expanduser().absolute())}} if senses_home else {}
    args = {"args": allowed_folders} if allowed_folders else {}
    return client.to_entry(type_field | {"command": command} | args | env_field)


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


def plan_edit(client: ClientConfig, home: Path, entry: dict[str, Any] | None) -> ConfigChange:
    """Plan to add Senses to a client's file, or to remove it if `entry` is None; the rest of the file stays.

    A file that means without Senses what it meant before gets its old text again; one that Senses made goes.

    Raises:
        ClientConfigError: the file has no such object; the message says what to do by hand.
    """
    path, parse = client.config_path(home), client.file_format.parse
    old_text = path.read_text(encoding="utf-8") if path.exists() else None
    if old_text is None and entry is None:
        return ConfigChange(path, None, None, parse)
    try:
        new_text = client.file_format.edit(old_text or "", client.servers_key, SERVER_NAME, entry)
        has_senses = SERVER_NAME in parse(old_text or "").get(client.servers_key, {})
    except ValueError as error:
        raise ClientConfigError(_manual_edit_text(client, path, str(error), entry)) from error
    if entry is None and not has_senses:
        return ConfigChange(path, old_text, old_text, parse, BackupAction.KEEP)
    backup = BackupAction.KEEP if has_senses else BackupAction.WRITE
    change = ConfigChange(path, old_text, new_text, parse, backup)
    return _plan_removal(client, change) if entry is None else change


def _plan_removal(client: ClientConfig, change: ConfigChange) -> ConfigChange:
    """Return the change with the text from before Senses where that means the same as the new one."""

    def meaning(text: str) -> Any:
        return {key: value for key, value in change.parse(text).items() if key != client.servers_key or value}

    backup, left = backup_path(change.path), meaning(change.new_text or "")
    if backup.exists():
        before = backup.read_text(encoding="utf-8")
        is_same = meaning(before) == left
        return replace(change, new_text=before, backup=BackupAction.REMOVE) if is_same else change
    return change if left or change.path.is_symlink() else replace(change, new_text=None)


def _manual_edit_text(client: ClientConfig, path: Path, problem: str, entry: dict[str, Any] | None) -> str:
    if entry is None:
        instruction = f"Remove {SERVER_NAME!r} from {client.servers_key!r} in it."
    else:
        shown = client.file_format.show(client.servers_key, SERVER_NAME, entry)
        instruction = f"Add this under {client.servers_key!r}:\n{shown}"
    return f"{path} {problem}, so Senses does not change it. {instruction}"
