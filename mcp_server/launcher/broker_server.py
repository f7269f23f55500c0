"""The shim's side of the file broker: it opens files for the daemon with the client's rights. Standard library only.

On macOS a person grants ~/Desktop, ~/Documents and ~/Downloads to a program, and the processes that it starts share the
grant. A shim that a Terminal started shares that of the Terminal; Claude Desktop gives up this sharing, so its shim has
only what was granted to Python itself. The daemon may have been started elsewhere and so have other grants. It therefore
sends file requests over a second socket, one JSON object a line with a number, and receives each open file as a
descriptor with the reply (SCM_RIGHTS, unix(4)). An `open` can wait minutes for a person who answers a dialog, or for a
network volume: every request has a thread, and replies come in any order.
"""

import json
import os
import socket
import threading

from mcp_server.launcher import file_requests

MAX_LINE_BYTES = 1 << 16
INVALID_REQUEST = -1
"""The "errno" of the reply to an unknown request."""
THREAD_NAME = "file request"


def serve_file_requests(connection: socket.socket) -> None:
    """Answer file requests until the daemon closes the connection.

    Raises:
        OSError: the connection breaks.
    """
    replies, files = _ReplySender(connection), UnfinishedFiles()
    try:
        _serve(connection, replies, files)
    finally:
        files.discard_all()


def _serve(connection: socket.socket, replies: "_ReplySender", files: "UnfinishedFiles") -> None:
    buffered = b""
    while True:
        line, newline, remaining = buffered.partition(b"\n")
        if newline:
            buffered = remaining
            threading.Thread(target=_answer, args=(replies, files, line), name=THREAD_NAME, daemon=True).start()
            continue
        data = connection.recv(MAX_LINE_BYTES) if len(buffered) < MAX_LINE_BYTES else b""
        if not data:
            return
        buffered += data


class _ReplySender:
    """Sends the replies of several threads, one after the other."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def send(self, number: object, error_number: int, fields: dict[str, int | str]) -> None:
        """Send a reply; a descriptor in `fields` is sent with it and closed. Do nothing if the daemon has gone."""
        descriptor = fields.get("fd")
        descriptors = [descriptor] if isinstance(descriptor, int) else []
        line = json.dumps({"id": number, "errno": error_number, **fields, "fd": bool(descriptors)}).encode() + b"\n"
        try:
            with self._lock:
                sent_bytes = socket.send_fds(self._connection, [line], descriptors)
                self._connection.sendall(line[sent_bytes:])
        except OSError:
            return
        finally:
            for sent in descriptors:
                os.close(sent)


class UnfinishedFiles:
    """Executes requests and deletes, when the daemon leaves, the files that it has not finished."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._lock = threading.Lock()
        self._is_closed = False

    def execute(self, request: dict[str, str]) -> dict[str, int | str]:
        """Execute a request; see `file_requests.execute`."""
        self._names.pop(request.get("folder", ""), None)
        fields = file_requests.execute(request)
        if "folder" in fields:
            with self._lock:
                self._names[str(fields["folder"])] = os.path.basename(request["path"])  # noqa: PTH119
            if self._is_closed:
                self.discard_all()
        return fields

    def discard_all(self) -> None:
        """Delete the unfinished files, now and from now on."""
        with self._lock:
            self._is_closed = True
            unfinished, self._names = self._names, {}
        for folder, name in unfinished.items():
            try:
                file_requests.execute({"do": "discard", "folder": folder, "path": name})
            except OSError:
                continue  # its folder or disk has gone


def _answer(replies: _ReplySender, files: UnfinishedFiles, line: bytes) -> None:
    number: object = None
    error_number, fields = 0, {}
    try:
        request = json.loads(line)
        number = request.get("id")
        fields = files.execute(request)
    except OSError as error:
        error_number = error.errno or INVALID_REQUEST
    except (ValueError, KeyError, TypeError, AttributeError):
        error_number = INVALID_REQUEST
    replies.send(number, error_number, fields)
