"""Status snapshots for watchers: one now, one soon after every change, and at least one a second."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Iterator

from model_runtime.status import Status

MIN_INTERVAL_SECONDS = 0.25
MAX_INTERVAL_SECONDS = 1.0


class StatusFeed:
    """Any number of watchers, each at its own pace. Without a watcher no snapshot is taken."""

    def __init__(self, take: Callable[[], Status]) -> None:
        self._take = take
        self._changed = asyncio.Event()
        self._closed = False
        self.watcher_count = 0
        """How many tasks wait for changes."""

    def notify(self) -> None:
        """Wake the watchers: something changed."""
        if self.watcher_count:
            changed, self._changed = self._changed, asyncio.Event()
            changed.set()

    async def changed(self) -> None:
        """Wait for the next change."""
        with self._watching():
            await self._changed.wait()

    def close(self) -> None:
        """Let every watcher end after one more snapshot."""
        self._closed = True
        self.notify()

    async def watch(self) -> AsyncGenerator[Status]:
        """Yield snapshots until the feed is closed."""
        loop = asyncio.get_running_loop()
        with self._watching():
            while not self._closed:
                changed, taken_at = self._changed, loop.time()
                yield self._take()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), MAX_INTERVAL_SECONDS)
                if not self._closed:
                    await asyncio.sleep(taken_at + MIN_INTERVAL_SECONDS - loop.time())
            yield self._take()

    @contextlib.contextmanager
    def _watching(self) -> Iterator[None]:
        self.watcher_count += 1
        try:
            yield
        finally:
            self.watcher_count -= 1
