"""How a shim reaches the daemon, or starts it: with a daemon of the test's own, and no process."""

import fcntl
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mcp_server.launcher import connect
from mcp_server.launcher.connect import DaemonUnreachable, connect_or_start, log_tail, try_connect
from mcp_server.launcher.paths import InstancePaths

HANDSHAKE = b'{"protocol": 1}\n'
WELCOME = b'{"welcome": true}\n'


class StubDaemon:
    """Answers every handshake with the same bytes."""

    def __init__(self, path: str, reply: bytes) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        self.handshakes: list[bytes] = []
        self.descriptors: list[int] = []
        self._path = path
        self._is_closing = False
        self._reply = reply
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(path)
        self._socket.listen()
        self._connections: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            if self._is_closing:
                connection.close()
                return
            self._connections.append(connection)
            handshake, descriptors, _, _ = socket.recv_fds(connection, 1000, 1)
            self.handshakes.append(handshake)
            self.descriptors += descriptors
            connection.sendall(self._reply)
            if not self._reply:
                connection.close()

    def close(self) -> None:
        """Close everything."""
        self._is_closing = True
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as last:
            last.connect(self._path)
        self._thread.join()
        self._socket.close()
        for connection in self._connections:
            connection.close()
        for descriptor in self.descriptors:
            os.close(descriptor)


@pytest.fixture
def paths(tmp_path: Path) -> InstancePaths:
    """Return the paths of an instance in the test's folder."""
    return InstancePaths({"SENSES_HOME": str(tmp_path / "home")})


Serve = Callable[[bytes], StubDaemon]


@pytest.fixture
def serve(paths: InstancePaths) -> Iterator[Serve]:
    """Return a function that starts a daemon."""
    daemons: list[StubDaemon] = []

    def start(reply: bytes) -> StubDaemon:
        daemons.append(StubDaemon(paths.socket_path, reply))
        return daemons[-1]

    yield start
    for daemon in daemons:
        daemon.close()


class Spawner:
    """In place of `os.posix_spawn`: writes what a starting daemon would, and perhaps starts to serve."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, startup: bytes, on_spawn: Callable[[], Any] = bool) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.options: dict[str, Any] = {}
        self._startup = startup
        self._on_spawn = on_spawn
        monkeypatch.setattr(os, "posix_spawn", self.spawn)

    def spawn(self, *arguments: Any, **options: Any) -> int:
        """Start nothing."""
        self.calls.append(arguments)
        self.options = options
        ready_fd = options["file_actions"][0][1]
        self._on_spawn()
        if self._startup:
            os.write(ready_fd, self._startup)
        return 4711


def test_a_running_daemon_welcomes_and_the_connection_has_no_timeout(paths: InstancePaths, serve: Serve) -> None:
    daemon = serve(WELCOME + b"first bytes of the session")
    connection = connect_or_start(paths, HANDSHAKE)

    assert connection.gettimeout() is None
    assert connection.recv(100) == b"first bytes of the session"
    assert daemon.handshakes == [HANDSHAKE]
    assert daemon.descriptors == []
    connection.close()


def test_the_handshake_carries_the_socket_of_the_file_broker(paths: InstancePaths, serve: Serve) -> None:
    daemon = serve(WELCOME)
    ours, theirs = socket.socketpair()
    connection = try_connect(paths.socket_path, HANDSHAKE, theirs)

    assert connection is not None
    assert daemon.handshakes == [HANDSHAKE]
    assert len(daemon.descriptors) == 1
    for one in (connection, ours, theirs):
        one.close()


@pytest.mark.parametrize(
    "reply", [b"", b"{}\n", b'{"welcome": false}\n', b"[1]\n", b"no JSON\n", b"x" * 70_000], ids=lambda reply: reply[:9]
)
def test_whatever_does_not_welcome_is_no_daemon(paths: InstancePaths, serve: Serve, reply: bytes) -> None:
    serve(reply)

    assert try_connect(paths.socket_path, HANDSHAKE) is None


def test_where_nobody_listens_there_is_no_daemon(paths: InstancePaths) -> None:
    assert try_connect(paths.socket_path, HANDSHAKE) is None


def test_a_refusal_is_told_in_the_daemons_words(paths: InstancePaths, serve: Serve) -> None:
    serve(json.dumps({"error": "This shim is too old."}).encode() + b"\n")

    with pytest.raises(DaemonUnreachable, match=r"^This shim is too old\.$"):
        connect_or_start(paths, HANDSHAKE)


def test_a_daemon_is_started_once_in_its_own_session_and_writes_into_the_log(
    paths: InstancePaths, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    spawner = Spawner(monkeypatch, b"R", lambda: serve(WELCOME))
    connection = connect_or_start(paths, HANDSHAKE)

    ((executable, arguments, environ),) = spawner.calls
    assert executable == arguments[0]
    assert arguments[-2:] == ["--ready-fd", "3"]
    assert environ == dict(os.environ)
    assert spawner.options["setsid"]
    assert spawner.options["setsigdef"] == [signal.SIGCHLD], "which the shim ignores"
    ready, stdin, stdout, stderr = spawner.options["file_actions"]
    assert (ready[0], ready[2]) == (os.POSIX_SPAWN_DUP2, 3)
    assert ready[1] > 3
    assert stdin == (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
    assert stdout[:3] == (os.POSIX_SPAWN_OPEN, 1, paths.log_file)
    assert stderr == (os.POSIX_SPAWN_DUP2, 1, 2)
    assert Path(paths.log_file).stat().st_mode & 0o777 == 0o600
    assert connection.gettimeout() is None
    connection.close()


def test_a_daemon_that_cannot_start_says_why(paths: InstancePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    Spawner(monkeypatch, b"EThe port is taken.")

    with pytest.raises(DaemonUnreachable, match=r"^The port is taken\.$"):
        connect_or_start(paths, HANDSHAKE)


def test_a_daemon_that_exits_at_once_is_told_with_the_end_of_its_log(
    paths: InstancePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash() -> None:
        Path(paths.log_file).write_text("\n".join(f"line {number}" for number in range(1000)), encoding="utf-8")

    Spawner(monkeypatch, b"", crash)

    with pytest.raises(DaemonUnreachable, match=r"^the daemon exited before it was ready\.") as caught:
        connect_or_start(paths, HANDSHAKE)
    first, *lines = str(caught.value).splitlines()
    assert first.endswith(f" The last lines of {paths.log_file}:")
    assert lines[-1] == "line 999"
    assert len(lines) == connect.LOG_LINES_SHOWN


def test_without_a_log_its_place_is_told(paths: InstancePaths) -> None:
    assert log_tail(paths) == f" There is no log at {paths.log_file}."


def test_while_another_daemon_holds_the_instance_none_is_started(
    paths: InstancePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    spawner = Spawner(monkeypatch, b"R")
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    Path(paths.instance_lock).parent.mkdir(parents=True)
    with Path(paths.instance_lock).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(DaemonUnreachable, match="did not answer within 0 s; `senses stop` ends it"):
            connect_or_start(paths, HANDSHAKE, timeout_seconds=0.0)

    assert spawner.calls == []


def test_while_another_shim_starts_the_daemon_this_one_waits_and_connects(
    paths: InstancePaths, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    spawner = Spawner(monkeypatch, b"R")
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            serve(WELCOME)

    monkeypatch.setattr(time, "sleep", sleep)
    Path(paths.start_lock).parent.mkdir(parents=True)
    with Path(paths.start_lock).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        connection = connect_or_start(paths, HANDSHAKE)

    assert (pauses, spawner.calls) == ([connect.RETRY_SECONDS] * 2, [])
    connection.close()


def test_a_daemon_that_finds_another_one_running_is_not_connected_to(
    paths: InstancePaths, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    spawner = Spawner(monkeypatch, b"L")
    monkeypatch.setattr(time, "sleep", lambda seconds: serve(WELCOME))
    connection = connect_or_start(paths, HANDSHAKE)

    assert len(spawner.calls) == 1
    connection.close()


def test_a_log_that_has_grown_is_put_aside_and_one_that_cannot_be_written_is_done_without(
    paths: InstancePaths, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(paths.logs_folder).mkdir(parents=True)
    Path(paths.log_file).write_bytes(bytes(connect.MAX_LOG_BYTES + 1))
    Spawner(monkeypatch, b"R", lambda: serve(WELCOME))
    connect_or_start(paths, HANDSHAKE).close()

    assert Path(paths.log_file + ".1").stat().st_size == connect.MAX_LOG_BYTES + 1
    assert Path(paths.log_file).stat().st_size == 0


def test_a_log_of_the_allowed_size_is_continued(
    paths: InstancePaths, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(paths.logs_folder).mkdir(parents=True)
    Path(paths.log_file).write_bytes(bytes(connect.MAX_LOG_BYTES))
    Spawner(monkeypatch, b"R", lambda: serve(WELCOME))
    connect_or_start(paths, HANDSHAKE).close()

    assert Path(paths.log_file).stat().st_size == connect.MAX_LOG_BYTES


def test_without_a_place_for_a_log_the_daemon_starts_all_the_same(
    paths: InstancePaths, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(paths.log_file).mkdir(parents=True)
    spawner = Spawner(monkeypatch, b"R", lambda: serve(WELCOME))
    connect_or_start(paths, HANDSHAKE).close()

    assert spawner.options["file_actions"][2][2] == os.devnull
