"""Snapshots for whoever watches: one now, one soon after every change, one each second at least."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from model_runtime.status import Status

MIN_INTERVAL_SECONDS = 0.25
MAX_INTERVAL_SECONDS = 1.0


class StatusFeed:
    """Any number of watchers, each at its own pace."""

    def __init__(self, take: Callable[[], Status]) -> None:
        self._take = take
        self._changed = asyncio.Event()
        self._closed = False

    def notify(self) -> None:
        """Something changed."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def changed(self) -> None:
        """Wait for the next change."""
        await self._changed.wait()

    def close(self) -> None:
        """Let every watcher end after one more snapshot."""
        self._closed = True
        self.notify()

    async def watch(self) -> AsyncIterator[Status]:
        """Yield snapshots until the feed is closed."""
        loop = asyncio.get_running_loop()
        while not self._closed:
            changed, taken_at = self._changed, loop.time()
            yield self._take()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), MAX_INTERVAL_SECONDS)
            if not self._closed:
                await asyncio.sleep(taken_at + MIN_INTERVAL_SECONDS - loop.time())
        yield self._take()
