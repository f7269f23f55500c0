"""Start a worker or a decoder with `posix_spawn`: a fork of a process that used Metal or the network can hang or crash."""

import fcntl
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import model_runtime
from model_runtime.ipc.messages import LINK_FD

SOCKET_BUFFER_BYTES = 1 << 20
FIRST_FREE_DESCRIPTOR = 10
"""The descriptors that the worker gets are duplicated up to here, so that no `dup2` of the spawn overwrites the source of the next."""

SOURCE_FOLDER = str(Path(model_runtime.__file__).parent.parent)


@dataclass(frozen=True, slots=True)
class SpawnedProcess:
    """A started process, the leader of its own process group."""

    pid: int
    socket: socket.socket
    """The daemon's end of the socket pair."""
    log: int
    """Descriptor from which the process's stdout and stderr are read."""


def spawn_worker(name: str) -> SpawnedProcess:
    """Start `python -m model_runtime.worker NAME`; the name shows up in lists of processes.

    Raises:
        OSError: the system cannot start another process.
    """
    return spawn_module("model_runtime.worker", [name], {})


def spawn_module(module: str, arguments: Sequence[str], descriptors: Mapping[int, int]) -> SpawnedProcess:
    """Start `python -m MODULE ARGUMENTS` with its end of the socket pair on `LINK_FD`.

    `descriptors` maps further numbers in the new process to open descriptors of this one, which stay open here.

    Raises:
        OSError: the system cannot start another process.
    """
    with ExitStack() as on_failure, ExitStack() as always:
        daemon_end, worker_end = socket.socketpair()
        for end in (daemon_end, worker_end):
            _enlarge_buffers(end)
        on_failure.callback(daemon_end.close)
        always.callback(worker_end.close)
        log_read, log_write = os.pipe()
        on_failure.callback(os.close, log_read)
        always.callback(os.close, log_write)
        socket_source, log_source = _duplicate_up(worker_end.fileno(), always), _duplicate_up(log_write, always)
        sources = {number: _duplicate_up(descriptor, always) for number, descriptor in descriptors.items()}
        pid = os.posix_spawn(
            sys.executable,
            [sys.executable, "-u", "-P", "-m", module, *arguments],
            worker_environment(os.environ, sys.path),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, log_source, 1),
                (os.POSIX_SPAWN_DUP2, log_source, 2),
                (os.POSIX_SPAWN_DUP2, socket_source, LINK_FD),
                *((os.POSIX_SPAWN_DUP2, source, number) for number, source in sources.items()),
            ],
            setpgroup=0,
            setsigmask=[],
            setsigdef=[signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE],
        )
        on_failure.pop_all()
    daemon_end.setblocking(False)
    os.set_blocking(log_read, False)
    return SpawnedProcess(pid, daemon_end, log_read)


def worker_environment(environ: Mapping[str, str], path: list[str]) -> dict[str, str]:
    """Return the worker's environment variables; `path` is the daemon's `sys.path`.

    `PYTHONPATH` makes the worker import the modules of the daemon, however that one was started. `SENSES_*` variables,
    among them the API key, are left out.
    """
    kept = {name: value for name, value in environ.items() if not name.startswith(("PYTHON", "SENSES_"))}
    folders = [SOURCE_FOLDER, *(folder for folder in path if folder.startswith("/"))]
    return kept | {"PYTHONPATH": os.pathsep.join(dict.fromkeys(folders))}


def _enlarge_buffers(end: socket.socket) -> None:
    """Let 1 MiB wait in each direction, or as much as the system allows; see `mcp_server/launcher/sockets.py`."""
    for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
        with suppress(OSError):
            end.setsockopt(socket.SOL_SOCKET, option, SOCKET_BUFFER_BYTES)


def _duplicate_up(descriptor: int, close_later: ExitStack) -> int:
    duplicate: int = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, FIRST_FREE_DESCRIPTOR)
    close_later.callback(os.close, duplicate)
    return duplicate
