"""Who is at the other end of a connection, what it may read and write, and how long it waits for an answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcp_server.courier import Opener, OwnHands

PATIENT_CLIENTS = frozenset({"claude-code"})
"""Clients whose calls have no time limit as long as progress arrives."""

SOFT_DEADLINE_SECONDS = 50.0
"""Everyone else gives up after 60 s to 4 minutes, whatever the progress: answer before that with a job to ask for."""

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


def deadline_seconds(client: str, wait_seconds: int) -> float | None:
    """Return after how many seconds a call must answer, None for never; `wait_seconds` -1 means by the client."""
    if wait_seconds >= 0:
        return float(wait_seconds)
    return None if client in PATIENT_CLIENTS else SOFT_DEADLINE_SECONDS


def _absolute(name: object) -> Path | None:
    if not isinstance(name, str) or not name:
        return None
    path = Path(name).expanduser()
    return Path(*path.parts) if path.is_absolute() else None
