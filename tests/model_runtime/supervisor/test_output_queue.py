"""The outputs of a request until its caller reads them."""

import anyio
import pytest

from model_runtime.errors import Cancelled, WorkerDied
from model_runtime.events import AudioChunk, Event, Loading, Preview, Progress, Queued, TextDelta
from model_runtime.media.types import ImageData
from model_runtime.supervisor.output_queue import EVENT_OVERHEAD_BYTES, MAX_BYTES, OutputQueue, event_bytes


class Reader:
    """A queue, and how often it reported room again."""

    def __init__(self) -> None:
        self.drained_count = 0
        self.queue = OutputQueue(self._count)

    def _count(self) -> None:
        self.drained_count += 1


async def test_events_are_read_in_order_and_then_the_error() -> None:
    queue = Reader().queue
    queue.put(TextDelta("a"))
    queue.put(Progress("steps", 1, 2))
    queue.fail(WorkerDied("m stopped."))
    queue.fail(Cancelled("too late"))

    assert [await queue.get(), await queue.get()] == [TextDelta("a"), Progress("steps", 1, 2)]
    for _ in range(2):
        with pytest.raises(WorkerDied):
            await queue.get()


async def test_a_reader_waits_for_the_next_event() -> None:
    queue = Reader().queue
    read: list[Event] = []

    async def read_one() -> None:
        read.append(await queue.get())

    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            group.start_soon(read_one)
            await anyio.wait_all_tasks_blocked()
            queue.put(TextDelta("a"))

    assert read == [TextDelta("a")]


async def test_a_new_place_or_load_progress_replaces_the_unread_one() -> None:
    queue = Reader().queue
    for event in (Queued(3), Queued(2), Loading("m", "weights", 0.1), Loading("m", "weights", 0.9), TextDelta("a")):
        queue.put(event)

    assert [await queue.get() for _ in range(3)] == [Queued(2), Loading("m", "weights", 0.9), TextDelta("a")]


async def test_a_full_queue_reports_once_when_it_has_room_again() -> None:
    reader = Reader()
    chunk = AudioChunk(bytes(MAX_BYTES // 4), 24_000)
    for _ in range(5):
        reader.queue.put(chunk)
    full = reader.queue.is_full
    for _ in range(5):
        await reader.queue.get()

    assert full
    assert not reader.queue.is_full
    assert reader.drained_count == 1


async def test_cleared_events_are_gone_and_have_no_size() -> None:
    queue = Reader().queue
    queue.put(AudioChunk(bytes(MAX_BYTES), 24_000))
    queue.clear()
    queue.fail(Cancelled("ended"))

    assert not queue.is_full
    with pytest.raises(Cancelled):
        await queue.get()


def test_the_size_of_an_event_is_that_of_its_content() -> None:
    assert event_bytes(AudioChunk(bytes(10), 1)) == EVENT_OVERHEAD_BYTES + 10
    assert event_bytes(Preview(ImageData(1, 2, bytes(6)), 1, 2)) == EVENT_OVERHEAD_BYTES + 6
    assert event_bytes(TextDelta("abc")) == EVENT_OVERHEAD_BYTES + 3
    assert event_bytes(Queued(1)) == EVENT_OVERHEAD_BYTES
