"""One worker process as the daemon sees it, with a fake process: messages, stop, exit."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable

import anyio
import pytest

from model_runtime.ipc.codec import encode
from model_runtime.ipc.framing import pack
from model_runtime.ipc.messages import Heartbeat, Hello, RunRequest, Shutdown, WorkerMessage
from model_runtime.process import process as process_module
from model_runtime.process.process import StopTimeouts, WorkerProcess, encode_command
from tests.model_runtime.calls import chat
from tests.model_runtime.fake_workers import FakeWorker, FakeWorkers


class Record:
    """The `WorkerListener` of a test."""

    def __init__(self) -> None:
        self.messages: list[WorkerMessage] = []
        self.ends: list[tuple[str, str]] = []

    def on_message(self, process: WorkerProcess, message: WorkerMessage) -> None:
        """Keep the message."""
        self.messages.append(message)

    def on_disconnect(self, process: WorkerProcess, cause: str) -> None:
        """Keep the cause."""
        self.ends.append(("disconnect", cause))

    def on_exit(self, process: WorkerProcess, cause: str) -> None:
        """Keep the cause."""
        self.ends.append(("exit", cause))


async def started(
    workers: FakeWorkers, timeouts: StopTimeouts | None = None
) -> tuple[WorkerProcess, FakeWorker, Record]:
    """Start a process."""
    record = Record()
    process = WorkerProcess("m", 1, record, timeouts)
    return process, workers.all[-1], record


async def exit_of(process: WorkerProcess) -> None:
    """Wait until the process is reaped."""
    with anyio.fail_after(20):
        await process.exited.wait()


async def test_commands_and_messages_arrive_in_order(workers: FakeWorkers) -> None:
    process, worker, record = await started(workers)
    process.send(Shutdown())  # before the connection is made
    worker.is_obedient = False
    worker.send(Hello(worker.pid))
    worker.send(Heartbeat((), 1, 0))
    await worker.receive(Shutdown)
    process.send(Shutdown())
    await worker.receive(Shutdown)
    worker.exit()
    await exit_of(process)

    assert record.messages == [Hello(worker.pid), Heartbeat((), 1, 0)]
    assert record.ends == [("disconnect", "the worker exited with code 0"), ("exit", "the worker exited with code 0")]
    assert process.pid == worker.pid
    process.send(Shutdown())  # does nothing


async def test_a_connection_that_is_given_up_before_it_is_made_leaves_no_socket_open(workers: FakeWorkers) -> None:
    _, worker, _ = await started(workers)

    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        if "create_connection" in repr(task.get_coro()):
            task.cancel()  # as the end of the event loop does
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert worker.spawned.socket.fileno() < 0


async def test_reading_may_be_paused_even_before_the_connection_is_made(workers: FakeWorkers) -> None:
    process, worker, record = await started(workers)
    process.pause_reading()
    worker.send(Hello(worker.pid))
    worker.is_obedient = False
    process.send(Shutdown())
    await worker.receive(Shutdown)
    await anyio.sleep(0.02)
    paused = list(record.messages)
    process.resume_reading()
    await until(lambda: bool(record.messages))
    process.pause_reading()
    worker.send(Heartbeat((), 1, 0))
    await anyio.sleep(0.02)
    paused_again = list(record.messages)
    worker.exit()
    await exit_of(process)

    assert paused == []
    assert paused_again == [Hello(worker.pid)]
    assert record.messages == [Hello(worker.pid), Heartbeat((), 1, 0)], "what is left is read after the exit"


async def test_a_stop_asks_first_then_signals_then_kills(workers: FakeWorkers) -> None:
    process, worker, record = await started(workers, StopTimeouts(0.01, 0.01))
    worker.is_obedient = worker.is_mortal = False
    stop_requested_before = process.stop_requested
    process.stop("it is not needed")
    process.stop("again")
    await exit_of(process)

    assert (stop_requested_before, process.stop_requested) == (False, True)
    assert worker.signals == [signal.SIGTERM, signal.SIGKILL]
    assert worker.commands == [Shutdown()]
    assert record.ends == [("disconnect", "it is not needed"), ("exit", "it is not needed")]
    assert not process.oom_suspected


async def test_a_worker_that_leaves_when_asked_gets_no_signal(workers: FakeWorkers) -> None:
    process, worker, record = await started(workers, StopTimeouts(20, 20))
    process.stop()
    await exit_of(process)
    await asyncio.sleep(0)

    assert worker.signals == []
    assert record.ends[-1] == ("exit", "the worker exited with code 0")
    process.kill("too late")
    assert worker.signals == []


async def test_a_worker_that_ends_at_sigterm_is_not_killed(workers: FakeWorkers) -> None:
    process, worker, _ = await started(workers, StopTimeouts(0.01, 20))
    worker.is_obedient = False
    process.stop()
    await exit_of(process)

    assert worker.signals == [signal.SIGTERM]


@pytest.mark.parametrize(
    ("number", "is_suspected"), [(signal.SIGKILL, True), (signal.SIGTERM, False), (signal.SIGSEGV, False)]
)
async def test_only_a_sigkill_of_the_system_looks_like_a_lack_of_memory(
    workers: FakeWorkers, number: signal.Signals, is_suspected: bool
) -> None:
    process, worker, record = await started(workers)
    before = process.oom_suspected
    worker.exit(signal_number=number)
    await exit_of(process)

    assert (before, process.oom_suspected) == (False, is_suspected)
    assert number.name in record.ends[-1][1]


async def test_a_kill_of_ours_is_no_lack_of_memory(workers: FakeWorkers) -> None:
    process, worker, record = await started(workers)
    process.kill("it sent nothing")
    await exit_of(process)

    assert worker.signals == [signal.SIGKILL]
    assert (process.stop_requested, process.oom_suspected) == (True, False)
    assert record.ends == [("disconnect", "it sent nothing"), ("exit", "it sent nothing")]


async def test_the_last_line_that_it_printed_is_told(workers: FakeWorkers) -> None:
    process, worker, record = await started(workers)
    worker.print("first\nout of memory\n")
    worker.exit(9)
    await exit_of(process)

    assert record.ends[-1] == ("exit", "the worker exited with code 9; last log line: out of memory")


async def test_a_worker_that_closes_its_connection_is_killed_after_a_moment(
    workers: FakeWorkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_module, "EXIT_STATUS_TIMEOUT_SECONDS", 0.01)
    process, worker, record = await started(workers)
    worker.hang_up()
    await worker.wait_for_signal(signal.SIGKILL)
    disconnected = list(record.ends)
    await exit_of(process)

    assert disconnected == [("disconnect", "the worker closed its connection")]
    assert record.ends == [*disconnected, ("exit", "the worker closed its connection")]


async def test_a_worker_that_is_about_to_be_reaped_is_not_blamed_for_its_closed_connection(
    workers: FakeWorkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_module, "EXIT_STATUS_TIMEOUT_SECONDS", 0.01)
    process, worker, record = await started(workers)
    worker.is_zombie = True
    worker.hang_up()
    await anyio.sleep(0.05)
    before = list(record.ends)
    worker.exit(4)
    await exit_of(process)

    assert before == []
    assert record.ends[-1] == ("exit", "the worker exited with code 4")


async def test_invalid_bytes_are_the_cause_of_the_end(workers: FakeWorkers) -> None:
    process, worker, record = await started(workers)
    worker.send_bytes(bytes(8))
    await exit_of(process)

    assert worker.signals == [signal.SIGKILL]
    assert record.ends[0][1].startswith("the worker sent an invalid message: A frame has a header of 0 bytes")


async def test_a_process_is_assigned_to_a_model_with_its_listener(workers: FakeWorkers) -> None:
    process, worker, record = await started(workers)
    worker.send(Hello(worker.pid))
    await until(lambda: bool(record.messages))
    other = Record()
    process.assign("n", 7, other)
    worker.send(Heartbeat((), 1, 0))
    worker.exit(1)
    await exit_of(process)

    assert (process.name, process.incarnation) == ("n", 7)
    assert other.messages == [Heartbeat((), 1, 0)]
    assert [kind for kind, _ in other.ends] == ["disconnect", "exit"]
    assert (len(record.messages), record.ends) == (1, [])


async def test_a_process_that_the_system_has_reaped_itself_has_exited(
    workers: FakeWorkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reaped(pid: int, options: int) -> tuple[int, int]:
        workers.waitpid(pid, options)
        raise ChildProcessError

    monkeypatch.setattr(os, "waitpid", reaped)
    process, worker, record = await started(workers)
    worker.exit(5)
    await exit_of(process)

    assert record.ends[-1] == ("exit", "the worker exited with code 0")


async def test_without_another_thread_the_process_is_killed_and_its_exit_reported(
    workers: FakeWorkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_thread(*_: object, **__: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading, "Thread", no_thread)
    process, worker, record = await started(workers)
    await exit_of(process)

    assert worker.signals == [signal.SIGKILL]
    assert record.ends[-1] == ("exit", "the system cannot start another thread")


def test_a_command_is_encoded_as_a_frame() -> None:
    command = RunRequest(7, chat("say a"))

    assert encode_command(command) == pack(*encode(command))


async def until(condition: Callable[[], bool]) -> None:
    """Let the event loop run until a condition holds."""
    with anyio.fail_after(20):
        while not condition():  # noqa: ASYNC110 - whatever the loop does may make it hold
            await anyio.sleep(0.001)
