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
    replies, partial_files = _ReplySender(connection), PartialFiles()
    buffered = b""
    try:
        while True:
            line, newline, remaining = buffered.partition(b"\n")
            if newline:
                buffered = remaining
                arguments = (replies, partial_files, line)
                threading.Thread(target=_answer, args=arguments, name=THREAD_NAME, daemon=True).start()
                continue
            data = connection.recv(MAX_LINE_BYTES) if len(buffered) < MAX_LINE_BYTES else b""
            if not data:
                return
            buffered += data
    finally:
        partial_files.delete()


class PartialFiles:
    """The files that the daemon has made and not put in place yet. One that is killed leaves none behind."""

    def __init__(self) -> None:
        self._paths: set[str] = set()
        self._lock = threading.Lock()
        self._is_over = False

    def note(self, request: dict[str, str]) -> None:
        """Take an executed request into account."""
        with self._lock:
            if request["do"] in ("rename", "unlink"):
                self._paths.discard(request["path"])
            elif request["do"] == "create":
                self._paths.add(request["path"])
        if self._is_over:
            self.delete()

    def delete(self) -> None:
        """Delete the files, now and whenever one is made from now on."""
        with self._lock:
            self._is_over = True
            while self._paths:
                try:
                    os.unlink(self._paths.pop())  # noqa: PTH108
                except OSError:
                    continue


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


def _answer(replies: _ReplySender, partial_files: PartialFiles, line: bytes) -> None:
    number: object = None
    error_number, fields = 0, {}
    try:
        request = json.loads(line)
        number = request.get("id")
        fields = file_requests.execute(request)
        partial_files.note(request)
    except OSError as error:
        error_number = error.errno or INVALID_REQUEST
    except (ValueError, KeyError, TypeError, AttributeError):
        error_number = INVALID_REQUEST
    replies.send(number, error_number, fields)
