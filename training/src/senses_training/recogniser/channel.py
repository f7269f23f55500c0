"""What happens to speech between a mouth and a file: size of the speaker, room, microphone, level and noise."""

from dataclasses import dataclass

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft

from senses_training.recogniser.sounds import KNOWN
from senses_training.recogniser.speech import RATE, Utterance

CURVE_POINTS = 8


def stretch(one: Utterance, factor: float) -> Utterance:
    """Play `factor` times slower: lower, as from a longer vocal tract."""
    length = int(len(one.samples) * factor)
    samples = np.interp(np.arange(length) / factor, np.arange(len(one.samples)), one.samples).astype(np.int16)
    return Utterance(one.text, one.voice, samples, tuple(start * factor for start in one.starts))


def colour(rng: np.random.Generator, samples: np.ndarray) -> np.ndarray:
    """Filter by a random microphone: a smooth curve of up to 8 dB, sometimes a band limit and a short echo."""
    size = next_fast_len(len(samples) + RATE // 4, real=True)
    frequency = np.fft.rfftfreq(size, 1 / RATE)
    curve = rng.normal(0, 4, CURVE_POINTS).clip(-8, 8)
    gains = 10 ** (np.interp(np.log(frequency + 50), np.linspace(3.9, 9, CURVE_POINTS), curve) / 20)
    if rng.random() < 0.35:
        gains *= 1 / (1 + (frequency / rng.uniform(2800, 7500)) ** 16)
    if rng.random() < 0.3:
        gains *= 1 - 1 / (1 + (frequency / rng.uniform(60, 300)) ** 4)
    spectrum = rfft(samples, size) * gains.astype(np.float32)
    if rng.random() < 0.4:
        spectrum *= rfft(_echo(rng).astype(np.float32), size)
    return np.asarray(irfft(spectrum, size)[: len(samples)], np.float32)


def _echo(rng: np.random.Generator) -> np.ndarray:
    """Make the response of a small room: the direct sound, then noise that dies away."""
    seconds = rng.uniform(0.05, 0.25)
    t = np.arange(int(seconds * RATE)) / RATE
    tail = rng.standard_normal(len(t)) * np.exp(-6.9 * t / seconds)
    tail *= rng.uniform(0.1, 0.6) / np.sqrt((tail**2).sum())
    tail[0] = 1
    return tail


@dataclass(frozen=True)
class Backgrounds:
    """Ready-made long recordings of every known sound, from which any stretch can be cut."""

    recordings: tuple[tuple[str, np.ndarray], ...]

    @classmethod
    def make(cls, rng: np.random.Generator, each: int, seconds: float) -> "Backgrounds":
        """Make `each` recordings of every known sound."""
        kinds = [(kind, maker) for kind, maker in KNOWN.items() if kind != "silence" for _ in range(each)]
        return cls(tuple((kind, maker(rng, seconds)) for kind, maker in kinds))

    def cut(self, rng: np.random.Generator, samples: int, kinds: frozenset[str] | None = None) -> np.ndarray:
        """Cut a stretch at unit power from a random recording, of `kinds` only if given."""
        allowed = [sound for kind, sound in self.recordings if kinds is None or kind in kinds]
        whole = allowed[rng.integers(len(allowed))]
        start = rng.integers(max(1, len(whole) - samples))
        piece = np.resize(whole[start : start + samples], samples)
        return piece / max(1e-6, float(np.sqrt((piece**2).mean())))
