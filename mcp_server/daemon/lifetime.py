"""When the daemon ends: on a signal, for a newer version, or when nobody has used it for a while."""

import logging
import os
import signal
import time
from collections.abc import Callable

import anyio

from mcp_server.launcher.paths import VERSION
from mcp_server.server import SensesServer
from model_runtime.status import ModelState

logger = logging.getLogger(__name__)

IDLE_EXIT_SECONDS = 1800.0
IDLE_CHECK_SECONDS = 15.0
DRAIN_CHECK_SECONDS = 0.25
"""How often a daemon that a newer client waits for looks whether its work is done."""


class Lifetime:
    """Decides when a daemon stops. One that a person has started (`auto` false) only stops on a signal."""

    def __init__(self, *, auto: bool, idle_exit_seconds: float = IDLE_EXIT_SECONDS) -> None:
        self.stop_requested = anyio.Event()
        self._auto = auto
        self._idle_exit_seconds = idle_exit_seconds
        self._newer_waits = anyio.Event()

    async def listen_for_signals(self) -> None:
        """Stop on a signal; exit at once on a second one."""
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
            async for number in signals:
                if self.stop_requested.is_set():
                    os._exit(128 + number)
                logger.info("Stopping on %s; a second signal stops at once", number.name)
                self.stop_requested.set()

    def yield_to(self, version: str, server: SensesServer) -> bool:
        """Stop for a newer client, so that it starts the newer daemon; shims of other clients then connect to that one.

        A daemon that works serves that client itself, and stops when the work is done.
        """
        if not self._auto or not is_newer(version, VERSION):
            return False
        self._newer_waits.set()
        if is_working(server):
            return False
        logger.info("Shutting down so that Senses %s can take over", version)
        self.stop_requested.set()
        return True

    async def stop_for_newer(self, server: SensesServer) -> None:
        """Wait for a newer client, then stop as soon as the work is done."""
        await self._newer_waits.wait()
        while is_working(server):  # noqa: ASYNC110 - no event says that both jobs and requests have ended
            await anyio.sleep(DRAIN_CHECK_SECONDS)
        self.stop_requested.set()

    async def stop_when_idle(self, server: SensesServer, count_connections: Callable[[], int]) -> None:
        """Stop after a while without connections, work and loaded models."""
        idle_since = time.monotonic()
        while time.monotonic() - idle_since < self._idle_exit_seconds:
            await anyio.sleep(min(IDLE_CHECK_SECONDS, self._idle_exit_seconds / 4))
            if count_connections() or is_busy(server):
                idle_since = time.monotonic()
        logger.info("Idle for %.0f s; exiting", self._idle_exit_seconds)
        self.stop_requested.set()


def is_working(server: SensesServer) -> bool:
    """Return whether a job or a request runs or waits, a model is downloaded, or a text is read aloud."""
    app = server.app_context
    is_serving = app.jobs.running_count > 0 or app.service.open_request_count > 0
    return is_serving or app.player.is_playing or app.download.running_count > 0


def is_busy(server: SensesServer) -> bool:
    """Return whether a job runs, a request waits or a model is in memory."""
    models = server.app_context.service.status().models
    return is_working(server) or any(model.state not in (ModelState.ABSENT, ModelState.BACKOFF) for model in models)


def is_newer(version: str, other: str) -> bool:
    """Return whether a version such as "1.2.0" is newer than `other`; false if either has another form."""
    try:
        return tuple(map(int, version.split("."))) > tuple(map(int, other.split(".")))
    except ValueError:
        return False
