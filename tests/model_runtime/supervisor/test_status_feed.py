"""Watchers of the status share snapshots, so that hundreds of them cost as much as one."""

from contextlib import aclosing
from typing import Any, cast

import pytest

from model_runtime.status import Status
from model_runtime.supervisor.status_feed import StatusFeed


class Snapshots:
    """Counts the snapshots that are taken; each is another object."""

    def __init__(self) -> None:
        self.count = 0

    def take(self) -> Status:
        """Take the next one."""
        self.count += 1
        return cast("Status", object())


@pytest.mark.promise("reliability:shared-status")
async def test_watchers_at_the_same_time_share_a_snapshot() -> None:
    snapshots = Snapshots()
    feed = StatusFeed(snapshots.take)

    seen: list[Any] = []
    for _ in range(100):
        async with aclosing(feed.watch()) as statuses:
            seen.append(await anext(statuses))

    assert snapshots.count < 10
    assert len(set(map(id, seen))) == snapshots.count


@pytest.mark.promise("reliability:shared-status")
async def test_after_a_change_a_new_snapshot_is_taken() -> None:
    snapshots = Snapshots()
    feed = StatusFeed(snapshots.take)

    async with aclosing(feed.watch()) as first, aclosing(feed.watch()) as second:
        before = await anext(first)
        feed.notify()
        after = await anext(second)

    assert before is not after


@pytest.mark.promise("reliability:shared-status")
async def test_a_change_without_a_watcher_is_in_the_next_snapshot() -> None:
    snapshots = Snapshots()
    feed = StatusFeed(snapshots.take)
    async with aclosing(feed.watch()) as first:
        before = await anext(first)

    feed.notify()

    async with aclosing(feed.watch()) as second:
        assert await anext(second) is not before


def test_without_a_watcher_no_snapshot_is_taken() -> None:
    snapshots = Snapshots()
    feed = StatusFeed(snapshots.take)

    for _ in range(3):
        feed.notify()

    assert snapshots.count == 0
