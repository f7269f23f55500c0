"""Keep a Mac from idle sleep while requests, jobs or downloads run: a picture or a download can take many minutes.

A closed lid, an empty battery and the Sleep command still put it to sleep.
"""

import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass

import anyio
import anyio.to_thread

from model_runtime.background import Sleep

CAFFEINATE = "/usr/bin/caffeinate"
HOLD_AFTER_SECONDS = 5.0
"""Shorter work needs no assertion: idle sleep comes after a minute at the earliest."""
RELEASE_AFTER_SECONDS = 10.0
"""The next request of an agent often comes sooner."""
CHECK_SECONDS = 2.0
EXIT_TIMEOUT_SECONDS = 2.0

log = logging.getLogger(__name__)


@dataclass(slots=True)
class WorkTimer:
    """Decides from readings of whether there is work; pure. Times are in seconds of a monotonic clock."""

    is_held: bool = False
    _is_working: bool = False
    _changed_at: float = 0.0

    def update(self, now: float, *, is_working: bool) -> bool:
        """Return whether the machine should stay awake: work has lasted, or has ended only just now."""
        if is_working is not self._is_working:
            self._is_working, self._changed_at = is_working, now
        if now - self._changed_at >= (HOLD_AFTER_SECONDS if is_working else RELEASE_AFTER_SECONDS):
            self.is_held = is_working
        return self.is_held


class PowerAssertion:
    """The assertion of `caffeinate -i -w PID` (caffeinate(8)), which ends with this process at the latest."""

    def __init__(self, command: str = CAFFEINATE) -> None:
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._has_failed = False

    @property
    def is_held(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def hold(self) -> None:
        """Start the process unless it runs. A failure is logged once: the work goes on without it."""
        if self._has_failed or self.is_held:
            return
        try:
            # close_fds=False lets Python use posix_spawn on macOS: a fork of this process could hang
            self._process = subprocess.Popen(  # noqa: S603 - a fixed path of the system
                [self._command, "-i", "-w", str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                close_fds=False,
            )
        except OSError as error:
            self._has_failed = True
            log.warning("This Mac may sleep during long work: %s cannot be started: %s", self._command, error)

    def release(self) -> None:
        """End the process and wait for its exit."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(EXIT_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


async def stay_awake(
    is_working: Callable[[], bool],
    assertion: PowerAssertion,
    *,
    sleep: Sleep = anyio.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Hold the assertion while there is work that lasts; release it soon after, and when this task ends."""
    timer = WorkTimer()
    try:
        while True:
            is_wanted = timer.update(clock(), is_working=is_working())
            if is_wanted is not assertion.is_held:
                await anyio.to_thread.run_sync(assertion.hold if is_wanted else assertion.release)
            await sleep(CHECK_SECONDS)
    finally:
        assertion.release()


@contextmanager
def awake(*, is_enabled: bool) -> Generator[None]:
    """Keep a Mac awake in the block; do nothing on another system or if it is not enabled."""
    assertion = PowerAssertion()
    if has_idle_sleep(is_enabled=is_enabled):
        assertion.hold()
    try:
        yield
    finally:
        assertion.release()


def has_idle_sleep(*, is_enabled: bool) -> bool:
    """Return whether this is a Mac that should stay awake while it works."""
    return is_enabled and sys.platform == "darwin"
