"""Whether a daemon lives, and what it says of itself: a lock it holds as long as it lives, and `daemon.json`."""

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path

from mcp_server.launcher.paths import InstancePaths
from model_runtime.atomic_file import write_atomically
from model_runtime.errors import SensesError


@dataclass(frozen=True, slots=True)
class DaemonInfo:
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


def acquire_lock(path: str) -> int:
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


def read_daemon_info(paths: InstancePaths) -> DaemonInfo | None:
    """Return what the running daemon says of itself, None where none runs or it is not ready yet."""
    try:
        os.close(acquire_lock(paths.instance_lock))
    except AlreadyRunning:
        with suppress(OSError, ValueError, TypeError):
            return DaemonInfo(**json.loads(Path(paths.daemon_json).read_text(encoding="utf-8")))
    except OSError:
        return None
    return None


def write_daemon_info(paths: InstancePaths, info: DaemonInfo) -> None:
    """Say where the daemon is, whole or not at all."""
    write_atomically(Path(paths.daemon_json), json.dumps(asdict(info)).encode())
