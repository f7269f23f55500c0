"""Who is at the other end of a connection, what it may read and write, and how long it waits for an answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcp_server.files.broker_client import Opener, OwnHands

OWN_HANDS = OwnHands()


@dataclass(frozen=True, slots=True)
class Caller:
    """One connection: its working folder (None over HTTP) and the folders its user opened to it."""

    cwd: Path | None = None
    folders: tuple[Path, ...] = ()
    opener: Opener = OWN_HANDS
    """Who opens files in those folders."""


def caller_of(hello: Mapping[str, Any], home: Path, opener: Opener = OWN_HANDS) -> Caller:
    """Read what a shim says about its client: "cwd", "project" and "folders", all absolute.

    A desktop app starts its servers in "/": neither that nor any other folder above the user's home is a grant.
    """
    cwd = _absolute(hello.get("cwd"))
    own = [folder for folder in (cwd, _absolute(hello.get("project"))) if folder and not home.is_relative_to(folder)]
    if home in (cwd, _absolute(hello.get("project"))):
        own.append(home)
    opened = [folder for name in hello.get("folders") or () if (folder := _absolute(name))]
    return Caller(cwd, tuple(dict.fromkeys([*own, *opened])), opener)


def _absolute(name: object) -> Path | None:
    if not isinstance(name, str) or not name:
        return None
    path = Path(name).expanduser()
    return Path(*path.parts) if path.is_absolute() else None
