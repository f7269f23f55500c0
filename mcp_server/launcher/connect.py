"""Reaching the one daemon of an instance, and starting it where none runs. Standard library only.

Whoever holds `start.lock` starts the daemon, everyone else waits and connects. A daemon holds `life.lock` as long as it
lives, so a socket that is left without one is stale. The first line each way is a greeting in JSON.
"""

import json
import os
import select
import socket
import sys
import time
from fcntl import LOCK_EX, LOCK_NB, flock

from mcp_server.launcher.paths import Places, own_folder

DAEMON: tuple[str, ...] = ("-P", "-m", "mcp_server.daemon", "--ready-fd", "3")
PATIENCE_SECONDS = 20.0
RETRY_SECONDS = 0.05
GREETING_SECONDS = 2.0
GREETING_BYTES = 1 << 16
LOG_BYTES = 5_000_000
LOG_LINES_SHOWN = 20
LOG_TAIL_BYTES = 1 << 16


class Unreachable(Exception):
    """No daemon answers and none could be started; the message says why."""


def reach(
    places: Places, hello: bytes, gift: socket.socket | None = None, patience_seconds: float = PATIENCE_SECONDS
) -> socket.socket:
    """Connect to the daemon, starting it where none runs; it gets a copy of `gift` with the greeting.

    Raises:
        Unreachable: it could not be started, or did not get ready in time.
    """
    deadline = time.monotonic() + patience_seconds
    link = dial(places.socket, hello, gift)
    while link is None:
        link = _start(places, hello, gift, deadline)
        if link is None and time.monotonic() > deadline:
            raise Unreachable(
                f"the daemon did not answer within {patience_seconds:.0f} s; `senses stop` ends it.{log_tail(places)}"
            )
    return link


def dial(path: str, hello: bytes, gift: socket.socket | None = None) -> socket.socket | None:
    """Connect and exchange greetings; None where nobody answers or the daemon is leaving."""
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        link.settimeout(GREETING_SECONDS)
        link.connect(path)
        sent = socket.send_fds(link, [hello], [gift.fileno()]) if gift else 0
        link.sendall(hello[sent:])
        answer = _read_line(link)
    except (OSError, ValueError):
        link.close()
        return None
    if answer.get("error"):
        raise Unreachable(str(answer["error"]))
    if not answer.get("welcome"):
        link.close()
        return None
    link.settimeout(None)
    return link


def log_tail(places: Places) -> str:
    """Return the last lines of the daemon's log for a message, and where the rest is."""
    try:
        with open(places.log, "rb") as file:  # noqa: PTH123
            file.seek(max(0, os.fstat(file.fileno()).st_size - LOG_TAIL_BYTES))
            lines = file.read().decode("utf-8", "replace").splitlines()[-LOG_LINES_SHOWN:]
    except OSError:
        return f" There is no log at {places.log}."
    return "\n".join([f" The last lines of {places.log}:", *lines])


def _start(places: Places, hello: bytes, gift: socket.socket | None, deadline: float) -> socket.socket | None:
    """Start the daemon unless another shim is about to or just did; None where to try again."""
    own_folder(places.run)
    own_folder(os.path.dirname(places.socket))  # noqa: PTH120
    with open(places.start_lock, "a") as lock:  # noqa: PTH123
        starts = _take(lock.fileno())
        link = dial(places.socket, hello, gift)
        # one that is leaving, or does not answer, still holds the life lock: another could only fail
        if starts and link is None and _is_free(places.life_lock) and _spawn(places, deadline):
            link = dial(places.socket, hello, gift)
    if link is None:
        time.sleep(RETRY_SECONDS)
    return link


def _is_free(path: str) -> bool:
    """Whether no daemon holds the lock."""
    with open(path, "a") as lock:  # noqa: PTH123
        return _take(lock.fileno())


def _take(lock: int) -> bool:
    """Take a lock until its file is closed, without waiting for whoever has it."""
    try:
        flock(lock, LOCK_EX | LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _spawn(places: Places, deadline: float) -> bool:
    """Start a daemon and wait until it is ready; False where another one still holds the life lock."""
    own_folder(places.logs)
    _rotate(places.log)
    reading, writing = os.pipe()
    try:
        pid = _spawn_process(places, writing)
    finally:
        os.close(writing)
    try:
        if not select.select([reading], [], [], max(0.0, deadline - time.monotonic()))[0]:
            raise Unreachable(
                f"the daemon (process {pid}) is not ready after {PATIENCE_SECONDS:.0f} s.{log_tail(places)}"
            )
        said = os.read(reading, 1)
    finally:
        os.close(reading)
    if not said:
        raise Unreachable(f"the daemon ended before it was ready.{log_tail(places)}")
    return said == b"R"


def _spawn_process(places: Places, ready: int) -> int:
    """Start the daemon in a session of its own: a signal to the client's terminal is not for it."""
    log = (os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    return os.posix_spawn(
        sys.executable,
        [sys.executable, *DAEMON],
        dict(os.environ),
        file_actions=[
            (os.POSIX_SPAWN_DUP2, _above_three(ready), 3),
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, places.log, *log),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )


def _above_three(descriptor: int) -> int:
    """A descriptor that is 3 already would stay close-on-exec where dup2 finds nothing to do."""
    return descriptor if descriptor > 3 else os.dup(descriptor)


def _rotate(log: str) -> None:
    try:
        if os.stat(log).st_size > LOG_BYTES:  # noqa: PTH116
            os.replace(log, log + ".1")  # noqa: PTH105
    except OSError:
        return


def _read_line(link: socket.socket) -> dict[str, object]:
    """Read byte by byte up to the newline: what follows belongs to the client."""
    line = b""
    while not line.endswith(b"\n"):
        byte = link.recv(1)
        if not byte or len(line) > GREETING_BYTES:
            raise ValueError("the daemon closed the connection")
        line += byte
    answer = json.loads(line)
    return answer if isinstance(answer, dict) else {}
