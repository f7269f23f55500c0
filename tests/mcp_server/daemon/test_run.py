"""How a daemon starts, what it tells the shim that waits for it, and how it ends: in this process."""

import os
import signal
import socket
import sys
import threading
from contextvars import Context
from pathlib import Path
from typing import Any

import anyio
import pytest

from mcp_server.daemon import daemon, http_server, lifetime
from mcp_server.daemon.daemon import Daemon, main, run
from mcp_server.daemon.lock import DaemonInfo, InstanceUnusable, acquire_lock, read_daemon_info
from mcp_server.daemon.socket_server import SocketServer
from mcp_server.launcher.paths import VERSION, InstancePaths
from model_runtime.settings import Settings, SettingsError, load_settings
from tests.mcp_server.daemons import running_daemon, service_opener
from tests.mcp_server.fake_daemon import ClosableFakeService, open_fake_service


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> InstancePaths:
    """The instance of this process's environment; the working folder is the test's own."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("SENSES_HOME", str(home))
    monkeypatch.setenv("SENSES_PORT", "0")
    monkeypatch.chdir(tmp_path)
    return InstancePaths(os.environ)


class StartingShim:
    """Waits on `--ready-fd` for what the daemon reports, and stops the daemon once it is ready."""

    def __init__(self, paths: InstancePaths) -> None:
        self.report = b""
        self.info: DaemonInfo | None = None
        self.folder = ""
        self._paths = paths
        self._read_end, self.ready_fd = os.pipe()
        self._thread = threading.Thread(target=self._wait, daemon=True)
        self._thread.start()

    def _wait(self) -> None:
        self.report = os.read(self._read_end, 1000)
        if self.report == b"R":
            self.info, self.folder = read_daemon_info(self._paths), str(Path.cwd())
            os.kill(os.getpid(), signal.SIGTERM)

    def run(self, monkeypatch: pytest.MonkeyPatch) -> bytes:
        """Run the daemon to its end and return what it reported. Fails if it left the pipe open."""
        monkeypatch.setattr(sys, "argv", ["mcp_server.daemon", "--ready-fd", str(self.ready_fd)])
        try:
            Context().run(main, open_fake_service)  # no event loop of other tests runs in it
        finally:
            self._thread.join(5)
            os.set_blocking(self._read_end, False)
            assert os.read(self._read_end, 1) == b""
            os.close(self._read_end)
        return self.report


def is_unlocked(paths: InstancePaths) -> bool:
    os.close(acquire_lock(paths.instance_lock))
    return True


def test_a_daemon_tells_its_shim_that_it_is_ready_and_leaves_nothing_when_it_is_stopped(
    instance: InstancePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    shim = StartingShim(instance)

    report = shim.run(monkeypatch)

    assert report == b"R"
    assert shim.info is not None
    assert (shim.info.pid, shim.info.version, shim.info.auto) == (os.getpid(), VERSION, True)
    assert shim.folder == "/"  # no disk is kept from being unmounted
    assert not Path(instance.daemon_json).exists()
    assert not Path(instance.socket_path).exists()
    assert is_unlocked(instance)


def test_a_second_daemon_tells_its_shim_that_another_one_runs(
    instance: InstancePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(instance.run_folder).mkdir()
    lock = acquire_lock(instance.instance_lock)
    shim = StartingShim(instance)

    with pytest.raises(SystemExit) as exit_status:
        shim.run(monkeypatch)

    os.close(lock)
    assert shim.report == b"L"
    assert exit_status.value.code == 3


def test_a_daemon_tells_its_shim_why_it_cannot_start(instance: InstancePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSES_PORT", "none")
    shim = StartingShim(instance)

    with pytest.raises(SystemExit) as exit_status:
        shim.run(monkeypatch)

    assert shim.report.startswith(b"ESENSES_PORT is 'none'.")
    assert exit_status.value.code == 2


@pytest.mark.parametrize("has_shim", [True, False])
def test_a_daemon_whose_shim_has_left_ends_as_it_would_with_one(
    instance: InstancePaths, monkeypatch: pytest.MonkeyPatch, has_shim: bool
) -> None:
    monkeypatch.setenv("SENSES_PORT", "none")
    read_end, ready_fd = os.pipe()
    os.close(read_end)
    arguments = ["--ready-fd", str(ready_fd)] if has_shim else []
    monkeypatch.setattr(sys, "argv", ["mcp_server.daemon", *arguments])

    with pytest.raises(SystemExit) as exit_status:
        main(open_fake_service)

    assert exit_status.value.code == 2
    os.close(ready_fd)


def run_alone(settings: Settings, **options: Any) -> None:
    """Run a daemon in a context of its own, in which no event loop of other tests runs."""
    Context().run(run, settings, **options)


def stop(info: DaemonInfo) -> None:
    """Stop the daemon as Ctrl-C does."""
    os.kill(os.getpid(), signal.SIGINT)


def test_a_daemon_that_a_person_started_says_so(instance: InstancePaths) -> None:
    started: list[DaemonInfo] = []

    def on_ready(info: DaemonInfo) -> None:
        started.append(info)
        stop(info)

    run_alone(load_settings(os.environ), auto=False, on_ready=on_ready, open_service=open_fake_service)

    assert [info.auto for info in started] == [False]
    assert is_unlocked(instance)


def test_a_command_that_has_connected_finds_the_address_of_the_daemon(
    instance: InstancePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[DaemonInfo | None] = []

    class WatchedSocketServer(SocketServer):
        async def listen(self) -> None:
            found.append(read_daemon_info(instance))
            await super().listen()

    monkeypatch.setattr(daemon, "SocketServer", WatchedSocketServer)

    run_alone(load_settings(os.environ), auto=True, on_ready=stop, open_service=open_fake_service)

    assert [info.pid for info in found if info] == [os.getpid()]


def test_without_a_folder_for_its_socket_a_daemon_serves_a_person_but_no_shim(instance: InstancePaths) -> None:
    Path(instance.run_folder).write_text("a file")
    started: list[DaemonInfo] = []
    settings = load_settings(os.environ)

    def on_ready(info: DaemonInfo) -> None:
        started.append(info)
        stop(info)

    run_alone(settings, auto=False, on_ready=on_ready, open_service=open_fake_service)
    with pytest.raises(InstanceUnusable, match="run cannot be used"):
        run_alone(settings, auto=True, on_ready=on_ready, open_service=open_fake_service)

    assert len(started) == 1


def test_a_socket_that_cannot_be_opened_ends_a_daemon_for_a_shim_with_the_reason(
    instance: InstancePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(f"{instance.socket_path}.{os.getpid()}").mkdir(parents=True)  # the daemon binds this path first
    opened: list[socket.socket] = []

    def bind_sockets(host: str, port: int) -> list[socket.socket]:
        opened.extend(http_server.bind_sockets(host, port))
        return opened

    monkeypatch.setattr(daemon, "bind_sockets", bind_sockets)
    with pytest.raises(InstanceUnusable, match="sock cannot be used"):
        run_alone(load_settings(os.environ), auto=True, on_ready=stop, open_service=open_fake_service)

    assert is_unlocked(instance)
    for each in opened:  # the end of the process closes them
        each.close()


def test_a_port_in_use_ends_a_daemon_of_a_person_and_frees_the_instance(
    instance: InstancePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("SENSES_PORT", str(taken.getsockname()[1]))
        with pytest.raises(SettingsError, match="is in use by another program"):
            run_alone(load_settings(os.environ), auto=False, on_ready=stop, open_service=open_fake_service)

    assert is_unlocked(instance)


def test_an_error_nobody_expects_is_told_whole(instance: InstancePaths) -> None:
    def on_ready(info: DaemonInfo) -> None:
        raise RuntimeError("unexpected")

    with pytest.raises(ExceptionGroup) as raised:
        run_alone(load_settings(os.environ), auto=False, on_ready=on_ready, open_service=open_fake_service)

    assert raised.group_contains(RuntimeError, match="unexpected")
    assert is_unlocked(instance)


# the end


@pytest.fixture
def exits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The statuses with which the daemon would have ended its process."""
    statuses: list[int] = []
    monkeypatch.setattr(os, "_exit", statuses.append)
    return statuses


async def test_running_requests_have_two_seconds_and_an_orderly_end_is_not_forced(
    settings: Settings, paths: InstancePaths, exits: list[int]
) -> None:
    graces: list[float] = []
    service = ClosableFakeService()

    async def close(grace_seconds: float) -> None:
        graces.append(grace_seconds)

    service.close = close  # type: ignore[method-assign]
    async with running_daemon(settings, paths, service):
        pass

    assert graces == [2.0]
    assert exits == []


async def test_an_end_that_hangs_is_forced_and_is_no_failure(
    settings: Settings, paths: InstancePaths, exits: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert daemon.SHUTDOWN_TIMEOUT_SECONDS == 4.5
    monkeypatch.setattr(daemon, "SHUTDOWN_TIMEOUT_SECONDS", 0.01)
    service = ClosableFakeService()
    service.hangs_on_close = True

    async with running_daemon(settings, paths, service):
        pass

    assert exits == [0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_second_signal_ends_it_at_once(
    settings: Settings, paths: InstancePaths, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    statuses: list[int] = []
    ended = anyio.Event()
    service = ClosableFakeService()

    def exit_process(status: int) -> None:
        statuses.append(status)
        ended.set()

    async def close(grace_seconds: float) -> None:
        os.kill(os.getpid(), number)
        await ended.wait()

    monkeypatch.setattr(os, "_exit", exit_process)
    service.close = close  # type: ignore[method-assign]
    started = Daemon(settings, paths, auto=True, on_ready=lambda info: os.kill(os.getpid(), number))
    with anyio.fail_after(20):
        await started.serve(service_opener(service))

    assert statuses == [128 + number]


def test_a_daemon_without_work_stays_for_half_an_hour(settings: Settings, paths: InstancePaths) -> None:
    started = Daemon(settings, paths, auto=True, on_ready=stop)

    assert started.idle_exit_seconds == 30 * 60


def test_the_times_of_a_daemon_are_these() -> None:
    assert (lifetime.IDLE_CHECK_SECONDS, daemon.DRAIN_TIMEOUT_SECONDS) == (15, 2)
    assert daemon.MAX_FIRST_REQUEST_ID == 1_000_000


async def test_a_daemon_that_a_person_started_stays_without_work(settings: Settings, paths: InstancePaths) -> None:
    async with running_daemon(settings, paths, auto=False, idle_exit_seconds=0.0):
        await anyio.wait_all_tasks_blocked()
        assert Path(paths.socket_path).exists()  # noqa: ASYNC240
