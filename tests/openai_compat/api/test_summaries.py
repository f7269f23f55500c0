"""Summaries of transcripts, also of those that no context holds."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_runtime.errors import ContextExceeded
from model_runtime.events import ChatResult, Event, Finished, Progress, TextDelta
from model_runtime.requests import Chat, Request
from openai_compat.api.summaries import Summariser, part_characters, split_parts
from tests.fakes import FakeService

MEMO = "Buy bread on Monday. Call Anna about the car. " * 400


class SmallContext(FakeService):
    """A runtime whose chats may have so many characters."""

    def __init__(self, characters: int) -> None:
        super().__init__()
        self.characters = characters

    async def run(self, request: Request, **options: Any) -> AsyncGenerator[Event]:
        """Refuse a longer chat."""
        if isinstance(request, Chat) and len(request.raw_text) > self.characters:
            raise ContextExceeded(self.characters, f"have {len(request.raw_text)} characters")
        async with aclosing(super().run(request, **options)) as events:
            async for event in events:
                yield event


def prompts(service: FakeService) -> list[str]:
    """Return what the language model was asked."""
    return [request.raw_text for request in service.requests if isinstance(request, Chat)]


async def summarise(service: FakeService, text: str, *, context_tokens: int = 0, instructions: str = "") -> list[Event]:
    """Return the events of a summary."""
    summariser = Summariser(service, "vlm-starter", context_tokens, "English", instructions)
    async with aclosing(summariser.run(text)) as events:
        return [event async for event in events]


async def test_a_short_memo_is_summarised_at_once_in_its_language_and_as_wished() -> None:
    service = FakeService()

    events = await summarise(service, "Buy bread.", instructions="List what to buy.")

    (prompt,) = prompts(service)
    assert prompt.startswith("Summarise this voice memo in English, ")
    assert prompt.endswith("Keep names, dates and tasks. List what to buy.\n\nThe voice memo:\nBuy bread.")
    assert isinstance(events[-1], Finished)


@pytest.mark.promise("openai:voice-memo-long")
async def test_of_a_long_memo_every_part_is_read_and_progress_is_told() -> None:
    service = FakeService()

    events = await summarise(service, MEMO, context_tokens=2048)

    *notes, summary = prompts(service)
    assert "".join(note.partition("The part:\n")[2] for note in notes) == MEMO
    assert all(len(note.partition("The part:\n")[2]) <= part_characters(2048) for note in notes)
    assert summary.count("A red circle on a white background.") == len(notes)
    assert [event for event in events if isinstance(event, Progress)] == [
        Progress("parts", done, len(notes)) for done in range(len(notes))
    ]


@pytest.mark.promise("openai:voice-memo-long")
async def test_where_a_part_does_not_fit_the_parts_become_smaller_and_no_text_is_told_twice() -> None:
    service = SmallContext(900)

    events = await summarise(service, MEMO, context_tokens=2048)

    assert (
        "".join(event.text for event in events if isinstance(event, TextDelta)) == "A red circle on a white background."
    )
    (finished,) = [event for event in events if isinstance(event, Finished)]
    assert isinstance(finished.result, ChatResult)
    assert max(map(len, prompts(service))) <= 900


async def test_a_context_that_holds_no_part_is_an_error() -> None:
    with pytest.raises(ContextExceeded):
        await summarise(SmallContext(50), MEMO)


async def test_notes_that_are_as_long_as_their_parts_come_to_an_end() -> None:
    service = FakeService()
    service.answer_parts = ("word. " * 1000,)

    await summarise(service, MEMO, context_tokens=2048)

    sizes = [len(prompt) for prompt in prompts(service)]
    assert len(sizes) < 40


@given(st.text("ab. \n。", max_size=2000), st.integers(1, 300))
def test_parts_join_to_the_text(text: str, characters: int) -> None:
    parts = list(split_parts(text, characters))

    assert "".join(parts) == text
    assert all(len(part) <= characters for part in parts)


def test_a_larger_context_has_larger_parts() -> None:
    sizes = [part_characters(tokens) for tokens in (256, 2048, 4096, 131_072)]

    assert all(smaller < larger for smaller, larger in pairwise(sizes))
    assert part_characters(0) == part_characters(4096)
