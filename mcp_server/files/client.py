"""The client of a connection: its working folder and the folders that it may read and write."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcp_server.files.broker_client import FileAccess, LocalFileAccess

LOCAL_FILE_ACCESS = LocalFileAccess()


@dataclass(frozen=True, slots=True)
class ClientConnection:
    """One connection: the client's working folder (None over HTTP) and the folders that its user grants."""

    cwd: Path | None = None
    folders: tuple[Path, ...] = ()
    file_access: FileAccess = LOCAL_FILE_ACCESS
    """Opens and writes the files in `folders`."""


def connection_from_handshake(
    handshake: Mapping[str, Any], home: Path, file_access: FileAccess = LOCAL_FILE_ACCESS
) -> ClientConnection:
    """Return the client that a shim describes by "cwd", "project" and "folders", all absolute.

    A desktop app starts its servers in "/": neither "/" nor another folder above the user's home is granted.
    """
    cwd, project = (_absolute_or_none(handshake.get(name)) for name in ("cwd", "project"))
    working_folders = [
        folder for folder in (cwd, project) if folder and (folder == home or not home.is_relative_to(folder))
    ]
    granted_folders = [folder for name in handshake.get("folders") or () if (folder := _absolute_or_none(name))]
    return ClientConnection(cwd, tuple(dict.fromkeys([*working_folders, *granted_folders])), file_access)


def _absolute_or_none(name: object) -> Path | None:
    if not isinstance(name, str) or not name:
        return None
    path = Path(name).expanduser()
    return Path(*path.parts) if path.is_absolute() else None
