"""Connect to the one daemon of an instance, or start it. Standard library only.

The holder of `start.lock` starts the daemon; others wait and connect. A running daemon holds the instance lock
(`life.lock`), so a socket without that lock is stale. Each side first sends a handshake, one line of JSON.
"""

import json
import os
import select
import signal
import socket
import sys
import time

from mcp_server.launcher.file_lock import try_lock
from mcp_server.launcher.paths import InstancePaths, ensure_private_folder
from mcp_server.launcher.sockets import enlarge_buffers

DAEMON_ARGUMENTS: tuple[str, ...] = ("-P", "-m", "mcp_server.daemon", "--ready-fd", "3")
"""-P: the client's working folder must not shadow our packages."""
START_TIMEOUT_SECONDS = 60.0
"""The first start takes longest: macOS scans new libraries, and Python compiles what set-up has not."""
RETRY_SECONDS = 0.02
HANDSHAKE_TIMEOUT_SECONDS = 2.0
MAX_HANDSHAKE_BYTES = 1 << 16
MAX_LOG_BYTES = 5_000_000
"""A larger log is renamed to `daemon.log.1` at the next start."""
LOG_OPEN_ARGUMENTS = (os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
MAX_REASON_BYTES = 1 << 12
LOG_LINES_SHOWN = 20
LOG_TAIL_BYTES = 1 << 16


class DaemonUnreachable(Exception):
    """No daemon answers and none can be started; the message gives the reason."""


class DaemonEnded(DaemonUnreachable):
    """A daemon that was started has ended before it was ready, without a reason; another start may succeed."""


def connect_or_start(
    paths: InstancePaths,
    handshake: bytes,
    broker_socket: socket.socket | None = None,
    timeout_seconds: float = START_TIMEOUT_SECONDS,
) -> socket.socket:
    """Connect to the daemon and start it if none runs; the handshake carries a copy of `broker_socket`.

    Raises:
        DaemonUnreachable: the daemon fails to start, or is not ready within `timeout_seconds`.
        DaemonEnded: it ends before it is ready, as one that is killed does.
    """
    deadline = time.monotonic() + timeout_seconds
    connection = try_connect(paths.socket_path, handshake, broker_socket)
    while connection is None:
        connection = _start_and_connect(paths, handshake, broker_socket, deadline)
        if connection is None and time.monotonic() > deadline:
            raise DaemonUnreachable(
                f"the daemon did not answer within {timeout_seconds:.0f} s; `senses stop` ends it.{log_tail(paths)}"
            )
    return connection


def try_connect(path: str, handshake: bytes, broker_socket: socket.socket | None = None) -> socket.socket | None:
    """Connect and exchange handshakes. Return None if no daemon answers or it is shutting down.

    Raises:
        DaemonUnreachable: the daemon refuses this client; the message is its own.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    enlarge_buffers(connection)
    try:
        connection.settimeout(HANDSHAKE_TIMEOUT_SECONDS)
        connection.connect(path)
        sent_bytes = socket.send_fds(connection, [handshake], [broker_socket.fileno()]) if broker_socket else 0
        connection.sendall(handshake[sent_bytes:])
        reply = _read_handshake_reply(connection)
    except (OSError, ValueError):
        connection.close()
        return None
    if reply.get("error"):
        connection.close()
        raise DaemonUnreachable(str(reply["error"]))
    if not reply.get("welcome"):
        connection.close()
        return None
    connection.settimeout(None)
    return connection


def log_tail(paths: InstancePaths) -> str:
    """Return the last lines of the daemon's log and its path, as text for an error."""
    try:
        with open(paths.log_file, "rb") as file:  # noqa: PTH123
            file.seek(max(0, os.fstat(file.fileno()).st_size - LOG_TAIL_BYTES))
            lines = file.read().decode("utf-8", "replace").splitlines()[-LOG_LINES_SHOWN:]
    except OSError:
        return f" There is no log at {paths.log_file}."
    return "\n".join([f" The last lines of {paths.log_file}:", *lines])


def _start_and_connect(
    paths: InstancePaths, handshake: bytes, broker_socket: socket.socket | None, deadline: float
) -> socket.socket | None:
    """Start the daemon unless another shim is starting it or has just done so. Return None to try again."""
    ensure_private_folder(paths.run_folder)
    ensure_private_folder(os.path.dirname(paths.socket_path))  # noqa: PTH120
    with open(paths.start_lock, "a") as lock:  # noqa: PTH123
        holds_start_lock = try_lock(lock.fileno(), paths.start_lock)
        connection = try_connect(paths.socket_path, handshake, broker_socket)
        # a daemon that is shutting down or does not answer still holds the instance lock: a second one could only fail
        may_start = holds_start_lock and connection is None and _is_unlocked(paths.instance_lock)
        if may_start and _spawn_daemon(paths, deadline):
            connection = try_connect(paths.socket_path, handshake, broker_socket)
    if connection is None:
        time.sleep(RETRY_SECONDS)
    return connection


def _is_unlocked(path: str) -> bool:
    with open(path, "a") as lock:  # noqa: PTH123
        return try_lock(lock.fileno(), path)


def _spawn_daemon(paths: InstancePaths, deadline: float) -> bool:
    """Start a daemon and wait until it is ready. Return False if another one holds the instance lock."""
    read_end, write_end = os.pipe()
    try:
        pid = _spawn_process(paths, write_end)
    finally:
        os.close(write_end)
    try:
        if not select.select([read_end], [], [], max(0.0, deadline - time.monotonic()))[0]:
            raise DaemonUnreachable(
                f"the daemon (process {pid}) is not ready after {START_TIMEOUT_SECONDS:.0f} s.{log_tail(paths)}"
            )
        ready_byte = os.read(read_end, 1)
        reason = os.read(read_end, MAX_REASON_BYTES).decode("utf-8", "replace") if ready_byte == b"E" else ""
    finally:
        os.close(read_end)
    if reason:
        raise DaemonUnreachable(reason)
    if not ready_byte:
        raise DaemonEnded(f"the daemon exited before it was ready.{log_tail(paths)}")
    return ready_byte == b"R"


def _spawn_process(paths: InstancePaths, ready_fd: int) -> int:
    """Start the daemon in a new session, so that signals of the client's terminal do not reach it."""
    log_file = _usable_log_file(paths)
    return os.posix_spawn(
        sys.executable,
        [sys.executable, *DAEMON_ARGUMENTS],
        dict(os.environ),
        file_actions=[
            (os.POSIX_SPAWN_DUP2, _duplicate_if_three(ready_fd), 3),
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, log_file, *LOG_OPEN_ARGUMENTS),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
        setsigdef=[signal.SIGCHLD],  # a shim ignores it; the daemon waits for its workers
    )


def _duplicate_if_three(descriptor: int) -> int:
    """Return another descriptor than 3: dup2(3, 3) does nothing, so 3 would stay close-on-exec."""
    return descriptor if descriptor > 3 else os.dup(descriptor)


def _usable_log_file(paths: InstancePaths) -> str:
    """Return the log for a new daemon; the null device if the disk is full or read-only."""
    try:
        ensure_private_folder(paths.logs_folder)
        rotate_log(paths.log_file)
        os.close(os.open(paths.log_file, *LOG_OPEN_ARGUMENTS))
    except OSError:
        return os.devnull
    return paths.log_file


def rotate_log(path: str) -> None:
    """Rename a large log, so that a new one begins; do nothing if that is impossible."""
    try:
        if os.stat(path).st_size > MAX_LOG_BYTES:  # noqa: PTH116
            os.replace(path, path + ".1")  # noqa: PTH105
    except OSError:
        return


def _read_handshake_reply(connection: socket.socket) -> dict[str, object]:
    """Read the daemon's handshake.

    Raises:
        ValueError: the connection ends before the newline, or the line is too long or not JSON.
    """
    line = b""
    while not line.endswith(b"\n"):
        byte = connection.recv(1)  # not more: the bytes after the newline belong to the client
        if not byte or len(line) > MAX_HANDSHAKE_BYTES:
            raise ValueError("the daemon closed the connection")
        line += byte
    reply = json.loads(line)
    return reply if isinstance(reply, dict) else {}
