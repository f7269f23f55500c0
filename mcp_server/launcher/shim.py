"""`senses-mcp`, which an MCP client starts: it connects the client to the daemon. Standard library only.

A second socket, sent with the handshake, lets the daemon open files with the client's rights. The process ends with its
client; when the daemon ends, it finds or starts another one.
"""

import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Mapping, Sequence

from mcp_server.launcher.broker_server import serve_file_requests
from mcp_server.launcher.connect import DaemonUnreachable, connect_or_start
from mcp_server.launcher.paths import PROTOCOL_VERSION, VERSION, InstancePaths
from mcp_server.launcher.relay import Relay, reason
from mcp_server.launcher.session import RequestId
from mcp_server.launcher.sockets import connected_pair


def main() -> None:
    """Run the shim. Each argument is a folder that the client may use besides its working folder."""
    if sys.argv[1:2] in (["--help"], ["-h"], ["--version"]):
        print_usage()
        return
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # so that a daemon which it has started leaves no zombie
    paths, session = InstancePaths(os.environ), os.urandom(8).hex()

    def connect(repeated: list[RequestId]) -> socket.socket:
        return connect_with_rights(paths, encode_handshake(os.environ, sys.argv[1:], session, repeated))

    try:
        connection = connect([])
    except (DaemonUnreachable, OSError) as error:
        sys.stderr.write(f"senses-mcp: {reason(error)}\n")
        sys.stderr.flush()
        os._exit(1)
    Relay(connect, paths.socket_path).run(connection)
    os._exit(0)


def connect_with_rights(paths: InstancePaths, handshake: bytes) -> socket.socket:
    """Connect to the daemon, or start it, and serve its file requests on a second socket as long as it lives.

    Raises:
        DaemonUnreachable: the daemon fails to start.
        OSError: a folder of the instance cannot be used.
    """
    broker_end, daemon_end = connected_pair()
    try:
        connection = connect_or_start(paths, handshake, daemon_end)
    except BaseException:
        broker_end.close()
        raise
    finally:
        daemon_end.close()
    threading.Thread(target=_serve_file_requests, args=(broker_end,), daemon=True).start()
    return connection


def print_usage() -> None:
    """Print the purpose and the arguments of this program."""
    sys.stdout.write(
        f"senses-mcp {VERSION}\n\n"
        "Usage: senses-mcp [FOLDER ...]\n\n"
        "An MCP client starts this program; you do not. It connects the client to the Senses daemon and starts the\n"
        "daemon if it is not running. The client may read and write its working folder and each FOLDER.\n\n"
        "For people: senses --help\n"
    )


def encode_handshake(
    environ: Mapping[str, str], folders: Sequence[str], session: str = "", repeated: Sequence[RequestId] = ()
) -> bytes:
    """Return the line of JSON that describes this client to the daemon.

    `session` names this run of the shim. Requests whose ids are in `repeated` were sent to an earlier daemon, too.
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
        "session": session,
        "repeated": list(repeated),
    }
    return json.dumps(handshake).encode() + b"\n"


def _serve_file_requests(connection: socket.socket) -> None:
    try:
        serve_file_requests(connection)
    except OSError:
        pass  # the daemon has ended; the main thread notices it and finds another
    connection.close()


def _current_folder() -> str:
    try:
        return os.getcwd()  # noqa: PTH109
    except OSError:
        return ""


def _absolute(folder: str) -> str:
    return os.path.abspath(os.path.expanduser(folder))  # noqa: PTH100, PTH111


if __name__ == "__main__":
    main()
