"""The outputs of one request, in order, until its caller reads them."""

import asyncio
from collections import deque
from collections.abc import Callable

from model_runtime.errors import SensesError
from model_runtime.events import AudioChunk, Event, Loading, Preview, Queued, TextDelta

MAX_BYTES = 1 << 20
"""1 MiB, twenty seconds of speech: only a caller that has stopped reading pauses its worker."""

EVENT_OVERHEAD_BYTES = 64


class OutputQueue:
    """Queue of events for one consumer, optionally ended by an error.

    A new `Queued` or `Loading` event replaces the previous one that was not read yet.
    """

    def __init__(self, drained: Callable[[], None]) -> None:
        """`drained` is called when a full queue has room again."""
        self._events: deque[tuple[Event, int]] = deque()
        """Each event with its size in bytes."""
        self._bytes = 0
        self._error: SensesError | None = None
        self._arrived = asyncio.Event()
        self._drained = drained

    @property
    def is_full(self) -> bool:
        """Whether `MAX_BYTES` or more wait for the consumer."""
        return self._bytes >= MAX_BYTES

    def put(self, event: Event) -> bool:
        """Add an event and return whether the queue is full now."""
        if self._events and isinstance(event, Queued | Loading) and type(self._events[-1][0]) is type(event):
            self._bytes -= self._events.pop()[1]
        size_bytes = event_bytes(event)
        self._events.append((event, size_bytes))
        self._bytes += size_bytes
        self._arrived.set()
        return self._bytes >= MAX_BYTES

    def fail(self, error: SensesError) -> None:
        """End with an error, after the events that are there."""
        self._error = self._error or error
        self._arrived.set()

    def close(self) -> None:
        """Drop everything, including the references to the request and to an error's frames.

        They refer to each other: without this the call's recording or picture would stay in memory until the next full
        garbage collection.
        """
        self.clear()
        self._error = None
        self._drained = _ignore

    def clear(self) -> None:
        """Drop the events that were not read."""
        self._events.clear()
        self._bytes = 0

    async def get(self) -> Event:
        """Return the next event, or raise the error that ended the request."""
        while not self._events:
            if self._error is not None:
                raise self._error
            self._arrived.clear()
            await self._arrived.wait()
        was_full = self._bytes >= MAX_BYTES
        event, size_bytes = self._events.popleft()
        self._bytes -= size_bytes
        if was_full and self._bytes < MAX_BYTES:
            self._drained()
        return event


def _ignore() -> None:
    """Do nothing: the consumer of the queue is gone."""


def event_bytes(event: Event) -> int:
    """Estimate the memory of an event in bytes."""
    match event:
        case AudioChunk(pcm=pcm):
            return EVENT_OVERHEAD_BYTES + len(pcm)
        case Preview(image=image):
            return EVENT_OVERHEAD_BYTES + len(image.rgb)
        case TextDelta(text=text):
            return EVENT_OVERHEAD_BYTES + len(text)
        case _:
            return EVENT_OVERHEAD_BYTES
