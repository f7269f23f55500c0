"""What happened to a request, waiting for its caller to read it."""

import asyncio
from collections import deque
from collections.abc import Callable

from model_runtime.errors import SensesError
from model_runtime.events import AudioChunk, Event, Loading, Preview, Queued, TextDelta

MAX_BYTES = 1 << 20
"""1 MiB is twenty seconds of speech: a worker is held back only by callers that stopped reading."""

EVENT_OVERHEAD_BYTES = 64


class OutputQueue:
    """Events in order for one reader, then perhaps an error. News of waiting replaces older news of waiting."""

    def __init__(self, drained: Callable[[], None]) -> None:
        self._events: deque[Event] = deque()
        self._bytes = 0
        self._error: SensesError | None = None
        self._arrived = asyncio.Event()
        self._drained = drained

    @property
    def is_full(self) -> bool:
        """Whether the caller reads too slowly."""
        return self._bytes >= MAX_BYTES

    def put(self, event: Event) -> None:
        """Add an event."""
        if self._events and isinstance(event, Queued | Loading) and type(self._events[-1]) is type(event):
            self._bytes -= event_bytes(self._events.pop())
        self._events.append(event)
        self._bytes += event_bytes(event)
        self._arrived.set()

    def fail(self, error: SensesError) -> None:
        """End with an error, after the events that are there."""
        self._error = self._error or error
        self._arrived.set()

    def close(self) -> None:
        """The reader is gone. Its job, which the output queue knows, and an error's frames are let go of at once.

        Otherwise they hold each other, and the recording or picture of the call with them, until the next full garbage
        collection.
        """
        self.clear()
        self._error = None
        self._drained = _tell_nobody

    def clear(self) -> None:
        """Forget the events that nobody read."""
        self._events.clear()
        self._bytes = 0

    async def get(self) -> Event:
        """Return the next event, or raise the error that ended the request."""
        while not self._events:
            if self._error is not None:
                raise self._error
            self._arrived.clear()
            await self._arrived.wait()
        was_full = self.is_full
        event = self._events.popleft()
        self._bytes -= event_bytes(event)
        if was_full and not self.is_full:
            self._drained()
        return event


def _tell_nobody() -> None:
    pass


def event_bytes(event: Event) -> int:
    """Estimate the memory of an event."""
    match event:
        case AudioChunk(pcm=pcm):
            return EVENT_OVERHEAD_BYTES + len(pcm)
        case Preview(image=picture):
            return EVENT_OVERHEAD_BYTES + len(picture.rgb)
        case TextDelta(text=text):
            return EVENT_OVERHEAD_BYTES + len(text)
        case _:
            return EVENT_OVERHEAD_BYTES
