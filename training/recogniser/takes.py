"""Recordings with known content, for scoring and for tests: sentences in their places, level and noise as asked."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.recogniser.speech import RATE, Utterance


@dataclass(frozen=True, slots=True)
class Segment:
    """A sentence, when it is said and when each of its words begins, in seconds."""

    text: str
    start: float
    end: float
    words: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Take:
    """A recording, 16 kHz float32, and what is said in it."""

    samples: np.ndarray
    segments: tuple[Segment, ...]

    @property
    def text(self) -> str:
        """All that is said, in one line."""
        return " ".join(segment.text for segment in self.segments)

    @property
    def seconds(self) -> float:
        """How long the recording is."""
        return len(self.samples) / RATE


def arrange(utterances: Sequence[Utterance], pauses: Sequence[float]) -> Take:
    """Say the utterances one after the other; `pauses` come before, between and after them, in seconds."""
    pieces, segments, at = [_quiet(pauses[0])], [], pauses[0]
    for one, pause in zip(utterances, pauses[1:], strict=True):
        words = tuple(at + start for start in one.starts)
        segments.append(Segment(one.text, at, at + one.seconds, words))
        pieces += [one.samples.astype(np.float32) / 32768, _quiet(pause)]
        at += one.seconds + pause
    return Take(np.concatenate(pieces), tuple(segments))


def record(take: Take, *, level: float, noise: np.ndarray | None = None, ratio: float = 40.0) -> Take:
    """Add noise `ratio` dB below the speech, and scale the peak to `level` dB of full scale, in 16 bits."""
    sound = take.samples
    if noise is not None:
        loud = np.abs(sound) > 0.02 * np.abs(sound).max()
        power = np.sqrt((sound[loud] ** 2).mean()) / np.sqrt((noise**2).mean())
        sound = sound + noise[: len(sound)] * power * 10 ** (-ratio / 20)
    return Take(at_level(sound, level), take.segments)


def at_level(sound: np.ndarray, level: float) -> np.ndarray:
    """Scale the peak to `level` dB of full scale and round to 16 bits."""
    scaled = sound / max(1e-9, float(np.abs(sound).max())) * 10 ** (level / 20)
    return (np.round(scaled * 32767) / 32768).astype(np.float32)


def _quiet(seconds: float) -> np.ndarray:
    return np.zeros(int(seconds * RATE), np.float32)
