"""A daemon in the test's own process, over the fake runtime."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio

from mcp_server.daemon.daemon import Daemon, OpenService
from mcp_server.daemon.lock import Facts
from mcp_server.launcher.paths import Places
from model_runtime.settings import Settings
from tests.mcp_server.fake_daemon import ClosableFake


@asynccontextmanager
async def running(
    settings: Settings,
    places: Places,
    service: ClosableFake | None = None,
    *,
    patience_seconds: float = 30,
    **options: Any,
) -> AsyncGenerator[Facts]:
    """A daemon that is told to leave at the end of the block, where it has not left by itself."""
    ready: list[Facts] = []
    started = anyio.Event()

    def on_ready(facts: Facts) -> None:
        ready.append(facts)
        started.set()

    daemon = Daemon(settings, places, on_ready=on_ready, **{"auto": True, **options})
    with anyio.fail_after(patience_seconds):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(daemon.live, opening(service or ClosableFake()))
            await started.wait()
            try:
                yield ready[0]
            finally:
                daemon.leave()


def opening(service: ClosableFake) -> OpenService:
    @asynccontextmanager
    async def open_service(settings: Settings) -> AsyncGenerator[ClosableFake]:
        yield service

    return open_service
