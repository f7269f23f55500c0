"""Calls that nobody can interrupt, such as `open` on a network volume that hangs: each has a deadline and a bound.

A call goes on after its caller has left; its outcome is then discarded. Until it ends it counts against the bound of
its folder, so that one folder that hangs holds a few threads and delays no other folder.
"""

import asyncio
import threading
from collections import defaultdict
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import anyio

FILE_TIMEOUT_SECONDS = 120.0
"""Long enough for a person to answer a dialog of macOS, and for a disk to spin up."""
MAX_CALLS_PER_FOLDER = 8

T = TypeVar("T")


class FileCalls:
    """Waits for the outcome of calls, at most `MAX_CALLS_PER_FOLDER` at once for each folder."""

    def __init__(self, timeout_seconds: float = FILE_TIMEOUT_SECONDS) -> None:
        self._timeout_seconds = timeout_seconds
        self._slots: defaultdict[Path, anyio.Semaphore] = defaultdict(_slots_of_folder)

    async def run(
        self,
        folder: Path,
        start: Callable[[asyncio.Future[T | Exception]], object],
        discard: Callable[[T], object] = lambda outcome: None,
    ) -> T:
        """Call `start(outcome)`, which sets the future `outcome` later, and return the outcome or raise it.

        Raises:
            TimeoutError: there is no outcome within the deadline.
            Exception: the call fails.
        """
        with anyio.fail_after(self._timeout_seconds):
            slot = self._slots[folder]
            await slot.acquire()
            outcome: asyncio.Future[T | Exception] = asyncio.get_running_loop().create_future()
            outcome.add_done_callback(lambda _: slot.release())
            try:
                start(outcome)
                result = await asyncio.shield(outcome)
            except asyncio.CancelledError:
                outcome.add_done_callback(lambda late: _discard(late, discard))
                raise
            except BaseException:
                outcome.cancel()
                raise
        if isinstance(result, Exception):
            raise result
        return result


def _slots_of_folder() -> anyio.Semaphore:
    """Return the places of one folder; a free one is taken without a turn of the event loop."""
    return anyio.Semaphore(MAX_CALLS_PER_FOLDER, fast_acquire=True)


def _discard(late: asyncio.Future[T | Exception], discard: Callable[[T], object]) -> None:
    result = late.result()
    if not isinstance(result, Exception):
        discard(result)


class FileThreads:
    """Runs blocking calls in threads of their own; the threads that others wait for are not used up."""

    def __init__(self, timeout_seconds: float = FILE_TIMEOUT_SECONDS) -> None:
        self._calls = FileCalls(timeout_seconds)

    def run(
        self, folder: Path, call: Callable[[], T], discard: Callable[[T], object] = lambda outcome: None
    ) -> Coroutine[Any, Any, T]:
        """Return what `call()` returns; `discard` gets it if the caller has left meanwhile.

        Raises:
            TimeoutError: the call takes longer than the deadline.
            Exception: what `call` raises.
        """
        loop = asyncio.get_running_loop()

        def work(outcome: asyncio.Future[T | Exception]) -> None:
            try:
                result: T | Exception = call()
            except Exception as error:  # noqa: BLE001 - it is raised where the caller waits
                result = error
            try:
                loop.call_soon_threadsafe(outcome.set_result, result)
            except RuntimeError:  # the event loop has ended
                if not isinstance(result, Exception):
                    discard(result)

        def start(outcome: asyncio.Future[T | Exception]) -> None:
            threading.Thread(target=work, args=(outcome,), name="file access", daemon=True).start()

        return self._calls.run(folder, start, discard)
