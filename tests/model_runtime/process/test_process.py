"""Real worker processes: start, messages, stop, exit."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import anyio
import anyio.to_thread
import psutil
import pytest

from model_runtime.ipc.messages import (
    LINK_FD,
    Cancel,
    Heartbeat,
    Hello,
    Load,
    LoadError,
    Ready,
    RequestOutcome,
    RequestOutput,
    RunRequest,
    WorkerMessage,
)
from model_runtime.loading import LoadSpec
from model_runtime.process import log_tail
from model_runtime.process.process import StopTimeouts, WorkerProcess
from model_runtime.process.spawn import spawn_worker
from model_runtime.requests import Chat, Message
from model_runtime.worker.connection import ORPHANED_EXIT_CODE

pytestmark = pytest.mark.process

ENGINE = "tests.scripted_engine:ScriptedEngine"
SHORT_TIMEOUTS = StopTimeouts(0.3, 0.3)
Kind = TypeVar("Kind")


def run(request_id: int, script: str) -> RunRequest:
    return RunRequest(request_id, Chat("m", (Message("user", (script,)),)))


class Listener:
    """Keeps the messages and the end of a process; `wait_for` waits for a kind of message."""

    def __init__(self) -> None:
        self.messages: list[WorkerMessage] = []
        self.disconnect_causes: list[str] = []
        self.exit_causes: list[str] = []
        self.changed = anyio.Event()

    def on_message(self, process: WorkerProcess, message: WorkerMessage) -> None:
        """Keep the message."""
        self.messages.append(message)
        self._notify()

    def on_disconnect(self, process: WorkerProcess, cause: str) -> None:
        """Keep the cause."""
        self.disconnect_causes.append(cause)
        self._notify()

    def on_exit(self, process: WorkerProcess, cause: str) -> None:
        """Keep the cause."""
        self.exit_causes.append(cause)
        self._notify()

    def _notify(self) -> None:
        changed, self.changed = self.changed, anyio.Event()
        changed.set()

    async def wait_for(self, kind: type[Kind]) -> Kind:
        """Remove and return the first message of this kind."""
        with anyio.fail_after(20):
            while True:
                for message in self.messages:
                    if isinstance(message, kind):
                        self.messages.remove(message)
                        return message
                await self.changed.wait()


@asynccontextmanager
async def worker(
    *, load: str = "", stop_timeouts: StopTimeouts = SHORT_TIMEOUTS
) -> AsyncGenerator[tuple[WorkerProcess, Listener]]:
    """Start a process that loads a scripted engine; kill and reap it at the end."""
    listener = Listener()
    process = WorkerProcess("m", 1, listener, stop_timeouts)
    process.send(Load(LoadSpec("m", ENGINE, {}, {"load": load})))
    try:
        yield process, listener
    finally:
        process.kill("the test is over")
        with anyio.fail_after(20):
            await process.exited.wait()


async def test_a_worker_says_hello_loads_and_runs_a_request() -> None:
    async with worker() as (process, listener):
        process.send(run(1, "say done"))

        hello, ended = await listener.wait_for(Hello), await listener.wait_for(RequestOutcome)

    assert hello.pid == process.pid
    assert getattr(ended.outcome, "text", None) == "done"


async def test_a_worker_without_a_model_sends_heartbeats() -> None:
    """A spare worker is claimed while it still imports, which may take long on a busy machine."""
    listener = Listener()
    process = WorkerProcess("spare", 0, listener, SHORT_TIMEOUTS)

    heartbeat = await listener.wait_for(Heartbeat)
    process.kill("the test is over")
    await process.exited.wait()

    assert heartbeat.progress_count == 0


async def test_a_worker_leads_a_process_group_of_its_own_and_inherits_only_what_it_needs() -> None:
    inherited = sum(map(_is_inheritable, range(LINK_FD + 1, 1024)))
    kept_open = os.open(os.devnull, os.O_RDONLY)
    async with worker() as (process, listener):
        await listener.wait_for(Ready)
        group, descriptors = os.getpgid(process.pid), psutil.Process(process.pid).num_fds()
    os.close(kept_open)

    assert group == process.pid
    assert descriptors == 4 + inherited  # stdin, stdout, stderr, the socket


def _is_inheritable(descriptor: int) -> bool:
    try:
        return os.get_inheritable(descriptor)
    except OSError:
        return False


@pytest.mark.promise("runtime:responsive")
async def test_a_worker_has_a_lower_priority_than_the_daemon() -> None:
    async with worker() as (process, listener):
        await listener.wait_for(Hello)
        niceness = psutil.Process(process.pid).nice()

    assert niceness > psutil.Process().nice()


async def test_what_an_engine_prints_goes_to_the_log_and_never_into_the_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, log_tail.__name__)
    async with worker(load="print loading 50%") as (process, listener):
        process.send(run(1, "print \x00\xff chatter; say a; print more"))
        ended = await listener.wait_for(RequestOutcome)
        process.stop()
        await process.exited.wait()

    assert getattr(ended.outcome, "text", None) == "a"
    printed = [message.partition(": ")[2] for name, _, message in caplog.record_tuples if name == log_tail.__name__]
    assert printed.count("loading 50%") == 2
    assert printed[-1] == "more"


@pytest.mark.parametrize(
    ("script", "cause"),
    [
        ("print out of ideas; exit 3", "exited with code 3; last log line: out of ideas"),
        ("exit 0", "exited with code 0"),
        (f"signal {int(signal.SIGSEGV)}", "killed by SIGSEGV, a fault in native code"),
        (f"signal {int(signal.SIGKILL)}", "killed by SIGKILL, as the system does when memory runs out"),
        ("exhaust", "exited with code 70; last log line: MemoryError"),
        ("garbage", "the worker sent an invalid message"),
    ],
)
async def test_the_exit_of_a_worker_is_reported_once_with_its_cause(script: str, cause: str) -> None:
    async with worker() as (process, listener):
        process.send(run(1, f"say a; {script}"))
        with anyio.fail_after(20):
            await process.exited.wait()

    assert len(listener.disconnect_causes) == len(listener.exit_causes) == 1
    assert cause in listener.disconnect_causes[0]
    assert listener.exit_causes == listener.disconnect_causes


async def test_the_death_of_a_worker_is_noticed_within_50_milliseconds() -> None:
    async with worker() as (process, listener):
        await listener.wait_for(Ready)
        loop = asyncio.get_running_loop()
        started = loop.time()
        os.kill(process.pid, signal.SIGKILL)
        with anyio.fail_after(20):
            while not listener.disconnect_causes:
                await listener.changed.wait()
        seconds = loop.time() - started

    assert seconds < 0.5  # 50 ms on a machine that has nothing else to do


async def test_messages_sent_before_the_exit_are_received() -> None:
    async with worker() as (process, listener):
        process.send(run(1, "pieces 3; exit 0"))
        with anyio.fail_after(20):
            await process.exited.wait()

    assert sum(isinstance(message, RequestOutput) for message in listener.messages) == 3


async def test_messages_sent_before_the_exit_are_received_even_if_reading_was_paused() -> None:
    async with worker() as (process, listener):
        await listener.wait_for(Ready)
        process.pause_reading()
        process.send(run(1, "pieces 3; exit 0"))
        with anyio.fail_after(20):
            await process.exited.wait()
        received = sum(isinstance(message, RequestOutput) for message in listener.messages)

    assert received == 3


async def test_a_worker_that_closes_its_connection_and_hangs_is_reported_at_once_and_killed() -> None:
    async with worker() as (process, listener):
        process.send(run(1, "say a; hangup"))
        with anyio.fail_after(20):
            while not listener.disconnect_causes:
                await listener.changed.wait()
            exits_before = list(listener.exit_causes)
            await process.exited.wait()

    assert listener.disconnect_causes == listener.exit_causes == ["the worker closed its connection"]
    assert exits_before == []


def test_a_worker_without_a_daemon_exits_by_itself() -> None:
    """The closed connection ends it on systems that do not signal the death of a parent."""
    spawned = spawn_worker("m")
    spawned.socket.close()
    _, status = os.waitpid(spawned.pid, 0)
    os.close(spawned.log)

    assert os.waitstatus_to_exitcode(status) == ORPHANED_EXIT_CODE


async def test_a_worker_that_cannot_load_its_model_reports_the_error_and_exits() -> None:
    async with worker(load="refuse tensor lm_head.weight is missing") as (process, listener):
        load_error = await listener.wait_for(LoadError)
        with anyio.fail_after(20):
            await process.exited.wait()

    assert load_error.error.message == "tensor lm_head.weight is missing"
    assert load_error.permanent


async def test_an_unexpected_exception_while_loading_is_not_permanent() -> None:
    async with worker(load="raise disk hiccup") as (_, listener):
        load_error = await listener.wait_for(LoadError)

    assert "RuntimeError: disk hiccup" in load_error.error.message
    assert not load_error.permanent


@pytest.mark.parametrize("load", ["", "wait /never"])
async def test_a_worker_exits_by_itself_after_shutdown(load: str) -> None:
    async with worker(load=load, stop_timeouts=StopTimeouts(20, 20)) as (process, listener):
        await listener.wait_for(Hello if load else Ready)
        process.stop()
        with anyio.fail_after(20):
            await process.exited.wait()

    assert listener.disconnect_causes == ["the worker exited with code 0"]


async def test_a_worker_that_does_not_exit_gets_sigterm(tmp_path: Path) -> None:
    stalls = tmp_path / "stalls"
    async with worker() as (process, listener):
        process.send(run(1, f"touch {stalls}; stall"))
        await _until_exists(stalls)
        process.stop()
        with anyio.fail_after(20):
            await process.exited.wait()

    assert "SIGTERM" in listener.disconnect_causes[0]


async def test_a_worker_suspended_by_sigstop_is_killed() -> None:
    async with worker() as (process, listener):
        await listener.wait_for(Ready)
        os.kill(process.pid, signal.SIGSTOP)
        process.stop("the test stopped it")
        with anyio.fail_after(20):
            await process.exited.wait()

    assert listener.disconnect_causes == ["the test stopped it"]


async def test_a_worker_that_does_not_leave_is_not_reported_as_one_that_the_system_killed() -> None:
    async with worker() as (process, listener):
        await listener.wait_for(Ready)
        os.kill(process.pid, signal.SIGSTOP)
        process.stop()
        with anyio.fail_after(20):
            await process.exited.wait()

    assert listener.disconnect_causes == ["the worker did not leave when it was told to, and was killed"]


async def test_a_cancelled_request_ends_and_the_next_one_runs(tmp_path: Path) -> None:
    async with worker() as (process, listener):
        process.send(run(1, "say a; wait /never"))
        await listener.wait_for(RequestOutput)
        process.send(Cancel(1))
        cancelled = await listener.wait_for(RequestOutcome)
        process.send(run(2, "say b"))
        ended = await listener.wait_for(RequestOutcome)

    assert getattr(cancelled.outcome, "code", None) == "cancelled"
    assert getattr(ended.outcome, "text", None) == "b"


async def test_a_worker_blocks_while_reading_is_paused_and_loses_no_output(tmp_path: Path) -> None:
    done = tmp_path / "done"
    async with worker() as (process, listener):
        await listener.wait_for(Ready)
        process.pause_reading()
        process.send(run(1, f"flood 40; touch {done}"))
        await _until_blocked_in_send(process.pid)
        was_done = done.exists()
        process.resume_reading()
        ended = await listener.wait_for(RequestOutcome)

    assert not was_done
    assert len(getattr(ended.outcome, "text", "")) == 40 << 16


async def _until_exists(path: Path) -> None:
    with anyio.fail_after(20):
        while not await anyio.Path(path).exists():  # noqa: ASYNC110  another process makes it
            await anyio.sleep(0.005)


async def _until_blocked_in_send(pid: int) -> None:
    """Wait until the worker used no processor time in three measurements in a row."""
    process = psutil.Process(pid)
    times, quiet = process.cpu_times(), 0
    with anyio.fail_after(20):
        while quiet < 3 or times.user + times.system == 0:
            await anyio.sleep(0.05)
            now = process.cpu_times()
            quiet = quiet + 1 if now[:2] == times[:2] else 0
            times = now


@pytest.mark.parametrize("script", ["say ready; wait /never", "say ready; hang"])
async def test_a_worker_exits_with_its_parent(script: str) -> None:
    """The parent is killed without a chance to clean up, while the worker sleeps or computes."""
    parent = await anyio.open_process([sys.executable, "-m", "tests.model_runtime.parent", script])
    assert parent.stdout is not None
    pid = int(await parent.stdout.receive())
    process = psutil.Process(pid)

    parent.kill()
    with anyio.fail_after(20):
        await parent.wait()
        await anyio.to_thread.run_sync(process.wait)

    assert not process.is_running()
    await parent.aclose()
