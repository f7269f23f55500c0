"""The daemon's side of the file broker: the shim opens and writes files with the client's rights.

`launcher.broker_server` is the other side. Requests have numbers, so one that waits for a person or for a disk holds up
no other, and a reply that comes too late is discarded.
"""

import asyncio
import errno
import json
import os
import socket
from collections import deque
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from mcp_server.files.file_access import FileAnswer, FileRequest, answer_of, undo_request
from mcp_server.files.file_calls import FILE_TIMEOUT_SECONDS, FileCalls
from mcp_server.launcher.sockets import enlarge_buffers

MAX_REPLY_BYTES = 1 << 16
MAX_DESCRIPTORS = 16
"""Received in one read; the system puts at most those of one reply into it."""

PendingAnswer = asyncio.Future[FileAnswer | Exception]


class FileBrokerClient:
    """Sends file requests to the shim over `connection` and receives the replies, on the running event loop."""

    def __init__(self, connection: socket.socket, timeout_seconds: float = FILE_TIMEOUT_SECONDS) -> None:
        connection.set_inheritable(False)  # recvmsg(2) makes it inheritable: a worker could make the shim open files
        connection.setblocking(False)
        enlarge_buffers(connection)
        self._connection = connection
        self._calls = FileCalls(timeout_seconds)
        self._numbers = count(1)
        self._unanswered: dict[int, PendingAnswer] = {}
        self._outgoing = bytearray()
        self._received = b""
        self._descriptors: deque[int] = deque()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(connection, self._receive)

    async def execute(self, request: FileRequest, folder: Path) -> FileAnswer:
        """See `FileAccess.execute`."""
        return await self._calls.run(folder, partial(self._send, request), partial(self._undo, request))

    def close(self) -> None:
        """Close the connection, which ends the shim's thread; requests without a reply fail."""
        if self._connection.fileno() < 0:
            return
        self._loop.remove_reader(self._connection)
        self._loop.remove_writer(self._connection)
        self._connection.close()
        while self._descriptors:
            os.close(self._descriptors.popleft())
        for outcome in self._unanswered.values():
            outcome.set_result(_lost())
        self._unanswered.clear()

    def _send(self, request: FileRequest, outcome: PendingAnswer) -> None:
        if self._connection.fileno() < 0:
            outcome.set_result(_lost())
            return
        number = next(self._numbers)
        self._unanswered[number] = outcome
        self._outgoing += json.dumps({"id": number, **request}).encode() + b"\n"
        self._flush()

    def _undo(self, request: FileRequest, answer: FileAnswer) -> None:
        answer.close()
        if undoing := undo_request(request, answer):
            self._send(undoing, self._loop.create_future())

    def _flush(self) -> None:
        try:
            del self._outgoing[: self._connection.send(self._outgoing)]
        except BlockingIOError:
            pass
        except OSError:
            self.close()
            return
        if self._outgoing:
            self._loop.add_writer(self._connection, self._flush)
        else:
            self._loop.remove_writer(self._connection)

    def _receive(self) -> None:
        try:
            data, descriptors, _, _ = socket.recv_fds(self._connection, MAX_REPLY_BYTES, MAX_DESCRIPTORS)
        except BlockingIOError:
            return
        except OSError:
            data, descriptors = b"", []
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        self._descriptors.extend(descriptors)
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            self._handle_reply(line)
        if not data or len(self._received) > MAX_REPLY_BYTES:
            self.close()

    def _handle_reply(self, line: bytes) -> None:
        reply = _parse(line)
        number = reply.get("id")
        outcome = self._unanswered.pop(number, None) if isinstance(number, int) else None
        if outcome is None:
            self.close()
            return
        try:
            outcome.set_result(self._answer_of(reply))
        except OSError as error:
            outcome.set_result(error)

    def _answer_of(self, reply: dict[str, Any]) -> FileAnswer:
        error_number = reply.pop("errno", None)
        if not isinstance(error_number, int) or error_number < 0:
            raise OSError(errno.EPROTO, os.strerror(errno.EPROTO))
        if error_number:
            raise OSError(error_number, os.strerror(error_number))
        if reply.pop("fd", False):
            if not self._descriptors:
                raise OSError(errno.EPROTO, "the client sent no file")
            reply["fd"] = self._descriptors.popleft()
        return answer_of(reply)


def _parse(line: bytes) -> dict[str, Any]:
    try:
        reply = json.loads(line)
    except ValueError:
        return {}
    return reply if isinstance(reply, dict) else {}


def _lost() -> ConnectionResetError:
    return ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
