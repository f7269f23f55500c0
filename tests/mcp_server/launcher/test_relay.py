"""What a shim does with the bytes of its client and of the daemon, in this process and over pipes of the test's own."""

import json
import os
import queue
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from mcp_server.launcher import relay, shim
from mcp_server.launcher.connect import DaemonEnded, DaemonUnreachable
from mcp_server.launcher.paths import PROTOCOL_VERSION, VERSION, InstancePaths
from mcp_server.launcher.session import RequestId
from tests.mcp_server.launcher.test_connect import WELCOME, StubDaemon

WAIT_SECONDS = 5
CALL = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"speak"}}\n'
ANSWER = b'{"jsonrpc":"2.0","id":1,"result":{"content":[]}}\n'
SUBSCRIBE = b'{"jsonrpc":"2.0","id":2,"method":"resources/subscribe","params":{"uri":"senses://status"}}\n'


class Client:
    """What starts a shim: it has the other ends of the shim's standard input and output."""

    def __init__(self) -> None:
        stdin, self._stdin = os.pipe()
        self._stdout, stdout = os.pipe()
        self._saved = [os.dup(0), os.dup(1)]
        self._open = {self._stdin, self._stdout}
        for descriptor, standard in ((stdin, 0), (stdout, 1)):
            os.dup2(descriptor, standard)
            os.close(descriptor)

    def send(self, data: bytes) -> None:
        """Write to the shim's standard input."""
        while data:
            data = data[os.write(self._stdin, data) :]

    def receive(self) -> bytes:
        """Return what is in the shim's standard output, and wait for it."""
        return os.read(self._stdout, 1 << 20)

    def close_stdin(self) -> None:
        """Write no more."""
        self._close(self._stdin)

    def close_stdout(self) -> None:
        """Read no more."""
        self._close(self._stdout)

    def _close(self, descriptor: int) -> None:
        if descriptor in self._open:
            self._open.remove(descriptor)
            os.close(descriptor)

    def end(self) -> None:
        """Close both, and give the test its standard input and output back."""
        self.close_stdin()
        self.close_stdout()
        for standard, descriptor in enumerate(self._saved):
            os.dup2(descriptor, standard)
            os.close(descriptor)


@contextmanager
def connected_client() -> Iterator[Client]:
    """A client. No fixture: between set-up and test pytest takes the standard output for itself."""
    made = Client()
    try:
        yield made
    finally:
        made.end()


class Relayed:
    """A shim that relays in a thread, and the daemons' ends of its connections, one after the other."""

    def __init__(self, socket_path: str = "/nonexistent") -> None:
        self.daemons: queue.Queue[socket.socket] = queue.Queue()
        self.repeated: list[list[RequestId]] = []
        self.refusals: list[Exception] = []
        """What the next connections fail with."""
        self.opened: list[socket.socket] = []
        first = self._connect([])
        self.daemon = self.next_daemon()
        self._relay = relay.Relay(self._connect, socket_path)
        self._thread = threading.Thread(target=self._relay.run, args=(first,), daemon=True)
        self._thread.start()

    def _connect(self, repeated: list[RequestId]) -> socket.socket:
        self.repeated.append(repeated)
        if self.refusals:
            raise self.refusals.pop()
        daemon, connection = socket.socketpair()
        daemon.settimeout(WAIT_SECONDS)
        self.opened += [daemon, connection]
        self.daemons.put(daemon)
        return connection

    def next_daemon(self) -> socket.socket:
        """Wait until the shim has connected again; return the daemon's end."""
        return self.daemons.get(timeout=WAIT_SECONDS)

    @property
    def is_running(self) -> bool:
        """Whether it still relays."""
        return self._thread.is_alive()

    def wait(self) -> None:
        """Wait until it ends."""
        self._thread.join(WAIT_SECONDS)
        assert not self._thread.is_alive()

    def end(self) -> None:
        """Close every end."""
        for end in self.opened:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._thread.join(WAIT_SECONDS)
        for end in self.opened:
            end.close()


@contextmanager
def relaying(socket_path: str = "/nonexistent") -> Iterator[tuple[Client, Relayed]]:
    """A client and its shim."""
    with connected_client() as client:
        relayed = Relayed(socket_path)
        try:
            yield client, relayed
        finally:
            client.close_stdin()
            relayed.end()


def test_lines_that_are_no_messages_go_both_ways_unread() -> None:
    with relaying() as (client, relayed):
        client.send(b'{"to": "the daemon"\n')
        asked = relayed.daemon.recv(100)
        relayed.daemon.sendall(b"\x00 no JSON \xff\r\n")
        answered = client.receive()

    assert asked == b'{"to": "the daemon"\n'
    assert answered == b"\x00 no JSON \xff\r\n"


def test_a_message_longer_than_every_buffer_arrives_whole() -> None:
    question, answer = b"q" * 3_000_000 + b"\n", b"a" * 3_000_000 + b"\n"

    with relaying() as (client, relayed), ThreadPoolExecutor(2) as writers:
        writers.submit(client.send, question)
        writers.submit(relayed.daemon.sendall, answer)
        asked = receive_all(lambda: relayed.daemon.recv(1 << 20), len(question))
        answered = receive_all(client.receive, len(answer))

    assert asked == question
    assert answered == answer


def receive_all(receive: Callable[[], bytes], byte_count: int) -> bytes:
    received = b""
    while len(received) < byte_count and (piece := receive()):
        received += piece
    return received


def test_the_daemons_last_answers_arrive_after_the_client_has_closed_its_input() -> None:
    with relaying() as (client, relayed):
        client.send(b"last question\n")
        client.close_stdin()
        asked = receive_all(lambda: relayed.daemon.recv(100), 100)  # to the end: it is told that nothing follows
        relayed.daemon.sendall(b"last answer\n")
        relayed.daemon.close()
        answered = client.receive()
        relayed.wait()

    assert asked == b"last question\n"
    assert answered == b"last answer\n"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shims look for their parents, and for daemons of others, all the time."""
    assert relay.CHECK_SECONDS == 2
    monkeypatch.setattr(relay, "CHECK_SECONDS", 0.001)


@pytest.mark.usefixtures("impatient")
def test_a_shim_whose_client_has_left_does_not_wait_for_a_silent_daemon() -> None:
    with relaying() as (client, relayed):
        client.close_stdin()
        asked = relayed.daemon.recv(100)
        relayed.wait()

    assert asked == b""


@pytest.mark.usefixtures("impatient")
def test_a_shim_ends_with_the_process_that_started_it(monkeypatch: pytest.MonkeyPatch) -> None:
    parents = iter([4711])
    monkeypatch.setattr(os, "getppid", lambda: next(parents, 1))

    with relaying() as (_, relayed):
        relayed.wait()


@pytest.mark.usefixtures("impatient")
def test_a_silent_daemon_and_a_silent_client_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = threading.Semaphore(0)

    def getppid() -> int:
        checks.release()
        return 4711

    monkeypatch.setattr(os, "getppid", getppid)
    with relaying() as (_, relayed):
        has_checked = [checks.acquire(timeout=WAIT_SECONDS) for _ in range(4)]
        is_running = relayed.is_running

    assert all(has_checked)
    assert is_running


def test_a_client_that_reads_no_more_ends_its_shim_without_a_complaint(capsys: pytest.CaptureFixture[str]) -> None:
    with relaying() as (client, relayed):
        client.close_stdout()
        relayed.daemon.sendall(b"answer\n")
        relayed.wait()

    assert capsys.readouterr().err == ""


def test_a_call_that_the_daemon_left_open_is_answered_by_the_next_one() -> None:
    with relaying() as (client, relayed):
        client.send(CALL)
        relayed.daemon.recv(1000)
        relayed.daemon.sendall(b'{"jsonrpc":"2.0","id":1,"res')
        relayed.daemon.close()
        second = relayed.next_daemon()
        asked = second.recv(1000)
        second.sendall(ANSWER)
        answered = client.receive()

    assert asked == CALL
    assert answered == ANSWER, "without the half that the first daemon sent"
    assert relayed.repeated == [[], [1]]


def test_a_connection_that_breaks_is_a_daemon_that_has_gone() -> None:
    with relaying() as (client, relayed):
        client.send(CALL)
        relayed.daemon.recv(1)
        relayed.daemon.close()  # with bytes that it has not read, which the system reports as ECONNRESET
        asked = relayed.next_daemon().recv(1000)

    assert asked == CALL


@pytest.mark.usefixtures("impatient")
def test_a_client_that_asks_for_nothing_gets_a_new_daemon_when_it_does() -> None:
    with relaying() as (client, relayed):
        relayed.daemon.close()
        with pytest.raises(queue.Empty):
            relayed.daemons.get(timeout=0.05)
        client.send(CALL)
        asked = relayed.next_daemon().recv(1000)

    assert asked == CALL


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("is_left_behind", [True, False], ids=["crashed", "stopped"])
def test_a_client_that_follows_gets_a_new_daemon_after_a_crash_and_not_after_a_stop(
    is_left_behind: bool, tmp_path: Path
) -> None:
    path = tmp_path / "d1.sock"
    with relaying(str(path)) as (client, relayed):
        client.send(SUBSCRIBE)
        relayed.daemon.recv(1000)
        relayed.daemon.sendall(b'{"jsonrpc":"2.0","id":2,"result":{}}\n')
        client.receive()
        if is_left_behind:
            path.touch()
        relayed.daemon.close()
        if not is_left_behind:
            with pytest.raises(queue.Empty):
                relayed.daemons.get(timeout=0.05)
            path.touch()  # another client has started a daemon
        asked = relayed.next_daemon().recv(1000)

    assert asked == SUBSCRIBE


@pytest.mark.usefixtures("impatient")
def test_while_no_daemon_can_be_started_calls_are_told_so_and_the_shim_stays() -> None:
    with relaying() as (client, relayed):
        relayed.refusals = [DaemonUnreachable("the daemon exited."), OSError(28, "No space left on device", "/run")]
        relayed.daemon.close()
        client.send(CALL)
        first = json.loads(client.receive())
        client.send(CALL.replace(b"1", b"9"))
        second = json.loads(client.receive())
        client.send(CALL)
        asked = relayed.next_daemon().recv(1000)

    assert first["id"] == 1
    assert "/run cannot be used: No space left on device. Make room" in first["result"]["content"][0]["text"]
    assert "cannot be reached: the daemon exited. [code: daemon_unreachable]" in second["result"]["content"][0]["text"]
    assert asked == CALL


def test_a_daemon_that_is_killed_before_it_is_ready_is_started_once_more() -> None:
    with relaying() as (client, relayed):
        relayed.refusals = [DaemonEnded("the daemon exited before it was ready.")]
        client.send(CALL)
        relayed.daemon.close()
        asked = relayed.next_daemon().recv(1000)

    assert asked == CALL


@pytest.mark.usefixtures("impatient")
def test_a_client_that_leaves_while_there_is_no_daemon_ends_its_shim() -> None:
    with relaying() as (client, relayed):
        relayed.daemon.close()
        client.close_stdin()
        relayed.wait()


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("leaves", [Client.close_stdin, Client.close_stdout], ids=["input", "output"])
def test_a_shim_that_ends_leaves_no_connection_open(leaves: Callable[[Client], None]) -> None:
    with relaying() as (client, relayed):
        leaves(client)
        relayed.daemon.sendall(ANSWER)
        relayed.wait()
        open_ends = [end for end in relayed.opened if end.fileno() >= 0]

    assert open_ends == [relayed.daemon]


# the start: the test's process lives on, so a shim must leave nothing open to the end of its process


class Ended(Exception):
    """The shim has ended its process."""


@pytest.fixture
def exits(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The exit status, once the shim has ended; the test's process lives on."""
    statuses: list[int] = []

    def exit_process(status: int) -> None:
        statuses.append(status)
        raise Ended

    monkeypatch.setattr(os, "_exit", exit_process)
    before = signal.getsignal(signal.SIGCHLD)
    yield statuses
    signal.signal(signal.SIGCHLD, before)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the shim's instance."""
    monkeypatch.setenv("SENSES_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def start(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    """Run the program with these arguments to its end."""
    monkeypatch.setattr(sys, "argv", ["senses-mcp", *arguments])
    with pytest.raises(Ended):
        shim.main()


@pytest.mark.usefixtures("impatient", "home")
def test_a_shim_introduces_its_client_and_lends_the_daemon_its_rights(
    exits: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = tmp_path / "a.png"
    picture.write_bytes(b"picture")
    daemon = StubDaemon(InstancePaths(os.environ).socket_path, WELCOME)

    with connected_client() as client:
        client.close_stdin()
        start(monkeypatch, "/work")
    leaves_zombies = signal.getsignal(signal.SIGCHLD) != signal.SIG_IGN
    with socket.socket(fileno=os.dup(daemon.descriptors[0])) as broker:
        broker.settimeout(WAIT_SECONDS)
        broker.sendall(json.dumps({"id": 1, "do": "open", "path": str(picture)}).encode() + b"\n")
        reply, descriptors, _, _ = socket.recv_fds(broker, 1000, 1)

    with os.fdopen(descriptors[0], "rb") as file:
        assert file.read() == b"picture"
    assert json.loads(reply)["errno"] == 0
    assert json.loads(daemon.handshakes[0])["folders"] == ["/work"]
    assert exits == [0]
    assert not leaves_zombies, "of the daemons that it starts and outlives"
    daemon.close()


@pytest.mark.usefixtures("home")
def test_a_refusal_of_the_daemon_reaches_the_client(
    exits: list[int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon = StubDaemon(InstancePaths(os.environ).socket_path, b'{"error": "This shim is too old."}\n')

    start(monkeypatch)

    assert exits == [1]
    assert capsys.readouterr().err == "senses-mcp: This shim is too old.\n"
    daemon.close()


def test_a_folder_that_cannot_be_made_is_named_with_the_remedy(
    exits: list[int], home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home.write_text("a file")

    start(monkeypatch)

    assert exits == [1]
    assert capsys.readouterr().err == (
        f"senses-mcp: {home}/run cannot be used: Not a directory. "
        "Make room or make the folder writable, or set SENSES_HOME to another folder.\n"
    )


def test_a_folder_of_another_user_is_told_in_its_own_words(
    exits: list[int], home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home.mkdir()
    (home / "run").symlink_to(tmp_path)

    start(monkeypatch)

    assert exits == [1]
    assert capsys.readouterr().err.startswith(f"senses-mcp: {home}/run belongs to another user or is a link")


@pytest.mark.parametrize("option", ["--help", "-h", "--version"])
def test_a_person_is_told_what_the_program_is_for(
    option: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["senses-mcp", option])

    shim.main()

    shown = capsys.readouterr().out
    assert shown.startswith(f"senses-mcp {VERSION}\n")
    assert "senses-mcp [FOLDER ...]" in shown


def test_the_handshake_says_who_the_client_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/ada")

    folders = ["~/pictures", "here", "", "${user_config.folder}"]
    line = shim.encode_handshake({"CLAUDE_PROJECT_DIR": "/project"}, folders, "5e55", [1, "a"])

    assert line.endswith(b"}\n")
    assert json.loads(line) == {
        "protocol": PROTOCOL_VERSION,
        "version": VERSION,
        "pid": os.getpid(),
        "program": os.path.realpath(sys.executable),
        "cwd": str(tmp_path),
        "project": "/project",
        "folders": ["/home/ada/pictures", f"{tmp_path}/here"],
        "session": "5e55",
        "repeated": [1, "a"],
    }


def test_a_client_without_a_project_or_a_working_folder_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()

    handshake = json.loads(shim.encode_handshake({}, []))

    assert (handshake["cwd"], handshake["project"], handshake["folders"]) == ("", "", [])
