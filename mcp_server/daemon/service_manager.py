"""What the daemon tells the program that started it: systemd over NOTIFY_SOCKET (sd_notify(3)), launchd by its exit.

launchd asks no process whether it works, so on macOS a thread ends a daemon whose event loop no longer runs; with
`KeepAlive` launchd then starts another.
"""

import logging
import os
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress

import anyio

logger = logging.getLogger(__name__)

BEAT_SECONDS = 1.0
STUCK_CHECK_SECONDS = 5.0
MAX_MISSED_CHECKS = 12
"""Checks in a row without a beat, so a minute. Checks are counted, not seconds: a machine that slept has missed none."""
EXIT_STUCK = 70
"""EX_SOFTWARE of sysexits(3)."""


def notify(state: str, environ: Mapping[str, str]) -> None:
    """Send a state such as "READY=1" to systemd; do nothing if systemd did not start this process."""
    address = environ.get("NOTIFY_SOCKET", "")
    if address.startswith(("/", "@")):
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.sendto(state.encode(), address.replace("@", "\0", 1) if address[0] == "@" else address)


def watchdog_seconds(environ: Mapping[str, str], pid: int) -> float | None:
    """Return how often systemd wants to hear from this process, or None if it does not."""
    microseconds = environ.get("WATCHDOG_USEC", "")
    is_meant = environ.get("WATCHDOG_PID", str(pid)) == str(pid)
    return int(microseconds) / 1e6 if is_meant and microseconds.isdecimal() and int(microseconds) else None


async def ping_watchdog(environ: Mapping[str, str]) -> None:
    """Send WATCHDOG=1 from the event loop twice in each interval; return if systemd does not ask for it."""
    seconds = watchdog_seconds(environ, os.getpid())
    while seconds is not None:
        notify("WATCHDOG=1", environ)
        await anyio.sleep(seconds / 2)


class StuckCheck:
    """Decides from beats of the event loop whether it still runs."""

    def __init__(self) -> None:
        self._beats = self._seen_beats = 0
        self._missed = 0

    def beat(self) -> None:
        """Record that the event loop runs."""
        self._beats += 1

    def is_stuck(self) -> bool:
        """Return whether `MAX_MISSED_CHECKS` calls in a row have seen no new beat."""
        self._missed = self._missed + 1 if self._beats == self._seen_beats else 0
        self._seen_beats = self._beats
        return self._missed >= MAX_MISSED_CHECKS


async def exit_when_stuck(exit_process: Callable[[int], object] = os._exit) -> None:
    """On macOS beat for a thread that ends the process with `EXIT_STUCK` once the beats stop; elsewhere return."""
    if sys.platform != "darwin":
        return
    check, stopped = StuckCheck(), threading.Event()
    threading.Thread(target=_watch, args=(check, stopped, exit_process), name="stuck check", daemon=True).start()
    try:
        while True:
            check.beat()
            await anyio.sleep(BEAT_SECONDS)
    finally:
        stopped.set()


def _watch(check: StuckCheck, stopped: threading.Event, exit_process: Callable[[int], object]) -> None:
    while not stopped.wait(STUCK_CHECK_SECONDS):
        if check.is_stuck():
            logger.critical("The event loop has not run for a minute; exiting, so that launchd starts Senses again")
            exit_process(EXIT_STUCK)
            return
