"""Descriptors run out: accepting pauses, everything else goes on, and the log has one warning."""

import errno
import logging
import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import httpx2
import pytest

from mcp_server.daemon import descriptors
from mcp_server.daemon.descriptors import PAUSE_SECONDS, DescriptorReserve, accept_connections, raise_descriptor_limit
from mcp_server.launcher.paths import InstancePaths
from model_runtime.problems import Problems
from tests.clocks import FakeSleep
from tests.mcp_server.daemon.test_killed import eventually

ERRNOS = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EIO)
DESCRIPTORS = 64
MINUTE = int(60 / PAUSE_SECONDS)


class FailingListener:
    """Accepts one connection after `failures` errors of the system, then is closed."""

    def __init__(self, failures: int, number: int) -> None:
        self._steps: list[str | None | OSError] = [OSError(number, os.strerror(number)) for _ in range(failures)]
        self._steps += ["connection", None]

    async def accept(self) -> str | None:
        step = self._steps.pop(0)
        if isinstance(step, OSError):
            raise step
        return step


class PlentifulReserve(DescriptorReserve):
    """Always has free descriptors."""

    def is_reached(self) -> bool:
        return False


@pytest.mark.promise("reliability:descriptors")
@pytest.mark.parametrize("number", ERRNOS)
@pytest.mark.parametrize("failures", [1, 10, MINUTE])
async def test_accepting_pauses_after_each_failure_and_logs_one_warning(
    failures: int, number: int, caplog: pytest.LogCaptureFixture
) -> None:
    problems, sleep, accepted = Problems(), FakeSleep(), list[str]()
    listener = FailingListener(failures, number)

    await accept_connections(listener.accept, accepted.append, PlentifulReserve(256), problems, sleep=sleep)

    assert accepted == ["connection"]
    assert sleep.delays == [PAUSE_SECONDS] * failures
    assert problems.reasons() == ()
    assert sum(record.levelno >= logging.WARNING for record in caplog.records) == 1


def test_the_reserve_is_reached_while_free_descriptors_are_left() -> None:
    with closing(socket.socket()) as used:
        assert DescriptorReserve(used.fileno() + 2).is_reached()
        assert not DescriptorReserve(100_000).is_reached()


@pytest.mark.parametrize(("platform", "expected"), [("linux", 8192), ("darwin", 8192)])
def test_the_limit_is_raised_at_the_start(platform: str, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[tuple[int, int]] = []
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (256, resource.RLIM_INFINITY))
    monkeypatch.setattr(resource, "setrlimit", lambda kind, limit: limits.append(limit))

    assert raise_descriptor_limit() == expected
    assert limits == [(expected, resource.RLIM_INFINITY)]


@pytest.mark.darwin
def test_macos_is_never_asked_for_more_than_it_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (256, resource.RLIM_INFINITY))
    monkeypatch.setattr(resource, "setrlimit", lambda kind, limit: None)

    assert raise_descriptor_limit(100_000) == descriptors.MAC_MAX_DESCRIPTORS


def test_a_limit_that_cannot_be_raised_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(kind: int, limit: tuple[int, int]) -> None:
        raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr(resource, "getrlimit", lambda kind: (256, 4096))
    monkeypatch.setattr(resource, "setrlimit", refuse)

    assert raise_descriptor_limit() == 256


@pytest.fixture
def small_daemon(tmp_path: Path) -> Generator[tuple[str, InstancePaths, Path]]:
    """A real daemon that may open 64 descriptors: its address, its files, its log."""
    environ = {**os.environ, "SENSES_HOME": str(tmp_path / "home"), "SENSES_PORT": "0"}
    log, paths = tmp_path / "log", InstancePaths(environ)
    read_end, write_end = os.pipe()
    command = f"ulimit -n {DESCRIPTORS}; exec {sys.executable} -m tests.mcp_server.fake_daemon --ready-fd {write_end}"
    with log.open("wb") as out:
        daemon = subprocess.Popen(["sh", "-c", command], env=environ, stderr=out, pass_fds=[write_end])
    os.close(write_end)
    assert os.read(read_end, 1) == b"R", log.read_text()
    os.close(read_end)
    url = log.read_text().partition("serves at ")[2].split()[0]
    yield url, paths, log
    daemon.send_signal(signal.SIGKILL)
    daemon.wait()


@pytest.mark.process
def test_idle_connections_never_take_the_last_descriptors(small_daemon: tuple[str, InstancePaths, Path]) -> None:
    url, paths, log = small_daemon
    port = int(url.rpartition(":")[2])
    idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(DESCRIPTORS)]
    for _ in range(DESCRIPTORS):
        idle.append(socket.socket(socket.AF_UNIX))
        idle[-1].connect(paths.socket_path)

    eventually(lambda: "Almost all of the 64" in log.read_text())
    for connection in idle:
        connection.close()
    answer = httpx2.get(f"{url}/health", timeout=15)

    assert answer.status_code == 200
    assert log.read_text().count("Almost all of the 64") == 1
    assert "Traceback" not in log.read_text()
