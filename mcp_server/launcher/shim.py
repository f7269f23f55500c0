"""`senses-mcp`, which an MCP client starts: copy bytes between stdio and the daemon. Standard library only.

After the handshake bytes are copied unread; a second socket, sent with the handshake, lets the daemon open files with
the client's rights. The process ends with its client or with the daemon.
"""

import json
import os
import select
import socket
import sys
import threading
from collections.abc import Mapping, Sequence

from mcp_server.launcher.broker_server import serve_file_requests
from mcp_server.launcher.connect import DaemonUnreachable, connect_or_start
from mcp_server.launcher.paths import PROTOCOL_VERSION, VERSION, InstancePaths
from mcp_server.launcher.sockets import connected_pair

PARENT_CHECK_SECONDS = 2.0
"""Interval of the check that the parent process runs, and how long to wait for output after the client closes stdin."""
CHUNK_BYTES = 1 << 16


def main() -> None:
    """Run the shim. Each argument is a folder that the client may use besides its working folder."""
    if sys.argv[1:2] in (["--help"], ["-h"], ["--version"]):
        print_usage()
        return
    try:
        broker_end, daemon_end = connected_pair()
        connection = connect_or_start(InstancePaths(os.environ), encode_handshake(os.environ, sys.argv[1:]), daemon_end)
        daemon_end.close()
        threading.Thread(target=_serve_file_requests, args=(broker_end,), daemon=True).start()
    except (DaemonUnreachable, OSError) as error:
        sys.stderr.write(f"senses-mcp: {_reason(error)}\n")
        sys.stderr.flush()
        os._exit(1)
    os._exit(splice(connection))


def _reason(error: Exception) -> str:
    """Return why no daemon is reached, as one sentence."""
    if isinstance(error, OSError) and error.filename and error.strerror:
        remedy = "Make room or make the folder writable, or set SENSES_HOME to another folder."
        return f"{error.filename} cannot be used: {error.strerror}. {remedy}"
    return str(error)


def print_usage() -> None:
    """Print the purpose and the arguments of this program."""
    sys.stdout.write(
        f"senses-mcp {VERSION}\n\n"
        "Usage: senses-mcp [FOLDER ...]\n\n"
        "An MCP client starts this program; you do not. It connects the client to the Senses daemon and starts the\n"
        "daemon if it is not running. The client may read and write its working folder and each FOLDER.\n\n"
        "For people: senses --help\n"
    )


def encode_handshake(environ: Mapping[str, str], folders: Sequence[str]) -> bytes:
    """Return the line of JSON that describes this client to the daemon.

    A folder with an unexpanded `${…}` is skipped: a desktop bundle passes it for an option that is not set.
    """
    handshake = {
        "protocol": PROTOCOL_VERSION,
        "version": VERSION,
        "pid": os.getpid(),
        "program": os.path.realpath(sys.executable),
        "cwd": _current_folder(),
        "project": environ.get("CLAUDE_PROJECT_DIR", ""),
        "folders": [_absolute(folder) for folder in folders if folder and "${" not in folder],
    }
    return json.dumps(handshake).encode() + b"\n"


def splice(connection: socket.socket) -> int:
    """Copy bytes both ways until one side ends. Return the exit status: 0 if the client ended first."""
    parent_pid = os.getppid()
    stdin_closed = threading.Event()
    threading.Thread(target=_forward_stdin, args=(connection, stdin_closed), daemon=True).start()
    while True:
        if select.select([connection], [], [], PARENT_CHECK_SECONDS)[0]:
            data = _receive(connection)
            if not data:
                return _exit_status(stdin_closed.is_set())
            if not _write_all(1, data):
                return 0
        elif stdin_closed.is_set() or os.getppid() != parent_pid:
            return 0


def _serve_file_requests(connection: socket.socket) -> None:
    try:
        serve_file_requests(connection)
    except OSError:
        pass  # the daemon exited; the main thread notices it and ends the process
    connection.close()


def _forward_stdin(connection: socket.socket, stdin_closed: threading.Event) -> None:
    try:
        while data := os.read(0, CHUNK_BYTES):
            connection.sendall(data)
    except OSError:
        pass  # the daemon exited; the main thread notices it and ends the process
    stdin_closed.set()
    try:
        connection.shutdown(socket.SHUT_WR)
    except OSError:
        return


def _receive(connection: socket.socket) -> bytes:
    try:
        return connection.recv(CHUNK_BYTES)
    except OSError:
        return b""


def _write_all(descriptor: int, data: bytes) -> bool:
    remaining = memoryview(data)
    try:
        while remaining:
            remaining = remaining[os.write(descriptor, remaining) :]
    except OSError:
        return False
    return True


def _exit_status(client_left: bool) -> int:
    if client_left:
        return 0
    sys.stderr.write("senses-mcp: the Senses daemon exited. Reconnect the server in your client to start it again.\n")
    sys.stderr.flush()
    return 1


def _current_folder() -> str:
    try:
        return os.getcwd()  # noqa: PTH109
    except OSError:
        return ""


def _absolute(folder: str) -> str:
    return os.path.abspath(os.path.expanduser(folder))  # noqa: PTH100, PTH111


if __name__ == "__main__":
    main()
