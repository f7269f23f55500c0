"""What an MCP client starts: a pipe between its stdio and the one daemon, standard library only.

Once both sides have greeted, bytes pass unread; a second socket, handed over with the greeting, lets the daemon open
files with the client's rights. The process ends with its client or its daemon.
"""

import json
import os
import select
import socket
import sys
import threading
from collections.abc import Mapping, Sequence

from mcp_server.launcher.broker_server import run_errands
from mcp_server.launcher.connect import Unreachable, reach
from mcp_server.launcher.paths import PROTOCOL, VERSION, Places

CHECK_SECONDS = 2.0
"""How often to see whether the parent lives, and how long a daemon may be silent once the client left."""
CHUNK_BYTES = 1 << 16


def main() -> None:
    """Run the shim; arguments are folders that the client may read and write besides its own."""
    if sys.argv[1:2] in (["--help"], ["-h"], ["--version"]):
        print_usage()
        return
    try:
        ours, theirs = socket.socketpair()
        link = reach(Places(os.environ), greeting(os.environ, sys.argv[1:]), theirs)
        theirs.close()
        threading.Thread(target=_run_errands, args=(ours,), daemon=True).start()
    except (Unreachable, OSError) as error:
        sys.stderr.write(f"senses-mcp: {error}\n")
        sys.stderr.flush()
        os._exit(1)
    os._exit(splice(link))


def print_usage() -> None:
    """Tell people what this program is for."""
    sys.stdout.write(
        f"senses-mcp {VERSION}\n\n"
        "Usage: senses-mcp [FOLDER ...]\n\n"
        "Started by MCP clients, not by hand: it connects their stdio to the Senses daemon and starts that if needed.\n"
        "Each FOLDER may be read and written by the client besides its working folder. See also: senses --help\n"
    )


def greeting(environ: Mapping[str, str], folders: Sequence[str]) -> bytes:
    """Build the line that tells the daemon who connects; an unexpanded ${…} of a bundle is no folder."""
    hello = {
        "protocol": PROTOCOL,
        "version": VERSION,
        "pid": os.getpid(),
        "cwd": _cwd(),
        "project": environ.get("CLAUDE_PROJECT_DIR", ""),
        "folders": [_absolute(folder) for folder in folders if folder and "${" not in folder],
    }
    return json.dumps(hello).encode() + b"\n"


def splice(link: socket.socket) -> int:
    """Pass bytes both ways until one side ends; return the exit status: 0 where the client ended it."""
    parent = os.getppid()
    leaving = threading.Event()
    threading.Thread(target=_pass_stdin, args=(link, leaving), daemon=True).start()
    while True:
        if select.select([link], [], [], CHECK_SECONDS)[0]:
            data = _receive(link)
            if not data:
                return _farewell(leaving.is_set())
            if not _write_all(1, data):
                return 0
        elif leaving.is_set() or os.getppid() != parent:
            return 0


def _run_errands(link: socket.socket) -> None:
    try:
        run_errands(link)
    except OSError:
        pass  # the daemon has gone, which the other threads find out
    link.close()


def _pass_stdin(link: socket.socket, leaving: threading.Event) -> None:
    try:
        while data := os.read(0, CHUNK_BYTES):
            link.sendall(data)
    except OSError:
        pass  # the other thread finds out the same and ends the process
    leaving.set()
    try:
        link.shutdown(socket.SHUT_WR)
    except OSError:
        return


def _receive(link: socket.socket) -> bytes:
    try:
        return link.recv(CHUNK_BYTES)
    except OSError:
        return b""


def _write_all(descriptor: int, data: bytes) -> bool:
    rest = memoryview(data)
    try:
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    except OSError:
        return False
    return True


def _farewell(client_left: bool) -> int:
    if client_left:
        return 0
    sys.stderr.write("senses-mcp: the Senses daemon ended; reconnect to start it again.\n")
    sys.stderr.flush()
    return 1


def _cwd() -> str:
    try:
        return os.getcwd()  # noqa: PTH109
    except OSError:
        return ""


def _absolute(folder: str) -> str:
    return os.path.abspath(os.path.expanduser(folder))  # noqa: PTH100, PTH111


if __name__ == "__main__":
    main()
