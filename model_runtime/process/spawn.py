"""Start a worker with `posix_spawn`: forking a process that touched Metal or the network can hang or break it."""

import fcntl
import os
import signal
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import model_runtime
from model_runtime.ipc.messages import LINK_FD

FIRST_FREE_DESCRIPTOR = 10
"""Sources are moved above the descriptors they are put onto, so that no step of the spawn overwrites the next."""

SOURCE_FOLDER = str(Path(model_runtime.__file__).parent.parent)


@dataclass(frozen=True, slots=True)
class SpawnedProcess:
    """A process that was started, in a process group of its own. `log` is the readable end of its stdout and stderr."""

    pid: int
    socket: socket.socket
    log: int


def spawn_worker(name: str) -> SpawnedProcess:
    """Start `python -m model_runtime.worker`; `name` is only for people who list processes.

    Raises:
        OSError: the system refuses another process.
    """
    ours, theirs = socket.socketpair()
    log_read, log_write = os.pipe()
    link_source, log_source = _move_descriptor_up(theirs.detach()), _move_descriptor_up(log_write)
    try:
        pid = os.posix_spawn(
            sys.executable,
            [sys.executable, "-u", "-P", "-m", "model_runtime.worker", name],
            worker_environment(os.environ, sys.path),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, log_source, 1),
                (os.POSIX_SPAWN_DUP2, log_source, 2),
                (os.POSIX_SPAWN_DUP2, link_source, LINK_FD),
            ],
            setpgroup=0,
            setsigmask=[],
            setsigdef=[signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE],
        )
    except OSError:
        ours.close()
        os.close(log_read)
        raise
    finally:
        os.close(link_source)
        os.close(log_source)
    ours.setblocking(False)
    os.set_blocking(log_read, False)
    return SpawnedProcess(pid, ours, log_read)


def worker_environment(environ: Mapping[str, str], path: list[str]) -> dict[str, str]:
    """The worker's variables: it finds the very modules the daemon found, whichever way that one was started.

    The instance's own settings, an API key among them, are none of its business.
    """
    kept = {name: value for name, value in environ.items() if not name.startswith(("PYTHON", "SENSES_"))}
    folders = [SOURCE_FOLDER, *(folder for folder in path if folder.startswith("/"))]
    return kept | {"PYTHONPATH": os.pathsep.join(dict.fromkeys(folders))}


def _move_descriptor_up(descriptor: int) -> int:
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, FIRST_FREE_DESCRIPTOR)
    os.close(descriptor)
    return moved
