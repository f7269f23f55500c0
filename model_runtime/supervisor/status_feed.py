"""Feeds status snapshots to watchers: one at the start, one after every change, and at least one a second."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Iterator

from model_runtime.status import Status

MIN_INTERVAL_SECONDS = 0.25
"""Between two snapshots for one watcher, however much changes."""
MAX_INTERVAL_SECONDS = 1.0
"""Between two snapshots while nothing changes: ages and memory change without an event."""


class StatusFeed:
    """Any number of watchers; each reads at its own pace. Without a watcher `take_snapshot` is never called.

    Watchers that read within `MIN_INTERVAL_SECONDS`, without a change in between, share one snapshot.
    """

    def __init__(self, take_snapshot: Callable[[], Status]) -> None:
        self._take_snapshot = take_snapshot
        self._changed = asyncio.Event()
        self._closed = False
        self._shared: tuple[asyncio.Event, float, Status] | None = None
        self.watcher_count = 0
        """How many tasks are in `watch` or `changed`."""

    def notify(self) -> None:
        """Wake the watchers after a change. What was taken before it is not shared any more."""
        self._shared = None
        if self.watcher_count:
            changed, self._changed = self._changed, asyncio.Event()
            changed.set()

    async def changed(self) -> None:
        """Wait for the next change."""
        with self._watching():
            await self._changed.wait()

    def close(self) -> None:
        """End every `watch` after one more snapshot."""
        self._closed = True
        self.notify()

    async def watch(self) -> AsyncGenerator[Status]:
        """Yield snapshots until `close`."""
        loop = asyncio.get_running_loop()
        with self._watching():
            while not self._closed:
                changed, taken_at = self._changed, loop.time()
                yield self._shared_snapshot(changed, taken_at)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), MAX_INTERVAL_SECONDS)
                if not self._closed:
                    await asyncio.sleep(taken_at + MIN_INTERVAL_SECONDS - loop.time())
            yield self._take_snapshot()

    def _shared_snapshot(self, changed: asyncio.Event, now: float) -> Status:
        if self._shared is None or self._shared[0] is not changed or now - self._shared[1] >= MIN_INTERVAL_SECONDS:
            self._shared = changed, now, self._take_snapshot()
        return self._shared[2]

    @contextlib.contextmanager
    def _watching(self) -> Iterator[None]:
        self.watcher_count += 1
        try:
            yield
        finally:
            self.watcher_count -= 1
