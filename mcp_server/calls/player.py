"""Read aloud: sound is played on this machine's speakers while it is made, one text after the other."""

import logging
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from functools import partial
from types import TracebackType
from typing import Self

import anyio
from anyio.abc import TaskGroup

from mcp_server.calls.journal import current_call
from mcp_server.calls.sound_output import SoundFailed, SoundOutput, system_output

logger = logging.getLogger(__name__)

PLAYED_BEFORE = "it was read aloud when the Senses daemon ended, and is not begun again."


class Playback:
    """One text that is read aloud while it is made: `feed` its sound inside the context.

    An error inside the context stops it; after the context it plays on to its end.
    """

    def __init__(self, start: Callable[["Playback", int], None], on_silent: Callable[["Playback"], None]) -> None:
        """`start(playback, sample_rate)` is called with the first sound, `on_silent` if it ends without any."""
        self.scope = anyio.CancelScope()
        self.problem = ""
        """Why it is not heard; empty if it is."""
        self._start = start
        self._on_silent = on_silent
        self._pending: deque[bytes] = deque()
        self._changed = anyio.Event()
        self._has_started = False
        self._has_ended = False

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the sound, after an error at once."""
        if error is not None:
            self.stop("The call was stopped.")
        self._has_ended = True
        self._changed.set()
        if not self._has_started:
            self._on_silent(self)

    def feed(self, pcm: bytes, sample_rate: int) -> None:
        """Add samples, mono signed 16-bit little-endian at `sample_rate` Hz; the first ones take a place in the queue."""
        if self.problem:
            return
        self._pending.append(pcm)
        self._changed.set()
        if not self._has_started:
            self._has_started = True
            self._start(self, sample_rate)

    def stop(self, reason: str) -> None:
        """Silence it at once and forever."""
        self.problem = self.problem or reason
        self._pending.clear()
        self.scope.cancel()

    async def chunks(self) -> AsyncGenerator[bytes]:
        """Yield the samples as they are fed, until the context is left."""
        while True:
            while self._pending:
                yield self._pending.popleft()
            if self._has_ended:
                return
            self._changed = anyio.Event()
            await self._changed.wait()


class AudioPlayer:
    """Plays what calls read aloud, in `task_group`. A text waits until those that began to sound before it have ended."""

    def __init__(self, task_group: TaskGroup, find_output: Callable[[], SoundOutput | None] = system_output) -> None:
        self._task_group = task_group
        self._find_output = find_output
        self._lock = anyio.Lock()
        self._playbacks: list[Playback] = []

    def begin(self) -> Playback | None:
        """Return a text to be read aloud, or None if this machine has no program that plays sound."""
        output = self._find_output()
        if output is None:
            return None
        playback = Playback(partial(self._start, output), self._playbacks.remove)
        self._playbacks.append(playback)
        return playback

    @property
    def is_playing(self) -> bool:
        """Whether a text is read aloud, waits for it, or is still being made for it."""
        return bool(self._playbacks)

    def stop(self) -> int:
        """Silence every text that is read aloud or waits for it, and return their number."""
        audible = [playback for playback in self._playbacks if not playback.problem]
        for playback in audible:
            playback.stop("stop_speaking was called.")
        return len(audible)

    def _start(self, output: SoundOutput, playback: Playback, sample_rate: int) -> None:
        self._task_group.start_soon(self._play, output, playback, sample_rate)

    async def _play(self, output: SoundOutput, playback: Playback, sample_rate: int) -> None:
        try:
            with playback.scope:
                async with self._lock, aclosing(playback.chunks()) as chunks:
                    if await current_call.get().may_play():
                        await output(sample_rate, chunks)
                    else:
                        playback.stop(PLAYED_BEFORE)
        except SoundFailed as error:
            logger.warning("A text was not read aloud: %s", error.message)
            playback.stop(error.message)
        except Exception:
            logger.exception("A text was not read aloud: an internal error")
            playback.stop("an internal error; see the log of Senses.")
        finally:
            self._playbacks.remove(playback)
