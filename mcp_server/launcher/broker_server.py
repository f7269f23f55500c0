"""What a shim does for the daemon: opening files with the rights of its client. Standard library only.

On a Mac the right to open ~/Desktop, ~/Documents and ~/Downloads belongs to the app that started the process, and the
daemon has lost it. So the daemon asks over a socket of its own, one JSON object a line, and gets each file as a
descriptor beside the answer (SCM_RIGHTS).
"""

import json
import os
import socket

LINE_BYTES = 1 << 16
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
NO_ERRAND = -1
"""The answer to what is none of these."""


def run_errands(link: socket.socket) -> None:
    """Serve the daemon until it closes its end."""
    rest = b""
    while True:
        line, newline, after = rest.partition(b"\n")
        if newline:
            rest = after
            _answer(link, line)
            continue
        data = link.recv(LINE_BYTES) if len(rest) < LINE_BYTES else b""
        if not data:
            return
        rest += data


def _answer(link: socket.socket, line: bytes) -> None:
    try:
        descriptor = _run(json.loads(line))
    except OSError as error:
        link.sendall(_status(error.errno or NO_ERRAND))
    except (ValueError, KeyError, TypeError, AttributeError):
        link.sendall(_status(NO_ERRAND))
    else:
        if descriptor is None:
            link.sendall(_status(0))
            return
        try:
            socket.send_fds(link, [_status(0)], [descriptor])
        finally:
            os.close(descriptor)


def _run(errand: dict[str, str]) -> int | None:
    """Do one errand; raises what the system raises."""
    path = errand["path"]
    if errand["do"] == "open":
        return os.open(path, READ)
    if errand["do"] == "create":
        return os.open(path, CREATE, 0o666)
    if errand["do"] == "rename":
        os.replace(path, errand["to"])  # noqa: PTH105
    elif errand["do"] == "unlink":
        os.unlink(path)  # noqa: PTH108
    else:
        raise ValueError(errand["do"])
    return None


def _status(number: int) -> bytes:
    return b'{"errno": %d}\n' % number
