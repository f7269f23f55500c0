"""The instance lock of a running daemon, and `daemon.json`."""

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path

from mcp_server.launcher.paths import InstancePaths
from model_runtime.atomic_file import PRIVATE, write_atomically
from model_runtime.errors import SensesError


@dataclass(frozen=True, slots=True)
class DaemonInfo:
    """The content of `daemon.json`."""

    pid: int
    version: str
    url: str
    auto: bool
    """Whether a shim started it; it exits when idle."""
    started: float
    """Seconds since the epoch."""


class AlreadyRunning(SensesError):
    """Another daemon of this instance is running."""

    code = "already_running"


def acquire_lock(path: str) -> int:
    """Acquire the instance lock and return its descriptor; the system releases the lock when the process ends.

    Raises:
        AlreadyRunning: another daemon holds the lock.
        OSError: the file cannot be opened.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        flock(descriptor, LOCK_EX | LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise AlreadyRunning("Senses is already running. `senses status` shows it, `senses stop` stops it.") from None
    return descriptor


def read_daemon_info(paths: InstancePaths) -> DaemonInfo | None:
    """Return the description of the running daemon, or None if none runs or it is not ready yet."""
    try:
        os.close(acquire_lock(paths.instance_lock))
    except AlreadyRunning:
        with suppress(OSError, ValueError, TypeError):
            return DaemonInfo(**json.loads(Path(paths.daemon_json).read_text(encoding="utf-8")))
    except OSError:
        return None
    return None


def write_daemon_info(paths: InstancePaths, info: DaemonInfo) -> None:
    """Write `daemon.json` atomically.

    Raises:
        OSError: the file cannot be written.
    """
    write_atomically(Path(paths.daemon_json), json.dumps(asdict(info)).encode(), mode=PRIVATE)
