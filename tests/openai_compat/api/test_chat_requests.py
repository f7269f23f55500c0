"""Several runs as one stream of events."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

import anyio
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


@pytest.mark.promise("openai:leaving")
async def test_closing_the_stream_closes_every_run() -> None:
    runs = [EndlessRun(), EndlessRun()]

    async with aclosing(merge_runs([run.events() for run in runs])) as merged:
        first = {await anext(merged), await anext(merged)}

    assert first == {(0, TextDelta("a")), (1, TextDelta("a"))}
    assert all(run.closed for run in runs)
