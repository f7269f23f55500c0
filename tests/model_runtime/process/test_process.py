"""Real worker processes: started, talked to, stopped and reaped."""

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

from model_runtime.ipc.codec import encode
from model_runtime.ipc.framing import pack
from model_runtime.ipc.messages import (
    LINK_FD,
    Cancel,
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
from model_runtime.process.exit_status import describe_exit
from model_runtime.process.log_tail import MAX_LINES, LogTail
from model_runtime.process.process import StopTimeouts, WorkerProcess, encode_command
from model_runtime.process.spawn import spawn_worker, worker_environment
from model_runtime.requests import Chat, Message
from model_runtime.worker.connection import ORPHANED_EXIT_CODE

pytestmark = pytest.mark.process

ENGINE = "tests.scripted_engine:ScriptedEngine"
QUICK = StopTimeouts(0.3, 0.3)
Heard = TypeVar("Heard")


def run(job: int, script: str) -> RunRequest:
    return RunRequest(job, Chat("m", (Message("user", (script,)),)))


class Listener:
    """Keeps what a process reports; `until` waits for one kind of report."""

    def __init__(self) -> None:
        self.reports: list[WorkerMessage] = []
        self.lost_because: list[str] = []
        self.reaped_because: list[str] = []
        self.changed = anyio.Event()

    def on_message(self, process: WorkerProcess, report: WorkerMessage) -> None:
        """Keep it."""
        self.reports.append(report)
        self._change()

    def on_disconnect(self, process: WorkerProcess, cause: str) -> None:
        """Keep it."""
        self.lost_because.append(cause)
        self._change()

    def on_exit(self, process: WorkerProcess, cause: str) -> None:
        """Keep it."""
        self.reaped_because.append(cause)
        self._change()

    def _change(self) -> None:
        changed, self.changed = self.changed, anyio.Event()
        changed.set()

    async def until(self, kind: type[Heard]) -> Heard:
        """Return the next report of this kind."""
        with anyio.fail_after(20):
            while True:
                for report in self.reports:
                    if isinstance(report, kind):
                        self.reports.remove(report)
                        return report
                await self.changed.wait()


@asynccontextmanager
async def worker(*, load: str = "", patience: StopTimeouts = QUICK) -> AsyncGenerator[tuple[WorkerProcess, Listener]]:
    """A process that was told to load; it is gone afterwards, whatever happened."""
    listener = Listener()
    process = WorkerProcess("m", 1, listener, patience)
    process.send(Load(LoadSpec("m", ENGINE, {}, {"load": load})))
    try:
        yield process, listener
    finally:
        process.kill("the test is over")
        with anyio.fail_after(20):
            await process.exited.wait()


async def test_a_worker_says_hello_loads_and_works() -> None:
    async with worker() as (process, listener):
        process.send(run(1, "say done"))

        hello, ended = await listener.until(Hello), await listener.until(RequestOutcome)

    assert hello.pid == process.pid
    assert getattr(ended.outcome, "text", None) == "done"


async def test_a_worker_leads_a_process_group_of_its_own_and_inherits_only_what_it_needs() -> None:
    inherited = sum(map(_is_inheritable, range(LINK_FD + 1, 1024)))
    kept_open = os.open(os.devnull, os.O_RDONLY)
    async with worker() as (process, listener):
        await listener.until(Ready)
        group, descriptors = os.getpgid(process.pid), psutil.Process(process.pid).num_fds()
    os.close(kept_open)

    assert group == process.pid
    assert descriptors == 4 + inherited  # stdin, stdout, stderr, the link


def _is_inheritable(descriptor: int) -> bool:
    try:
        return os.get_inheritable(descriptor)
    except OSError:
        return False


@pytest.mark.promise("runtime:responsive")
async def test_a_worker_lets_the_daemon_go_first() -> None:
    async with worker() as (process, listener):
        await listener.until(Hello)
        niceness = psutil.Process(process.pid).nice()

    assert niceness > psutil.Process().nice()


async def test_what_an_engine_prints_goes_to_the_log_and_never_into_the_link(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, log_tail.__name__)
    async with worker(load="print loading 50%") as (process, listener):
        process.send(run(1, "print \x00\xff chatter; say a; print more"))
        ended = await listener.until(RequestOutcome)
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
        (f"signal {int(signal.SIGKILL)}", "killed by SIGKILL, which is what the system does when memory runs out"),
        ("exhaust", "exited with code 70; last log line: MemoryError"),
        ("garbage", "the worker sent an invalid message"),
    ],
)
async def test_the_end_of_a_worker_is_told_once_with_its_cause(script: str, cause: str) -> None:
    async with worker() as (process, listener):
        process.send(run(1, f"say a; {script}"))
        with anyio.fail_after(20):
            await process.exited.wait()

    assert len(listener.lost_because) == len(listener.reaped_because) == 1
    assert cause in listener.lost_because[0]
    assert listener.reaped_because == listener.lost_because


async def test_the_death_of_a_worker_is_noticed_within_50_milliseconds() -> None:
    async with worker() as (process, listener):
        await listener.until(Ready)
        loop = asyncio.get_running_loop()
        started = loop.time()
        os.kill(process.pid, signal.SIGKILL)
        with anyio.fail_after(20):
            while not listener.lost_because:
                await listener.changed.wait()
        seconds = loop.time() - started

    assert seconds < 0.5  # 50 ms on a machine that has nothing else to do


async def test_what_was_sent_before_the_end_is_still_received() -> None:
    async with worker() as (process, listener):
        process.send(run(1, "pieces 3; exit 0"))
        with anyio.fail_after(20):
            await process.exited.wait()

    assert sum(isinstance(report, RequestOutput) for report in listener.reports) == 3


async def test_what_was_sent_before_the_end_is_received_even_if_nobody_read_until_then() -> None:
    async with worker() as (process, listener):
        await listener.until(Ready)
        process.pause_reading()
        process.send(run(1, "pieces 3; exit 0"))
        with anyio.fail_after(20):
            await process.exited.wait()
        received = sum(isinstance(report, RequestOutput) for report in listener.reports)

    assert received == 3


async def test_a_worker_that_closes_its_link_and_stands_still_is_lost_at_once_and_ended() -> None:
    async with worker() as (process, listener):
        process.send(run(1, "say a; hangup"))
        with anyio.fail_after(20):
            while not listener.lost_because:
                await listener.changed.wait()
            reaped_before = list(listener.reaped_because)
            await process.exited.wait()

    assert listener.lost_because == listener.reaped_because == ["it closed its link"]
    assert reaped_before == []


def test_a_worker_without_a_daemon_leaves_by_itself() -> None:
    """Where the system does not tell a process that its parent has died, the closed link does."""
    spawned = spawn_worker("m")
    spawned.socket.close()
    _, status = os.waitpid(spawned.pid, 0)
    os.close(spawned.log)

    assert os.waitstatus_to_exitcode(status) == ORPHANED_EXIT_CODE


async def test_a_model_that_cannot_be_loaded_says_so_and_leaves() -> None:
    async with worker(load="refuse tensor lm_head.weight is missing") as (process, listener):
        broke = await listener.until(LoadError)
        with anyio.fail_after(20):
            await process.exited.wait()

    assert broke.error.message == "tensor lm_head.weight is missing"
    assert broke.permanent


async def test_an_unexpected_exception_while_loading_may_be_tried_again() -> None:
    async with worker(load="raise disk hiccup") as (_, listener):
        broke = await listener.until(LoadError)

    assert "RuntimeError: disk hiccup" in broke.error.message
    assert not broke.permanent


@pytest.mark.parametrize("load", ["", "wait /never"])
async def test_a_worker_that_is_asked_to_leave_leaves_by_itself(load: str) -> None:
    async with worker(load=load, patience=StopTimeouts(20, 20)) as (process, listener):
        await listener.until(Hello if load else Ready)
        process.stop()
        with anyio.fail_after(20):
            await process.exited.wait()

    assert listener.lost_because == ["the worker exited with code 0"]


async def test_a_worker_that_does_not_leave_is_terminated(tmp_path: Path) -> None:
    stalls = tmp_path / "stalls"
    async with worker() as (process, listener):
        process.send(run(1, f"touch {stalls}; stall"))
        await _until_exists(stalls)
        process.stop()
        with anyio.fail_after(20):
            await process.exited.wait()

    assert "SIGTERM" in listener.lost_because[0]


async def test_a_worker_that_is_stopped_by_the_system_is_killed() -> None:
    async with worker() as (process, listener):
        await listener.until(Ready)
        os.kill(process.pid, signal.SIGSTOP)
        process.stop("it had to go")
        with anyio.fail_after(20):
            await process.exited.wait()

    assert listener.lost_because == ["it had to go"]


async def test_a_cancelled_job_ends_and_the_next_one_runs(tmp_path: Path) -> None:
    async with worker() as (process, listener):
        process.send(run(1, "say a; wait /never"))
        await listener.until(RequestOutput)
        process.send(Cancel(1))
        cancelled = await listener.until(RequestOutcome)
        process.send(run(2, "say b"))
        ended = await listener.until(RequestOutcome)

    assert getattr(cancelled.outcome, "code", None) == "cancelled"
    assert getattr(ended.outcome, "text", None) == "b"


async def test_a_worker_blocks_while_nobody_reads_and_loses_nothing(tmp_path: Path) -> None:
    done = tmp_path / "done"
    async with worker() as (process, listener):
        await listener.until(Ready)
        process.pause_reading()
        process.send(run(1, f"flood 40; touch {done}"))
        await _until_blocked_in_send(process.pid)
        was_done = done.exists()
        process.resume_reading()
        ended = await listener.until(RequestOutcome)

    assert not was_done
    assert len(getattr(ended.outcome, "text", "")) == 40 << 16


async def _until_exists(path: Path) -> None:
    with anyio.fail_after(20):
        while not await anyio.Path(path).exists():  # noqa: ASYNC110  another process makes it
            await anyio.sleep(0.005)


async def _until_blocked_in_send(pid: int) -> None:
    """Wait until the worker used no processor time over a few looks in a row."""
    process = psutil.Process(pid)
    times, quiet = process.cpu_times(), 0
    with anyio.fail_after(20):
        while quiet < 3 or times.user + times.system == 0:
            await anyio.sleep(0.05)
            now = process.cpu_times()
            quiet = quiet + 1 if now[:2] == times[:2] else 0
            times = now


@pytest.mark.parametrize("script", ["say ready; wait /never", "say ready; hang"])
async def test_a_worker_ends_with_its_parent(script: str) -> None:
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


def test_a_worker_finds_the_modules_its_daemon_found() -> None:
    given = {"PATH": "/bin", "PYTHONHOME": "/nowhere", "PYTHONPATH": "/a", "SENSES_API_KEY": "secret"}

    variables = worker_environment(given, ["", "/a", "relative", "/b", "/a"])

    root = str(Path(__file__).parents[3])
    assert variables == {"PATH": "/bin", "PYTHONPATH": f"{root}:/a:/b"}


def test_an_order_is_packed_as_frames_are() -> None:
    order = run(7, "say a")

    assert encode_command(order) == pack(*encode(order))


def test_the_last_words_are_the_last_line_and_only_so_many_are_kept() -> None:
    read, write = os.pipe()
    os.set_blocking(read, False)
    words = LogTail("m", read)

    os.write(write, b"\n".join(b"line %d" % number for number in range(MAX_LINES + 50)) + b"\n\rstep 1\rstep 2\nunfin")
    assert words.read()
    os.write(write, b"ished \xff")
    os.close(write)
    assert not words.read()
    os.close(read)

    assert len(words.lines) == MAX_LINES
    assert list(words.lines)[-3:] == ["step 1", "step 2", "unfinished \ufffd"]
    assert words.last_line == "unfinished \ufffd"


@pytest.mark.parametrize(
    ("status", "clause"),
    [
        (0, "the worker exited with code 0"),
        (7 << 8, "the worker exited with code 7"),
        (int(signal.SIGTERM), "the worker was killed by SIGTERM"),
        (99, "the worker was killed by signal 99"),
    ],
)
def test_an_exit_status_becomes_a_clause(status: int, clause: str) -> None:
    assert describe_exit(status, "") == clause
