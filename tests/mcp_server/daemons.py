"""A daemon in the test's own process, over the fake runtime."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio

from mcp_server.daemon.daemon import Daemon, ServiceFactory
from mcp_server.daemon.lock import DaemonInfo
from mcp_server.launcher.paths import InstancePaths
from model_runtime.settings import Settings
from tests.mcp_server.fake_daemon import ClosableFakeService


@asynccontextmanager
async def running_daemon(
    settings: Settings,
    paths: InstancePaths,
    service: ClosableFakeService | None = None,
    *,
    timeout_seconds: float = 30,
    **options: Any,
) -> AsyncGenerator[DaemonInfo]:
    """Run a daemon for the length of the block; one that has stopped by itself is fine."""
    ready: list[DaemonInfo] = []
    started = anyio.Event()

    def on_ready(info: DaemonInfo) -> None:
        ready.append(info)
        started.set()

    daemon = Daemon(settings, paths, on_ready=on_ready, **{"auto": True, **options})
    with anyio.fail_after(timeout_seconds):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(daemon.serve, service_opener(service or ClosableFakeService()))
            await started.wait()
            try:
                yield ready[0]
            finally:
                daemon.stop()


def service_opener(service: ClosableFakeService) -> ServiceFactory:
    @asynccontextmanager
    async def open_service(settings: Settings) -> AsyncGenerator[ClosableFakeService]:
        yield service

    return open_service
