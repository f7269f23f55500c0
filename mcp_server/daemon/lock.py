"""The instance lock of a running daemon, and `daemon.json`."""

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from mcp_server.launcher.file_lock import try_lock
from mcp_server.launcher.paths import InstancePaths, ensure_private_folder
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


class InstanceUnusable(SensesError):
    """The folder of the socket and the lock cannot be used, so that no client could find the daemon."""

    code = "instance_unusable"

    def __init__(self, path: str, error: OSError) -> None:
        advice = "Make room or make the folder writable, or set SENSES_HOME to another folder."
        super().__init__(f"{path} cannot be used: {error.strerror}. {advice}" if error.strerror else str(error))


def lock_if_possible(paths: InstancePaths, *, is_required: bool) -> int | None:
    """Make the folder of the socket and acquire the instance lock.

    Return None if the folder is unusable and the lock is not required: HTTP needs none.

    Raises:
        AlreadyRunning: another daemon of this instance is running.
        InstanceUnusable: the folder cannot be made or written, and the lock is required.
    """
    try:
        for folder in (paths.run_folder, os.path.dirname(paths.socket_path)):  # noqa: PTH120
            ensure_private_folder(folder)
        return acquire_lock(paths.instance_lock)
    except OSError as error:
        if is_required:
            raise InstanceUnusable(paths.run_folder, error) from error
        return None


def acquire_lock(path: str) -> int:
    """Acquire the instance lock and return its descriptor; the system releases the lock when the process ends.

    Raises:
        AlreadyRunning: another daemon holds the lock.
        OSError: the file cannot be opened, or its disk has no locks.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    is_locked = False
    try:
        is_locked = try_lock(descriptor, path)
    finally:
        if not is_locked:
            os.close(descriptor)
    if not is_locked:
        raise AlreadyRunning("Senses is already running. `senses status` shows it, `senses stop` stops it.")
    return descriptor


def read_daemon_info(paths: InstancePaths) -> DaemonInfo | None:
    """Return the description of the running daemon, or None if none runs or it is not ready yet."""
    try:
        os.close(acquire_lock(paths.instance_lock))
    except AlreadyRunning:
        with suppress(OSError, ValueError, TypeError):
            return load_daemon_info(paths)
    except OSError:
        return None
    return None


def load_daemon_info(paths: InstancePaths) -> DaemonInfo:
    """Return the description of a daemon that is known to run.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not JSON.
        TypeError: it is of another version.
    """
    return DaemonInfo(**json.loads(Path(paths.daemon_json).read_text(encoding="utf-8")))


def write_daemon_info(paths: InstancePaths, info: DaemonInfo) -> None:
    """Write `daemon.json` atomically.

    Raises:
        OSError: the file cannot be written.
    """
    write_atomically(Path(paths.daemon_json), json.dumps(asdict(info)).encode(), mode=PRIVATE)
