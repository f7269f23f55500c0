"""systemd hears that the daemon works, from the event loop; on macOS a stuck daemon exits."""

import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from mcp_server.daemon import service_manager
from mcp_server.daemon.service_manager import (
    EXIT_STUCK,
    MAX_MISSED_CHECKS,
    StuckCheck,
    exit_when_stuck,
    notify,
    ping_watchdog,
    watchdog_seconds,
)
from mcp_server.launcher.paths import InstancePaths
from model_runtime.settings import Settings
from tests.mcp_server.daemons import running_daemon


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    """The socket on which systemd listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "n"))
        receiver.settimeout(5)
        yield receiver


@pytest.mark.promise("reliability:watchdog")
async def test_systemd_hears_from_the_event_loop_twice_in_each_interval(systemd: socket.socket) -> None:
    environ = {"NOTIFY_SOCKET": systemd.getsockname(), "WATCHDOG_USEC": "20000", "WATCHDOG_PID": str(os.getpid())}

    with anyio.move_on_after(0.1):
        await ping_watchdog(environ)

    assert [systemd.recv(100) for _ in range(3)] == [b"WATCHDOG=1"] * 3


async def test_systemd_is_told_when_the_daemon_is_ready_and_when_it_stops(
    settings: Settings, paths: InstancePaths, systemd: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", systemd.getsockname())

    async with running_daemon(settings, paths):
        ready = systemd.recv(100)

    assert ready == b"READY=1"
    assert systemd.recv(100) == b"STOPPING=1"


@pytest.mark.parametrize(
    "environ",
    [{}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "x"}, {"WATCHDOG_USEC": "20000", "WATCHDOG_PID": "1"}],
)
async def test_without_a_watchdog_nothing_is_sent(environ: dict[str, str]) -> None:
    assert watchdog_seconds(environ, pid=2) is None
    await ping_watchdog(environ)


@pytest.mark.parametrize("address", ["", "relative", "/no/such/socket", "@no-such-socket"])
def test_a_service_manager_that_cannot_be_reached_changes_nothing(address: str) -> None:
    notify("READY=1", {"NOTIFY_SOCKET": address})


def test_an_event_loop_is_stuck_after_a_minute_of_checks_without_a_beat() -> None:
    check = StuckCheck()

    for _ in range(100):
        check.beat()
        assert not check.is_stuck()

    assert [check.is_stuck() for _ in range(MAX_MISSED_CHECKS)] == [False] * (MAX_MISSED_CHECKS - 1) + [True]


@pytest.mark.darwin
async def test_on_macos_a_daemon_whose_event_loop_is_stuck_exits(monkeypatch: pytest.MonkeyPatch) -> None:
    statuses: list[int] = []
    exited = threading.Event()
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(service_manager, "STUCK_CHECK_SECONDS", 0.001)

    def exit_process(status: int) -> None:
        statuses.append(status)
        exited.set()

    with anyio.move_on_after(0.05):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(exit_when_stuck, exit_process)
            await anyio.lowlevel.checkpoint()
            exited.wait(5)  # the event loop is stuck here

    assert statuses == [EXIT_STUCK]


async def test_elsewhere_no_thread_watches() -> None:
    started = time.monotonic()

    await exit_when_stuck()

    assert time.monotonic() - started < 1
