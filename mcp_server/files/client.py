"""Who is at the other end of a connection, what it may read and write, and how long it waits for an answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcp_server.files.broker_client import FileAccess, LocalFileAccess

LOCAL_FILE_ACCESS = LocalFileAccess()


@dataclass(frozen=True, slots=True)
class ClientConnection:
    """One connection: its working folder (None over HTTP) and the folders its user opened to it."""

    cwd: Path | None = None
    folders: tuple[Path, ...] = ()
    file_access: FileAccess = LOCAL_FILE_ACCESS
    """Who opens files in those folders."""


def connection_from_handshake(
    handshake: Mapping[str, Any], home: Path, file_access: FileAccess = LOCAL_FILE_ACCESS
) -> ClientConnection:
    """Read what a shim says about its client: "cwd", "project" and "folders", all absolute.

    A desktop app starts its servers in "/": neither that nor any other folder above the user's home is a grant.
    """
    cwd = _absolute_or_none(handshake.get("cwd"))
    client_folders = [
        folder
        for folder in (cwd, _absolute_or_none(handshake.get("project")))
        if folder and not home.is_relative_to(folder)
    ]
    if home in (cwd, _absolute_or_none(handshake.get("project"))):
        client_folders.append(home)
    granted_folders = [folder for name in handshake.get("folders") or () if (folder := _absolute_or_none(name))]
    return ClientConnection(cwd, tuple(dict.fromkeys([*client_folders, *granted_folders])), file_access)


def _absolute_or_none(name: object) -> Path | None:
    if not isinstance(name, str) or not name:
        return None
    path = Path(name).expanduser()
    return Path(*path.parts) if path.is_absolute() else None
