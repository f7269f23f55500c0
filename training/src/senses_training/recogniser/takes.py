"""Recordings with known content, for scoring and for tests: sentences in their places, level and noise as asked."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from senses_training.recogniser.channel import colour
from senses_training.recogniser.sounds import NOISES
from senses_training.recogniser.speech import RATE, Utterance

ANY_NOISE = (8.0, 40.0)
"""How far noise lies below the speech, in dB."""


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


def noisy_takes(rng: random.Random, utterances: Sequence[Utterance], pauses: Callable[[int], list[float]],
                group: Callable[[], int], ratio: tuple[float, float] = ANY_NOISE) -> list[Take]:  # fmt: skip
    """Record the utterances, some to a take, each take with its own microphone, level (-40..0 dB) and noise."""
    numbers, takes, left = np.random.default_rng(rng.randrange(2**32)), [], list(utterances)
    while left:
        count = group()
        together, left = left[:count], left[count:]
        take = arrange(together, pauses(len(together)))
        if rng.random() < 0.5:
            take = Take(colour(numbers, take.samples), take.segments)
        noise = rng.choice(list(NOISES.values()))(numbers, take.seconds + 0.1)
        takes.append(record(take, level=rng.uniform(-40, 0), noise=noise, ratio=rng.uniform(*ratio)))
    return takes


def one_each(rng: random.Random, utterances: Sequence[Utterance], ratio: tuple[float, float] = ANY_NOISE) -> list[Take]:
    """Record every utterance by itself, with up to two seconds of quiet before it."""
    return noisy_takes(rng, utterances, lambda _: [rng.uniform(0, 2), rng.uniform(0.1, 1.5)], lambda: 1, ratio)


def in_rows(rng: random.Random, utterances: Sequence[Utterance], most: int) -> list[Take]:
    """Record two to `most` sentences to a take, half a second to two seconds apart."""

    def pauses(count: int) -> list[float]:
        return [rng.uniform(0, 2), *(rng.uniform(0.5, 2) for _ in range(count))]

    return noisy_takes(rng, utterances, pauses, lambda: rng.randint(2, most))


def _quiet(seconds: float) -> np.ndarray:
    return np.zeros(int(seconds * RATE), np.float32)
