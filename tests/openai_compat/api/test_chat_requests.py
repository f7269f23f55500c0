"""Several runs as one stream of events."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

import anyio
import anyio.lowlevel
import pytest

from model_runtime.errors import JobFailed
from model_runtime.events import Event, TextDelta
from openai_compat.api.chat_requests import IndexedEvent, merge_runs


class EndlessRun:
    """Yields one event and waits; remembers that it was closed."""

    def __init__(self) -> None:
        self.closed = False

    async def events(self) -> AsyncGenerator[Event]:
        """Yield once, then wait for the end."""
        try:
            yield TextDelta("a")
            await anyio.sleep_forever()
        finally:
            self.closed = True


async def fail(message: str) -> AsyncGenerator[Event]:
    """Yield an event, then fail."""
    yield TextDelta("b")
    raise JobFailed(message)


async def drain(merged: AsyncGenerator[IndexedEvent]) -> None:
    """Read to the end."""
    async for _ in merged:
        pass


@pytest.mark.promise("openai:choices")
async def test_a_run_that_fails_ends_the_others() -> None:
    endless = EndlessRun()

    async with aclosing(merge_runs([endless.events(), fail("It broke."), fail("It broke, too.")])) as merged:
        with pytest.raises(JobFailed, match="broke"):
            await drain(merged)

    assert endless.closed


async def break_down() -> AsyncGenerator[Event]:
    """Have a bug after the first event."""
    yield TextDelta("b")
    raise ZeroDivisionError


async def test_a_bug_in_a_run_reaches_whoever_reads_even_while_that_works_with_an_event() -> None:
    endless = EndlessRun()

    async with aclosing(merge_runs([endless.events(), break_down()])) as merged:
        await anext(merged)
        for _ in range(5):  # the run breaks down meanwhile
            await anyio.lowlevel.checkpoint()
        with pytest.raises(ZeroDivisionError):
            await drain(merged)

    assert endless.closed


@pytest.mark.promise("openai:leaving")
async def test_the_stream_may_be_closed_within_another_cancel_scope() -> None:
    run = EndlessRun()
    merged = merge_runs([run.events()])
    await anext(merged)

    with anyio.move_on_after(5, shield=True):
        await merged.aclose()

    assert run.closed


@pytest.mark.promise("openai:leaving")
async def test_closing_the_stream_closes_every_run() -> None:
    runs = [EndlessRun(), EndlessRun()]

    async with aclosing(merge_runs([run.events() for run in runs])) as merged:
        first = {await anext(merged), await anext(merged)}

    assert first == {(0, TextDelta("a")), (1, TextDelta("a"))}
    assert all(run.closed for run in runs)
