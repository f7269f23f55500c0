import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from mcp_server.files import file_calls
from mcp_server.files.file_calls import MAX_CALLS_PER_FOLDER, FileCalls, FileThreads

FOLDER, OTHER_FOLDER = Path("/granted"), Path("/other")


class Hanging:
    """A call that returns `outcome` once it is let go."""

    def __init__(self, outcome: str = "done") -> None:
        self.started = threading.Semaphore(0)
        self.let_go = threading.Event()
        self._outcome = outcome

    def __call__(self) -> str:
        """Wait, then return."""
        self.started.release()
        self.let_go.wait(30)
        return self._outcome


async def wait_for(check: Callable[[], bool]) -> None:
    """Let other tasks run until `check()` is true."""
    with anyio.fail_after(10):
        while not check():
            await anyio.lowlevel.checkpoint()


def raise_os_error() -> None:
    raise FileNotFoundError(2, "No such file")


async def test_a_call_returns_or_raises_what_its_function_does() -> None:
    threads = FileThreads()

    assert await threads.run(FOLDER, lambda: 7) == 7
    with pytest.raises(FileNotFoundError):
        await threads.run(FOLDER, raise_os_error)


async def test_a_call_that_takes_too_long_is_given_up_and_what_it_brings_later_is_discarded() -> None:
    threads, hanging, discarded = FileThreads(timeout_seconds=0.05), Hanging("late"), list[str]()

    with pytest.raises(TimeoutError):
        await threads.run(FOLDER, hanging, discarded.append)
    hanging.let_go.set()

    await wait_for(lambda: discarded == ["late"])


async def test_a_cancelled_call_discards_what_it_brings_even_if_that_has_come() -> None:
    calls, discarded = FileCalls(), list[str]()

    async with anyio.create_task_group() as tasks:

        def answer_and_cancel(outcome: asyncio.Future[str | Exception]) -> None:
            outcome.set_result("came")
            tasks.cancel_scope.cancel()

        def start(outcome: asyncio.Future[str | Exception]) -> None:
            asyncio.get_running_loop().call_soon(answer_and_cancel, outcome)

        tasks.start_soon(calls.run, FOLDER, start, discarded.append)

    await wait_for(lambda: discarded == ["came"])


@pytest.mark.parametrize("leaves", [True, False])
async def test_calls_that_hang_hold_a_bounded_number_of_threads_and_no_other_folder(leaves: bool) -> None:
    threads, hanging = FileThreads(), Hanging()

    async with anyio.create_task_group() as tasks:
        for _ in range(3 * MAX_CALLS_PER_FOLDER):
            tasks.start_soon(threads.run, FOLDER, hanging)
        for _ in range(MAX_CALLS_PER_FOLDER):
            assert await anyio.to_thread.run_sync(hanging.started.acquire, True, 10)
        other = await threads.run(OTHER_FOLDER, lambda: "other")
        started_more = hanging.started.acquire(blocking=False)
        if leaves:
            tasks.cancel_scope.cancel()
        hanging.let_go.set()

    assert other == "other"
    assert not started_more
    assert await threads.run(FOLDER, lambda: "again") == "again"


async def test_a_call_that_cannot_be_started_takes_no_share() -> None:
    calls = FileCalls(timeout_seconds=5)

    def fail(outcome: asyncio.Future[int | Exception]) -> None:
        raise RuntimeError("can't start new thread")

    for _ in range(2 * MAX_CALLS_PER_FOLDER):
        with pytest.raises(RuntimeError, match="new thread"):
            await calls.run(FOLDER, fail)


def test_a_person_has_two_minutes_to_answer_a_dialog() -> None:
    assert file_calls.FILE_TIMEOUT_SECONDS == 120
