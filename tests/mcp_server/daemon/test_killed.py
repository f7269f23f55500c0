"""The daemon is killed without a chance to clean up, in every state of its worker.

No worker survives, and the next daemon starts at once over what is left: socket, locks, daemon.json, port.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path

import httpx2
import psutil
import pytest

from mcp_server.daemon.lock import read_daemon_info
from mcp_server.launcher.paths import InstancePaths
from tests.end_to_end.conftest import free_port

pytestmark = pytest.mark.process

TIMEOUT_SECONDS = 20.0


class Instance:
    """One instance of Senses; its daemons follow one another on one port."""

    def __init__(self, home: Path, port: int) -> None:
        home.mkdir()
        self.home, self.port = home, port
        self.environ = {**os.environ, "SENSES_HOME": str(home), "SENSES_PORT": str(port)}
        self.paths = InstancePaths(self.environ)
        self.callers: list[socket.socket] = []

    def start(self) -> None:
        """Start a daemon and wait until it says that it is ready."""
        reading, writing = os.pipe()
        command = [sys.executable, "-m", "tests.mcp_server.scripted_daemon", "--ready-fd", str(writing)]
        with (self.home / "log").open("ab") as log:
            self.daemon = subprocess.Popen(command, env=self.environ, pass_fds=[writing], stdout=log, stderr=log)
        os.close(writing)
        said = os.read(reading, 1)
        os.close(reading)
        assert said == b"R", (self.home / "log").read_text(encoding="utf-8")

    def ask(self, script: str, model: str = "m", *, until: bytes = b"") -> None:
        """Send a streamed chat and read until these bytes came; the connection stays open."""
        body = {"model": model, "messages": [{"role": "user", "content": script}], "stream": True}
        data = json.dumps(body).encode()
        caller = socket.create_connection(("127.0.0.1", self.port), TIMEOUT_SECONDS)
        self.callers.append(caller)
        head = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        caller.sendall(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
        heard = b""
        while until not in heard:
            heard += caller.recv(4096) or pytest.fail(f"the answer ended with {heard!r}")

    def state(self) -> str:
        """Return the state of the model `m`."""
        models = httpx2.get(f"http://127.0.0.1:{self.port}/api/status", timeout=TIMEOUT_SECONDS).json()["models"]
        return next(str(model["state"]) for model in models if model["name"] == "m")

    def workers(self) -> list[psutil.Process]:
        """The daemon's processes."""
        return list(psutil.Process(self.daemon.pid).children())

    def end(self) -> None:
        """Close every connection and end the daemon."""
        for caller in self.callers:
            caller.close()
        self.daemon.kill()
        self.daemon.wait()


@pytest.fixture
def instance(tmp_path: Path) -> Generator[Instance]:
    """A new instance, ended with the test."""
    made = Instance(tmp_path / "home", free_port())
    yield made
    made.end()


def eventually(condition: Callable[[], object]) -> None:
    """Wait until other processes make the condition true."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "the condition never held"
        time.sleep(0.002)


def spawning(instance: Instance) -> None:
    instance.ask("say a")
    eventually(instance.workers)


def loading(instance: Instance) -> None:
    instance.ask("say a", "slow")
    eventually((instance.home / "loading").exists)


def ready(instance: Instance) -> None:
    instance.ask("say a", until=b"[DONE]")


def running(instance: Instance) -> None:
    instance.ask("say a; hang", until=b'"a"')


def draining(instance: Instance) -> None:
    running(instance)
    instance.daemon.terminate()
    eventually(lambda: not Path(instance.paths.socket_path).exists())


def stopping(instance: Instance) -> None:
    instance.ask("say a; linger", until=b"[DONE]")
    with socket.create_connection(("127.0.0.1", instance.port)) as caller:
        caller.sendall(b"POST /api/models/m/stop HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
        eventually(lambda: instance.state() == "stopping")


def has_gone(process: psutil.Process) -> bool:
    """Return whether it has ended; a zombie has, too: in a container no process may reap it."""
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


@pytest.mark.promise("daemon:killed")
def test_a_killed_daemon_leaves_no_worker_and_the_next_one_starts_over_what_is_left(instance: Instance) -> None:
    for states in ((spawning,), (loading, running), (stopping,), (draining,), (ready,)):
        instance.start()
        info = read_daemon_info(instance.paths)
        for reach in states:
            reach(instance)
        orphans = instance.workers()
        instance.daemon.kill()
        instance.daemon.wait()

        eventually(lambda: all(map(has_gone, orphans)))  # noqa: B023
        assert len(orphans) == len(states), states
        assert info is not None
        assert info.url == f"http://127.0.0.1:{instance.port}"


def test_a_second_signal_ends_a_daemon_and_the_work_it_waits_for_at_once(instance: Instance) -> None:
    instance.start()
    draining(instance)
    orphans = instance.workers()

    instance.daemon.terminate()
    status = instance.daemon.wait(TIMEOUT_SECONDS)

    assert status == 128 + signal.SIGTERM
    eventually(lambda: all(map(has_gone, orphans)))
