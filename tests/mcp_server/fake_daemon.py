"""The real daemon over the fake runtime, as a process: `python -m tests.mcp_server.fake_daemon --ready-fd 3`."""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio

from mcp_server.daemon.daemon import ClosableService, main
from model_runtime.settings import Settings
from tests.fakes import FakeService


class ClosableFake(FakeService):
    """The fake runtime with an end, which may never come."""

    hanging = False

    async def close(self, grace_seconds: float) -> None:
        """Nothing is left to end."""
        if self.hanging:
            await anyio.sleep_forever()


@asynccontextmanager
async def open_fake(settings: Settings) -> AsyncGenerator[ClosableService]:
    """The fake runtime. `starts` in the instance's folder gets a line a daemon; the files `broken`, `gated` and
    `hanging` there make it fail to start, hold all work back, and never end."""
    home = settings.folders.data
    if (home / "broken").exists():
        raise RuntimeError("the fake runtime is broken")
    with (home / "starts").open("a") as starts:
        starts.write(f"{os.getpid()}\n")
    service = ClosableFake(gate=anyio.Event() if (home / "gated").exists() else None)
    service.hanging = (home / "hanging").exists()
    yield service


if __name__ == "__main__":
    main(open_fake)
