"""A sound output that plays nothing and remembers when which samples arrived."""

import time
from collections.abc import AsyncIterable
from dataclasses import dataclass, field

import anyio

from mcp_server.calls.sound_output import SoundFailed


@dataclass(eq=False, slots=True)
class FakeSound:
    """One sound at a time. `gate`, if there is one, holds back the end of each; `problem` or `error` fails each at once."""

    gate: anyio.Event | None = None
    problem: str = ""
    error: Exception | None = None
    heard: list[bytes] = field(default_factory=list)
    """The samples of each sound."""
    first_sample_at: list[float] = field(default_factory=list)
    """When each sound began, in seconds of `time.perf_counter`."""
    sample_rates: list[int] = field(default_factory=list)
    endings: list[str] = field(default_factory=list)
    """"heard" or "silenced" for each sound that has ended."""
    began: anyio.Event = field(default_factory=anyio.Event)
    ended: anyio.Event = field(default_factory=anyio.Event)
    playing_count: int = 0

    async def __call__(self, sample_rate: int, chunks: AsyncIterable[bytes]) -> None:
        """Remember the samples as they arrive."""
        if self.problem:
            raise SoundFailed(self.problem)
        if self.error:
            raise self.error
        self.playing_count += 1
        assert self.playing_count == 1, "two at a time"
        self.sample_rates.append(sample_rate)
        self.heard.append(b"")
        try:
            await self._listen(chunks)
            self.endings.append("heard")
        except anyio.get_cancelled_exc_class():
            self.endings.append("silenced")
            raise
        finally:
            self.playing_count -= 1
            self.ended.set()

    async def _listen(self, chunks: AsyncIterable[bytes]) -> None:
        async for pcm in chunks:
            if not self.heard[-1]:
                self.first_sample_at.append(time.perf_counter())
                self.began.set()
            self.heard[-1] += pcm
        if self.gate is not None:
            await self.gate.wait()
