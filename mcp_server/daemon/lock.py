"""Whether a daemon lives, and what it says of itself: a lock it holds as long as it lives, and `daemon.json`."""

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path

from mcp_server.launcher.paths import Places
from model_runtime.atomic_file import atomic_write
from model_runtime.errors import SensesError


@dataclass(frozen=True, slots=True)
class Facts:
    """What `daemon.json` tells about a running daemon."""

    pid: int
    version: str
    url: str
    auto: bool
    """Started by a shim: it leaves when nobody needs it."""
    started: float
    """Seconds since the epoch."""


class AlreadyRunning(SensesError):
    """Another daemon of this instance lives."""

    code = "already_running"


def hold(path: str) -> int:
    """Take the life lock and return its descriptor; the system lets go of it with the process.

    Raises:
        AlreadyRunning: another daemon has it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        flock(descriptor, LOCK_EX | LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise AlreadyRunning("A Senses daemon is running already. `senses status` shows it.") from None
    return descriptor


def read_facts(places: Places) -> Facts | None:
    """Return what the running daemon says of itself, None where none runs or it is not ready yet."""
    try:
        os.close(hold(places.life_lock))
    except AlreadyRunning:
        with suppress(OSError, ValueError, TypeError):
            return Facts(**json.loads(Path(places.facts).read_text(encoding="utf-8")))
    except OSError:
        return None
    return None


def write_facts(places: Places, facts: Facts) -> None:
    """Say where the daemon is, whole or not at all."""
    atomic_write(Path(places.facts), json.dumps(asdict(facts)).encode())
