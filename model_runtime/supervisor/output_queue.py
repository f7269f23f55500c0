"""The outputs of one request, in order, until its caller reads them."""

import asyncio
from collections import deque
from collections.abc import Callable

from model_runtime.errors import SensesError
from model_runtime.events import AudioChunk, Event, Loading, Preview, Queued, ReasoningDelta, TextDelta, ToolCallDelta

MAX_BYTES = 1 << 20
"""1 MiB, twenty seconds of speech: only a caller that has stopped reading pauses its worker."""

EVENT_OVERHEAD_BYTES = 64
"""Rough size of an event's Python objects without its content."""


class OutputQueue:
    """Queue of events for one consumer, optionally ended by an error.

    A new `Queued` or `Loading` event replaces an unread one of the same kind at the end of the queue.
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
        """Whether `MAX_BYTES` or more are unread."""
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
        """End with an error, after the unread events; a second error is ignored."""
        self._error = self._error or error
        self._arrived.set()

    def close(self) -> None:
        """Drop everything, including the references to the request and to the frames of an error.

        Request and queue refer to each other: without this the request's recording or image would stay in memory until
        the next full garbage collection.
        """
        self.clear()
        self._error = None
        self._drained = lambda: None

    def clear(self) -> None:
        """Drop the unread events."""
        self._events.clear()
        self._bytes = 0

    async def get(self) -> Event:
        """Wait for the next event and return it.

        Raises:
            SensesError: the request ended with this error and every event before it was read.
        """
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


def event_bytes(event: Event) -> int:
    """Return roughly how many bytes of memory an event takes."""
    match event:
        case AudioChunk(pcm=pcm):
            return EVENT_OVERHEAD_BYTES + len(pcm)
        case Preview(image=image):
            return EVENT_OVERHEAD_BYTES + len(image.rgb)
        case TextDelta(text=text) | ReasoningDelta(text=text) | ToolCallDelta(arguments=text):
            return EVENT_OVERHEAD_BYTES + len(text)
        case _:
            return EVENT_OVERHEAD_BYTES
