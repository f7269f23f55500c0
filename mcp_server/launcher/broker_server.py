"""The shim's side of the file broker: it opens files for the daemon with the client's rights. Standard library only.

On macOS the right to open ~/Desktop, ~/Documents and ~/Downloads belongs to the app that started the process, and the
daemon runs outside that app. It therefore sends file requests over a second socket, one JSON object a line, and
receives each open file as a descriptor with the reply (SCM_RIGHTS, unix(7)).
"""

import json
import os
import socket

MAX_LINE_BYTES = 1 << 16
READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
CREATE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
INVALID_REQUEST = -1
"""The "errno" of the reply to an unknown request."""


def serve_file_requests(connection: socket.socket) -> None:
    """Answer file requests until the daemon closes the connection.

    Raises:
        OSError: the connection breaks.
    """
    buffered = b""
    while True:
        line, newline, remaining = buffered.partition(b"\n")
        if newline:
            buffered = remaining
            _handle_line(connection, line)
            continue
        data = connection.recv(MAX_LINE_BYTES) if len(buffered) < MAX_LINE_BYTES else b""
        if not data:
            return
        buffered += data


def _handle_line(connection: socket.socket, line: bytes) -> None:
    try:
        descriptor = _execute(json.loads(line))
    except OSError as error:
        connection.sendall(_encode_errno(error.errno or INVALID_REQUEST))
    except (ValueError, KeyError, TypeError, AttributeError):
        connection.sendall(_encode_errno(INVALID_REQUEST))
    else:
        if descriptor is None:
            connection.sendall(_encode_errno(0))
            return
        try:
            socket.send_fds(connection, [_encode_errno(0)], [descriptor])
        finally:
            os.close(descriptor)


def _execute(request: dict[str, str]) -> int | None:
    """Execute one file request and return the opened descriptor, if any.

    Raises:
        OSError: the system refuses.
        ValueError, KeyError, TypeError, AttributeError: the request is unknown or malformed.
    """
    path = request["path"]
    if request["do"] == "open":
        return os.open(path, READ_FLAGS)
    if request["do"] == "create":
        return os.open(path, CREATE_FLAGS, 0o666)
    if request["do"] == "rename":
        os.replace(path, request["to"])  # noqa: PTH105
    elif request["do"] == "unlink":
        os.unlink(path)  # noqa: PTH108
    else:
        raise ValueError(request["do"])
    return None


def _encode_errno(error_number: int) -> bytes:
    return b'{"errno": %d}\n' % error_number
