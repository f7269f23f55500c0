"""A text that is spoken while it is written: in which pieces, and what becomes of both when one fails or is left."""

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_runtime.errors import InvalidInput, JobFailed
from model_runtime.events import AudioChunk, Event, TextDelta
from model_runtime.requests import Chat, Message, Speak, Task
from openai_compat.api.chat_requests import IndexedEvent
from openai_compat.api.spoken_text import SPOKEN, WRITTEN, Narration, Narrator, SentenceQueue, next_piece
from tests.fakes import FakeService

CHAT = Chat("", (Message("user", ("hi",)),))
SECOND = 24_000


@pytest.mark.parametrize(
    ("text", "piece"),
    [
        ("The door is open. Come", "The door is open. "),
        ("The door is open.", ""),  # a number could follow: 3.14
        ("Version 3.14 is the newest of all. So", "Version 3.14 is the newest of all. "),
        ("Ask Dr. Smith about it. Or", "Ask Dr. Smith about it. "),
        ("No. It is", ""),
        ("No. It is not at all. So", "No. It is not at all. "),
        ("Three things to do today:\n1. Bread", "Three things to do today:\n"),
        ("안녕하세요. 오늘은 날씨가 아주 좋네요. 그", "안녕하세요. 오늘은 날씨가 아주 좋네요. "),
        ("今日はとても良い天気ですね。散歩に行きましょう。そ", "今日はとても良い天気ですね。散歩に行きましょう。"),
        ("Run this in a shell:\n```\nls. Then\nmore. And", "Run this in a shell:\n"),
        ("Run ```\nls. Then\n``` and then look. So", "Run   and then look. "),
    ],
)
def test_whole_sentences_are_spoken_and_code_is_not(text: str, piece: str) -> None:
    assert next_piece(text, is_complete=False)[0] == piece


@pytest.mark.parametrize(
    ("text", "piece"),
    [("No.", "No."), ("The end", "The end"), ("Run ```ls", "Run "), ("It is so. The end", "It is so. "), ("", "")],
)
def test_at_the_end_everything_is_spoken(text: str, piece: str) -> None:
    assert next_piece(text, is_complete=True)[0] == piece


def test_a_text_without_an_end_is_cut_at_a_space() -> None:
    piece, rest = next_piece("word " * 400, is_complete=False)

    assert (len(piece), piece[-1], piece + rest) == (1000, " ", "word " * 400)


async def take_all(queue: SentenceQueue) -> list[str]:
    """Take pieces until there are none."""
    pieces = []
    while piece := await queue.take():
        pieces.append(piece)
    return pieces


@given(
    st.lists(
        st.sampled_from(["A dog. ", "b", "\n", "3.5 ", "```", "ls; ", "좋아요。", "*** ", "Dr. ", '"Go!" ']),
        max_size=30,
    )
)
async def test_in_whatever_pieces_a_text_comes_every_word_of_its_prose_is_spoken_once(parts: list[str]) -> None:
    queue = SentenceQueue()

    async with anyio.create_task_group() as tasks:
        taken: list[str] = []

        async def take() -> None:
            taken.extend(await take_all(queue))

        tasks.start_soon(take)
        for part in parts:
            queue.write(part)
            await anyio.lowlevel.checkpoint()
        queue.complete()

    prose = re.sub(r"```.*?(```|\Z)", " ", "".join(parts), flags=re.DOTALL)
    assert re.findall(r"\w+", "".join(taken)) == re.findall(r"\w+", prose)


async def collect(events: AsyncGenerator[IndexedEvent]) -> list[IndexedEvent]:
    """Return all events of a run."""
    async with aclosing(events):
        return [indexed async for indexed in events]


async def narrate(service: FakeService, texts: tuple[str, ...]) -> list[IndexedEvent]:
    """Return what comes of a chat that writes these texts."""
    service.answer_parts = texts
    return await collect(Narrator(service, Speak("", ""), "me", 5.0).narrate(service.run(CHAT)))


@pytest.mark.promise("openai:spoken-chats")
async def test_each_piece_is_spoken_in_the_same_way_with_a_pause_between() -> None:
    service = FakeService()

    events = await narrate(service, ("Here is the first one. ", "And here ", "is the second."))

    spoken = [request for request in service.requests if isinstance(request, Speak)]
    chunks = [event.pcm for index, event in events if index == SPOKEN and isinstance(event, AudioChunk)]
    assert [request.text for request in spoken] == ["Here is the first one. ", "And here is the second."]
    assert service.clients[1:] == ["me", "me"]
    assert service.keep_alives[1:] == [5.0, 5.0]
    assert chunks[3] == bytes(2 * round(0.12 * SECOND))
    assert len(b"".join(chunks)) == 2 * round((0.3 + 0.12 + 0.3) * SECOND)


async def test_a_piece_of_markup_alone_is_passed_over() -> None:
    service = FakeService()
    service.task_errors[Task.SPEECH] = InvalidInput("Nothing to speak.", param="text", code="empty_text")

    events = await narrate(service, ("![picture](a.png)",))

    assert all(index == WRITTEN for index, _ in events)


async def test_speech_that_fails_ends_the_chat() -> None:
    service, gate = FakeService(), anyio.Event()
    service.task_errors[Task.SPEECH] = JobFailed("The voice broke.")
    closed = anyio.Event()

    async def endless() -> AsyncGenerator[Event]:
        try:
            yield TextDelta("Here is the first one. ")
            await gate.wait()
        finally:
            closed.set()

    narrated = Narrator(service, Speak("", "")).narrate(endless())
    with pytest.raises(JobFailed, match="The voice broke"):
        await collect(narrated)

    assert closed.is_set()


def test_two_sample_rates_in_one_recording_are_an_error() -> None:
    narration = Narration()
    narration.add(AudioChunk(b"", 24_000))

    with pytest.raises(JobFailed, match="at 16000 Hz and the rest at 24000"):
        narration.add(AudioChunk(b"", 16_000))
