"""Carries lines between the client's stdio and the daemon, from one daemon to the next. Standard library only.

One thread reads the client, the main thread the daemon. `Session` decides what is sent to whom. A client that waits for
an answer gets a new daemon at once. One that only follows changes gets one when a daemon has crashed, which leaves its
socket behind, or when another client has started one: `senses stop` stays in force until somebody asks for something.
"""

import os
import select
import socket
import threading
from collections.abc import Callable

from mcp_server.launcher.connect import DaemonEnded, DaemonUnreachable
from mcp_server.launcher.session import LineBuffer, RequestId, Session

CHECK_SECONDS = 2.0
"""Interval of the check that the parent process runs, and how long to wait for output after the client closes stdin."""
CHUNK_BYTES = 1 << 16

Connect = Callable[[list[RequestId]], socket.socket]
"""connect(ids) connects to the daemon, or starts it; requests of these ids will be repeated."""


class Relay:
    """One client and the daemon of the moment.

    `_sending` is held while bytes go to a daemon, so that what is repeated goes first; `_state` guards the session.
    """

    def __init__(self, connect: Connect, socket_path: str) -> None:
        self._connect = connect
        self._socket_path = socket_path
        self._session = Session()
        self._sending = threading.Lock()
        self._state = threading.Lock()
        self._connection: socket.socket | None = None
        self._received = LineBuffer()
        self._client_wrote = threading.Event()
        self._client_left = threading.Event()
        self._may_try = True
        """Whether a daemon is started for a client that only follows: not again after one that did not start."""

    def run(self, connection: socket.socket) -> None:
        """Carry lines until the client ends, then disconnect; `connection` is that to the first daemon."""
        self._connection = connection
        parent_pid = os.getppid()
        threading.Thread(target=self._forward_client, daemon=True).start()
        try:
            while self._goes_on() and os.getppid() == parent_pid:
                pass
        finally:
            if self._connection is not None:
                self._disconnect(self._connection)

    def _goes_on(self) -> bool:
        return self._is_waited_for() if self._connection is None else self._is_served()

    def _is_served(self) -> bool:
        """Forward what the daemon sends. Return False once the client has left."""
        connection = self._connection
        while connection is not None and select.select([connection], [], [], CHECK_SECONDS)[0]:
            data = _receive(connection)
            if not data:
                return self._lose(connection)
            for line in self._received.feed(data):
                with self._state:
                    forwarded = self._session.from_daemon(line)
                if not _write(forwarded):
                    return False
        return not self._client_left.is_set()

    def _lose(self, connection: socket.socket) -> bool:
        self._received = LineBuffer()  # half an answer is none
        with self._state:
            self._connection = None
            answers = self._session.connection_lost()
        self._disconnect(connection)
        return _write(answers) and not self._client_left.is_set()

    def _disconnect(self, connection: socket.socket) -> None:
        _shut_down(connection, socket.SHUT_RDWR)  # ends a send that waits in the other thread
        with self._sending:
            connection.close()

    def _is_waited_for(self) -> bool:
        """Reconnect if somebody needs a daemon, else wait. Return False once the client has left."""
        with self._state:
            waits, follows, repeated = self._session.waits, self._session.follows, self._session.repeated_ids
        if not waits:
            self._client_wrote.wait(CHECK_SECONDS)
            follows = follows and self._may_try and os.path.exists(self._socket_path)  # noqa: PTH110
        self._client_wrote.clear()
        return self._reconnect(repeated) if waits or follows else not self._client_left.is_set()

    def _reconnect(self, repeated: list[RequestId]) -> bool:
        try:
            connection = self._connect_or_retry(repeated)
        except (DaemonUnreachable, OSError) as error:
            with self._state:
                self._may_try = False
                answers = self._session.give_up(reason(error))
            return _write(answers)
        with self._sending:
            with self._state:
                self._connection, self._may_try = connection, True
                lines = self._session.replay()
            for line in lines:
                _send(connection, line)
        return not self._client_left.is_set()

    def _connect_or_retry(self, repeated: list[RequestId]) -> socket.socket:
        """Connect; try again once if the new daemon was killed as well."""
        try:
            return self._connect(repeated)
        except DaemonEnded:
            return self._connect(repeated)

    def _forward_client(self) -> None:
        lines = LineBuffer()
        while data := _read_stdin():
            for line in lines.feed(data):
                self._forward_line(line)
        self._client_left.set()
        self._client_wrote.set()
        with self._sending:
            if self._connection is not None:
                _shut_down(self._connection, socket.SHUT_WR)

    def _forward_line(self, line: bytes) -> None:
        with self._sending:
            with self._state:
                connection = self._connection
                forwarded = self._session.from_client(line, is_connected=connection is not None)
            if connection is not None:
                _send(connection, forwarded)
        self._client_wrote.set()


def reason(error: Exception) -> str:
    """Return why no daemon is reached, as sentences."""
    if isinstance(error, OSError) and error.filename and error.strerror:
        remedy = "Make room or make the folder writable, or set SENSES_HOME to another folder."
        return f"{error.filename} cannot be used: {error.strerror}. {remedy}"
    return str(error)


def _send(connection: socket.socket, data: bytes) -> None:
    try:
        connection.sendall(data)
    except OSError:
        return  # the daemon has ended; the main thread notices it, and the session repeats the line


def _shut_down(connection: socket.socket, how: int) -> None:
    try:
        connection.shutdown(how)
    except OSError:
        return


def _receive(connection: socket.socket) -> bytes:
    try:
        return connection.recv(CHUNK_BYTES)
    except OSError:
        return b""


def _read_stdin() -> bytes:
    try:
        return os.read(0, CHUNK_BYTES)
    except OSError:
        return b""


def _write(data: bytes) -> bool:
    """Write to the client; return False if it reads no more."""
    remaining = memoryview(data)
    try:
        while remaining:
            remaining = remaining[os.write(1, remaining) :]
    except OSError:
        return False
    return True
