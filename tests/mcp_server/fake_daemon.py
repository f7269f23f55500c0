"""The real daemon over the fake runtime, as a process: `python -m tests.mcp_server.fake_daemon --ready-fd 3`."""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio

from mcp_server.daemon.daemon import main
from model_runtime.service import Service
from model_runtime.settings import Settings
from tests.fakes import FakeService


class ClosableFakeService(FakeService):
    """The fake runtime with `close`, which never returns if `hangs_on_close`."""

    hangs_on_close = False

    async def close(self, grace_seconds: float) -> None:
        """Return at once, or never."""
        if self.hangs_on_close:
            await anyio.sleep_forever()


@asynccontextmanager
async def open_fake_service(settings: Settings) -> AsyncGenerator[Service]:
    """Yield the fake runtime and add a line to `starts` in the instance's folder.

    The files `broken`, `gated` and `hanging` in that folder make it fail to start, hold all work back, and never close.
    """
    folder = settings.folders.data
    if (folder / "broken").exists():
        raise RuntimeError("the fake runtime is broken")
    with (folder / "starts").open("a") as start_log:
        start_log.write(f"{os.getpid()}\n")
    service = ClosableFakeService(gate=anyio.Event() if (folder / "gated").exists() else None)
    service.hangs_on_close = (folder / "hanging").exists()
    yield service


if __name__ == "__main__":
    main(open_fake_service)
