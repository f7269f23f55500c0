"""Turns of speech: where somebody begins to talk and where the pause after it is long enough. Pure."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from model_runtime.media.audio import SAMPLE_RATE
from model_runtime.media.voice_activity import FRAME_SAMPLES, HOP_SAMPLES, FrameActivity

VOICED_FRAMES = 5
"""Frames with a voice that begin a turn, 80 ms of sound, …"""
VOICED_WINDOW = 25
"""… among so many, 400 ms: a cough or a knock has fewer."""
SOFT_BEGIN_SAMPLES = SAMPLE_RATE // 10
"""How much a turn begins before the first loud frame: a word may begin softly."""
MAX_BEGIN_FRAMES = 125
"""How far before its first voiced frames a turn may begin, two seconds: some voices hardly move at first."""
GAP_FRAMES = 12
"""Frames that may be quiet within one stretch of sound, 200 ms: a stop before a consonant."""
VOICELESS_FRAMES = 125
"""A turn ends after two seconds of sound without a voice, such as an engine that starts."""


@dataclass(frozen=True, slots=True)
class TurnStarted:
    """Somebody talks since `sample`, without padding."""

    sample: int


@dataclass(frozen=True, slots=True)
class TurnStopped:
    """Nobody has talked for the pause that ends at `sample`."""

    sample: int


TurnEvent = TurnStarted | TurnStopped


class TurnDetector:
    """Finds turns in the activity of frames, which are numbered from 0."""

    def __init__(self, silence_seconds: float) -> None:
        """`silence_seconds` is the pause that ends a turn."""
        self._silence_frames = max(1, round(silence_seconds * SAMPLE_RATE / HOP_SAMPLES))
        self._frame = 0
        self._voiced: deque[int] = deque()
        """Frames with a voice within the window, while nobody talks."""
        self._last_loud = self._last_voice = -GAP_FRAMES - 1
        self._loud_since = 0
        """First frame of the present stretch of sound."""
        self.is_talking = False

    def feed(self, frames: Iterable[FrameActivity]) -> Iterator[TurnEvent]:
        """Yield the beginnings and ends of turns, in turn."""
        for activity in frames:
            self._note_sound(activity)
            event = self._continue() if self.is_talking else self._wait(activity)
            self._frame += 1
            if event is not None:
                yield event

    def reset(self) -> None:
        """Forget what was said: nobody talks until new frames say so."""
        self.is_talking = False
        self._voiced.clear()

    def _note_sound(self, activity: FrameActivity) -> None:
        if activity.is_loud and self._frame - self._last_loud > GAP_FRAMES:
            self._loud_since = self._frame
        self._last_loud = self._frame if activity.is_loud else self._last_loud
        self._last_voice = self._frame if activity.is_voice else self._last_voice

    def _wait(self, activity: FrameActivity) -> TurnStarted | None:
        if activity.is_voice:
            self._voiced.append(self._frame)
        while self._voiced and self._voiced[0] <= self._frame - VOICED_WINDOW:
            self._voiced.popleft()
        if len(self._voiced) < VOICED_FRAMES:
            return None
        first = max(self._loud_since, self._voiced[0] - MAX_BEGIN_FRAMES)
        start = max(0, first * HOP_SAMPLES - SOFT_BEGIN_SAMPLES)
        self._voiced.clear()
        self.is_talking = True
        return TurnStarted(start)

    def _continue(self) -> TurnStopped | None:
        is_silent = self._frame - self._last_loud >= self._silence_frames
        is_voiceless = self._frame - self._last_voice >= max(self._silence_frames, VOICELESS_FRAMES)
        if not (is_silent or is_voiceless):
            return None
        self.is_talking = False
        return TurnStopped(self._frame * HOP_SAMPLES + FRAME_SAMPLES)
