"""What waits for a caller to read it."""

import anyio
import pytest

from model_runtime.errors import Cancelled, WorkerDied
from model_runtime.events import AudioChunk, Event, Loading, Preview, Progress, Queued, TextDelta
from model_runtime.media.types import Picture
from model_runtime.supervisor.output_queue import EVENT_BYTES, FULL_BYTES, Mailbox, weigh


class Reader:
    """A mailbox and how often it told that it has room again."""

    def __init__(self) -> None:
        self.emptied = 0
        self.mailbox = Mailbox(self._count)

    def _count(self) -> None:
        self.emptied += 1


async def test_events_are_read_in_order_and_then_the_error() -> None:
    mailbox = Reader().mailbox
    mailbox.put(TextDelta("a"))
    mailbox.put(Progress("steps", 1, 2))
    mailbox.fail(WorkerDied("m stopped in the middle."))
    mailbox.fail(Cancelled("too late"))

    assert [await mailbox.take(), await mailbox.take()] == [TextDelta("a"), Progress("steps", 1, 2)]
    for _ in range(2):
        with pytest.raises(WorkerDied):
            await mailbox.take()


async def test_a_reader_waits_for_what_comes_later() -> None:
    mailbox = Reader().mailbox
    read: list[Event] = []

    async def take() -> None:
        read.append(await mailbox.take())

    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            group.start_soon(take)
            await anyio.wait_all_tasks_blocked()
            mailbox.put(TextDelta("a"))

    assert read == [TextDelta("a")]


async def test_news_of_waiting_replaces_older_news_that_nobody_read() -> None:
    mailbox = Reader().mailbox
    for event in (Queued(3), Queued(2), Loading("m", "weights", 0.1), Loading("m", "weights", 0.9), TextDelta("a")):
        mailbox.put(event)

    assert [await mailbox.take() for _ in range(3)] == [Queued(2), Loading("m", "weights", 0.9), TextDelta("a")]


async def test_a_full_mailbox_tells_once_when_it_has_room_again() -> None:
    reader = Reader()
    chunk = AudioChunk(bytes(FULL_BYTES // 4), 24_000)
    for _ in range(5):
        reader.mailbox.put(chunk)
    full = reader.mailbox.is_full
    for _ in range(5):
        await reader.mailbox.take()

    assert full
    assert not reader.mailbox.is_full
    assert reader.emptied == 1


async def test_dropped_events_are_gone_and_weigh_nothing() -> None:
    mailbox = Reader().mailbox
    mailbox.put(AudioChunk(bytes(FULL_BYTES), 24_000))
    mailbox.drop()
    mailbox.fail(Cancelled("given up"))

    assert not mailbox.is_full
    with pytest.raises(Cancelled):
        await mailbox.take()


def test_events_weigh_what_they_carry() -> None:
    assert weigh(AudioChunk(bytes(10), 1)) == EVENT_BYTES + 10
    assert weigh(Preview(Picture(1, 2, bytes(6)), 1, 2)) == EVENT_BYTES + 6
    assert weigh(TextDelta("abc")) == EVENT_BYTES + 3
    assert weigh(Queued(1)) == EVENT_BYTES
