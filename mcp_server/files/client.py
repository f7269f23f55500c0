"""The client of a connection: its working folder and the folders that it may read and write."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mcp_server.files.file_access import FileAccess
from mcp_server.files.file_calls import FileThreads
from mcp_server.files.folder_questions import FolderQuestions
from mcp_server.files.folders import FolderWish, is_above


@dataclass(frozen=True, slots=True)
class ClientConnection:
    """One connection: the client's working folder, if it has one, and the folders that its user names."""

    cwd: Path | None = None
    folders: tuple[Path, ...] = ()
    file_access: FileAccess | None = None
    """Opens and writes the files in `folders`; None: the daemon does."""
    program: str = ""
    """The executable of the client's shim, which macOS may deny a file; "": there is no shim."""
    session: str = ""
    """Names the shim over all its connections; "": nobody repeats the calls."""
    repeated_ids: frozenset[str] = frozenset()
    """The requests that an earlier connection of the shim has sent, too."""
    over_http: bool = False
    """The client may be on another machine: it has no folders, and only its word for its name."""
    refused: set[FolderWish] = field(default_factory=set, compare=False)
    """What a person refused in this session."""
    questions: FolderQuestions = field(default_factory=FolderQuestions, compare=False)
    """What a person is asked at present."""
    threads: FileThreads = field(default_factory=FileThreads, compare=False)
    """For what the daemon does with the client's files itself."""


def connection_from_handshake(
    handshake: Mapping[str, Any], home: Path, file_access: FileAccess | None = None
) -> ClientConnection:
    """Return the client that a shim describes by "cwd", "project" and "folders", all absolute, and "program".

    A desktop app starts its servers in "/": neither "/" nor another folder above the user's home is granted, and it is
    no working folder.
    """
    named = (_absolute_or_none(handshake.get(name)) for name in ("cwd", "project"))
    cwd, project = (folder if folder and not is_above(folder, home) else None for folder in named)
    working_folders = [folder for folder in (cwd, project) if folder]
    granted_folders = [folder for name in handshake.get("folders") or () if (folder := _absolute_or_none(name))]
    folders = tuple(dict.fromkeys([*working_folders, *granted_folders]))
    program, session = (str(handshake.get(name) or "") for name in ("program", "session"))
    repeated_ids = frozenset(map(str, handshake.get("repeated") or ()))
    return ClientConnection(cwd, folders, file_access, program, session, repeated_ids)


def _absolute_or_none(name: object) -> Path | None:
    if not isinstance(name, str) or not name:
        return None
    path = Path(name).expanduser()
    return Path(*path.parts) if path.is_absolute() else None
