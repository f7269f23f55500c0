"""What waits for a caller to read it."""

import anyio
import pytest

from model_runtime.errors import Cancelled, WorkerDied
from model_runtime.events import AudioChunk, Event, Loading, Preview, Progress, Queued, TextDelta
from model_runtime.media.types import ImageData
from model_runtime.supervisor.output_queue import EVENT_OVERHEAD_BYTES, MAX_BYTES, OutputQueue, event_bytes


class Reader:
    """A queue and how often it told that it has room again."""

    def __init__(self) -> None:
        self.emptied = 0
        self.queue = OutputQueue(self._count)

    def _count(self) -> None:
        self.emptied += 1


async def test_events_are_read_in_order_and_then_the_error() -> None:
    queue = Reader().queue
    queue.put(TextDelta("a"))
    queue.put(Progress("steps", 1, 2))
    queue.fail(WorkerDied("m stopped in the middle."))
    queue.fail(Cancelled("too late"))

    assert [await queue.get(), await queue.get()] == [TextDelta("a"), Progress("steps", 1, 2)]
    for _ in range(2):
        with pytest.raises(WorkerDied):
            await queue.get()


async def test_a_reader_waits_for_what_comes_later() -> None:
    queue = Reader().queue
    read: list[Event] = []

    async def take() -> None:
        read.append(await queue.get())

    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            group.start_soon(take)
            await anyio.wait_all_tasks_blocked()
            queue.put(TextDelta("a"))

    assert read == [TextDelta("a")]


async def test_news_of_waiting_replaces_older_news_that_nobody_read() -> None:
    queue = Reader().queue
    for event in (Queued(3), Queued(2), Loading("m", "weights", 0.1), Loading("m", "weights", 0.9), TextDelta("a")):
        queue.put(event)

    assert [await queue.get() for _ in range(3)] == [Queued(2), Loading("m", "weights", 0.9), TextDelta("a")]


async def test_a_full_mailbox_tells_once_when_it_has_room_again() -> None:
    reader = Reader()
    chunk = AudioChunk(bytes(MAX_BYTES // 4), 24_000)
    for _ in range(5):
        reader.queue.put(chunk)
    full = reader.queue.is_full
    for _ in range(5):
        await reader.queue.get()

    assert full
    assert not reader.queue.is_full
    assert reader.emptied == 1


async def test_dropped_events_are_gone_and_weigh_nothing() -> None:
    queue = Reader().queue
    queue.put(AudioChunk(bytes(MAX_BYTES), 24_000))
    queue.clear()
    queue.fail(Cancelled("given up"))

    assert not queue.is_full
    with pytest.raises(Cancelled):
        await queue.get()


def test_events_weigh_what_they_carry() -> None:
    assert event_bytes(AudioChunk(bytes(10), 1)) == EVENT_OVERHEAD_BYTES + 10
    assert event_bytes(Preview(ImageData(1, 2, bytes(6)), 1, 2)) == EVENT_OVERHEAD_BYTES + 6
    assert event_bytes(TextDelta("abc")) == EVENT_OVERHEAD_BYTES + 3
    assert event_bytes(Queued(1)) == EVENT_OVERHEAD_BYTES
