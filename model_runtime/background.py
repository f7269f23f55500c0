"""Keeps a background task running: a failure is reported and the task starts again, so it ends nothing else."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import anyio

from model_runtime.problems import Problems

FIRST_DELAY_SECONDS = 1.0
MAX_DELAY_SECONDS = 30.0
RECOVERED_AFTER_SECONDS = 5.0
"""A task that runs this long after a failure has recovered: its problem ends, and its next delay is the first one."""

log = logging.getLogger(__name__)
Sleep = Callable[[float], Awaitable[None]]


def delay_seconds(failures: int) -> float:
    """Return the pause after this many failures in a row: 1 second, doubled at each one, at most 30."""
    return min(FIRST_DELAY_SECONDS * 2.0 ** min(failures - 1, 10), MAX_DELAY_SECONDS)


async def keep_running(
    name: str,
    task: Callable[[], Awaitable[object]],
    problems: Problems,
    *,
    sleep: Sleep = anyio.sleep,
    recovered_after_seconds: float = RECOVERED_AFTER_SECONDS,
) -> None:
    """Run `task` until it returns or is cancelled; after an exception report a problem, wait and run it again."""
    loop = asyncio.get_running_loop()
    failures = 0
    while True:
        recovery = loop.call_later(recovered_after_seconds, problems.clear, name)
        started_at = loop.time()
        try:
            await task()
        except Exception as error:  # noqa: BLE001 - it is reported, and the task starts again
            failures = 1 if loop.time() - started_at >= recovered_after_seconds else failures + 1
            _report(name, error, failures, problems)
        else:
            problems.clear(name)
            return
        finally:
            recovery.cancel()
        await sleep(delay_seconds(failures))


def _report(name: str, error: Exception, failures: int, problems: Problems) -> None:
    """Report the failure; only the first one in a row logs its traceback."""
    if failures == 1:
        log.error("The background task %r failed", name, exc_info=error)
    reason = str(error) or type(error).__name__
    problems.report(name, f"The background task {name!r} fails and is started again: {reason}")
