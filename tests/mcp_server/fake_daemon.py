"""The real daemon over the fake runtime, as a process: `python -m tests.mcp_server.fake_daemon --ready-fd 3`."""

import os
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from mcp_server import daemon
from model_runtime.settings import Settings
from tests.fakes import FakeService


class ClosableFake(FakeService):
    """The fake runtime with an end; a text that says "wait" is spoken only once the daemon stops."""

    async def close(self, grace_seconds: float) -> None:
        """Nothing is left to end."""


@asynccontextmanager
async def open_fake(settings: Settings) -> AsyncGenerator[daemon.ClosableService]:
    """The fake runtime; the file `starts` counts daemons, `slow` and `broken` in the instance's folder shape the start."""
    home = settings.folders.data
    if (home / "broken").exists():
        raise RuntimeError("the fake runtime is broken")
    with (home / "starts").open("a") as starts:
        starts.write(f"{os.getpid()} {time.monotonic()}\n")
    if (home / "gated").exists():
        yield ClosableFake(gate=anyio.Event())
    else:
        yield ClosableFake()


def home_of(environ: dict[str, str]) -> Path:
    """The instance's folder."""
    return Path(environ["SENSES_HOME"])


if __name__ == "__main__":
    daemon.main(open_fake)
