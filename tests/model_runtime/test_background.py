"""A background task that fails is reported and started again; nothing else ends."""

import errno
import logging
import os

import anyio
import pytest

from model_runtime.background import MAX_DELAY_SECONDS, delay_seconds, keep_running
from model_runtime.problems import Problems
from tests.clocks import FakeSleep

ERRNOS = (errno.EMFILE, errno.ENOSPC, errno.EACCES, errno.ENOMEM, errno.EIO)


class FailingTask:
    """Fails `failures` times with an error of the system, then runs until it is cancelled."""

    def __init__(self, failures: int, number: int = errno.EIO) -> None:
        self.failures = failures
        self.number = number
        self.runs = 0
        self.recovered = anyio.Event()

    async def __call__(self) -> None:
        self.runs += 1
        if self.runs <= self.failures:
            raise OSError(self.number, os.strerror(self.number))
        self.recovered.set()
        await anyio.sleep_forever()


@pytest.mark.promise("reliability:background")
@pytest.mark.parametrize("number", ERRNOS)
@pytest.mark.parametrize("failures", [1, 10, 60])
async def test_a_task_that_fails_is_started_again_and_reported_until_it_has_recovered(
    failures: int, number: int, caplog: pytest.LogCaptureFixture
) -> None:
    problems, task, sleep = Problems(), FailingTask(failures, number), FakeSleep()

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: keep_running("tick", task, problems, sleep=sleep, recovered_after_seconds=0.01))
            await task.recovered.wait()
            reported = problems.reasons()
            await anyio.sleep(0.05)
            remaining = problems.reasons()
            tasks.cancel_scope.cancel()

    assert os.strerror(number) in reported[0]
    assert remaining == ()
    assert sleep.delays == [delay_seconds(count) for count in range(1, failures + 1)]
    assert sum(record.levelno >= logging.WARNING for record in caplog.records) == 2  # the traceback and the problem


async def test_a_task_that_returns_is_not_started_again() -> None:
    runs: list[int] = []

    async def once() -> None:
        runs.append(1)

    await keep_running("GPU probe", once, Problems())

    assert runs == [1]


def test_the_pause_doubles_and_is_bounded() -> None:
    assert [delay_seconds(failures) for failures in (1, 2, 3, 6, 1000)] == [1, 2, 4, MAX_DELAY_SECONDS, 30]


def test_a_problem_that_stays_or_comes_and_goes_is_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    seconds = iter(number / 1000 for number in range(10_000_000))
    problems = Problems(clock=lambda: next(seconds))
    for _ in range(49_000):
        problems.report("accept", "No descriptor is left.")
    for _ in range(20_000):
        problems.clear("accept")
        problems.report("accept", "No descriptor is left.")

    assert [record.getMessage() for record in caplog.records] == ["No descriptor is left."]
    assert problems.reasons() == ("No descriptor is left.",)
