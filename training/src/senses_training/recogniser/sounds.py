"""Sounds without speech: noise, hum, tones and simple music, made from random numbers alone.

Every maker takes a numpy generator and a length in seconds and returns float32 samples at 16 kHz with a peak of 1.
`KNOWN` sounds are trained on; `UNSEEN` ones are made in other ways and only ever scored.
"""

from collections.abc import Callable, Iterable, Mapping

import numpy as np
from scipy.signal import lfilter

from senses_training.recogniser.speech import RATE

Maker = Callable[[np.random.Generator, float], np.ndarray]

SEMITONE = 2 ** (1 / 12)
SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 4, 7, 9))
CHORDS = ((0, 4, 7), (0, 3, 7), (0, 4, 7, 11), (0, 3, 7, 10), (0, 5, 7))


def peak(samples: np.ndarray) -> np.ndarray:
    """Scale to a peak of 1."""
    return (samples / max(1e-9, float(np.abs(samples).max()))).astype(np.float32)


def mix(parts: Iterable[np.ndarray]) -> np.ndarray:
    """Add sounds of one length."""
    return np.asarray(np.sum(list(parts), axis=0))


def clock(seconds: float) -> np.ndarray:
    """Give the time of every sample."""
    return np.arange(int(seconds * RATE)) / RATE


def coloured(rng: np.random.Generator, seconds: float, slope: float) -> np.ndarray:
    """Make noise whose power falls with frequency ** `slope`: 0 white, 1 pink, 2 brown."""
    spectrum = np.fft.rfft(rng.standard_normal(int(seconds * RATE)))
    frequency = np.maximum(np.fft.rfftfreq(int(seconds * RATE), 1 / RATE), 20)
    return peak(np.fft.irfft(spectrum / frequency ** (slope / 2), int(seconds * RATE)))


def white(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Make white noise."""
    return coloured(rng, seconds, 0)


def pink(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Make pink noise."""
    return coloured(rng, seconds, 1)


def brown(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Make brown noise."""
    return coloured(rng, seconds, 2)


def band(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Make noise in one band, like a fan or a hiss."""
    low = rng.uniform(50, 3000)
    spectrum = np.fft.rfft(rng.standard_normal(int(seconds * RATE)))
    frequency = np.fft.rfftfreq(int(seconds * RATE), 1 / RATE)
    spectrum *= np.exp(-(((frequency - low) / (low * rng.uniform(0.2, 0.8))) ** 2)) + rng.uniform(0, 0.05)
    return peak(np.fft.irfft(spectrum, int(seconds * RATE)))


def gusts(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Make noise that swells and fades up to six times a second, as syllables do."""
    t, rate = clock(seconds), rng.uniform(0.3, 6)
    swell = np.clip(np.sin(2 * np.pi * rate * t + rng.uniform(0, 6)) + rng.uniform(-0.3, 0.8), 0.01, None)
    return peak(coloured(rng, seconds, rng.uniform(0, 2)) * swell)


def hum(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Make mains hum with its overtones and some hiss."""
    t, base = clock(seconds), rng.choice([50.0, 60.0])
    tones = mix(np.sin(2 * np.pi * base * n * t + rng.uniform(0, 6)) * rng.uniform(0, 1) / n for n in range(1, 12))
    return peak(tones + 0.05 * rng.uniform() * rng.standard_normal(len(t)))


def tone(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Make one steady or beeping tone."""
    t = clock(seconds)
    steady = np.sin(2 * np.pi * np.exp(rng.uniform(np.log(80), np.log(5000))) * t)
    return peak(steady * (np.sin(2 * np.pi * rng.uniform(0.5, 5) * t) > 0) if rng.random() < 0.4 else steady)


def sweep(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Make a tone that glides up and down."""
    t = clock(seconds)
    middle, width = rng.uniform(300, 2500), rng.uniform(0.1, 0.8)
    pitch = middle * (1 + width * np.sin(2 * np.pi * rng.uniform(0.05, 2) * t))
    return peak(np.sin(2 * np.pi * np.cumsum(pitch) / RATE))


def crackle(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Make clicks and ticks, each ringing for a moment."""
    ticks = (rng.random(int(seconds * RATE)) < rng.uniform(1, 30) / RATE) * rng.standard_normal(int(seconds * RATE))
    angle, decay = 2 * np.pi * rng.uniform(200, 6000) / RATE, rng.uniform(0.9, 0.997)
    return peak(lfilter([1], [1, -2 * decay * np.cos(angle), decay**2], ticks) + 1e-4)


def note(rng: np.random.Generator, frequency: float, seconds: float, brightness: float) -> np.ndarray:
    """Make one struck or held note with overtones."""
    t = clock(seconds)
    wobble = 1 + 0.004 * rng.uniform() * np.sin(2 * np.pi * 5.5 * t)
    phase = 2 * np.pi * frequency * np.cumsum(wobble) / RATE
    partials = range(1, 1 + int(min(10, 7500 / frequency)))
    spread, uneven = 1 + rng.choice([0, 0, 0.01, 0.05]) * rng.uniform(), rng.uniform(0, 1)
    sound = mix(
        np.sin(n**spread * phase) * brightness ** (n - 1) / n * (1 - uneven * rng.uniform()) * np.exp(-t * n * uneven)
        for n in partials
    )
    fade = np.minimum(1, t / rng.uniform(0.003, 0.06)) * np.exp(-t * rng.uniform(0, 5))
    faded: np.ndarray = sound * fade * np.minimum(1, (seconds - t) / 0.02)
    return faded


def tune(rng: np.random.Generator, seconds: float, chords: bool) -> np.ndarray:
    """Play random notes, or chords, of one scale in a steady beat."""
    out, beat = np.zeros(int(seconds * RATE)), rng.uniform(0.15, 0.7)
    root, brightness, scale = rng.uniform(80, 500), rng.uniform(0.1, 0.95), SCALES[rng.integers(len(SCALES))]
    at = 0.0
    while at < seconds - 0.1:
        length = min(seconds - at, beat * rng.choice([1, 1, 2, 0.5]) * (3 if chords else 1))
        step = SEMITONE ** int(rng.choice(scale))
        voices = CHORDS[rng.integers(len(CHORDS))] if chords else (0,)
        if rng.random() < 0.9 and length > 0.05:
            played = mix(note(rng, root * step * SEMITONE**up, length, brightness) for up in voices)
            out[int(at * RATE) :][: len(played)] += played[: len(out) - int(at * RATE)]
        at += length
    return peak(out)


def melody(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Play a random melody."""
    return tune(rng, seconds, chords=False)


def harmony(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Play random chords."""
    return tune(rng, seconds, chords=True)


def drums(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Play kick, snare and hat in a steady beat."""
    out, beat = np.zeros(int(seconds * RATE)), rng.uniform(0.12, 0.4)
    t = clock(0.25)
    kick = np.sin(2 * np.pi * np.cumsum(40 + 120 * np.exp(-t * 30)) / RATE) * np.exp(-t * 14)
    for number in range(int(seconds / beat)):
        snare = rng.standard_normal(len(t)) * np.exp(-t * rng.uniform(12, 25))
        hat = np.diff(rng.standard_normal(len(t) + 1)) * np.exp(-t * 60) * 0.3
        hit = (kick, hat, snare, hat)[number % 4] if rng.random() < 0.85 else hat
        start = int(number * beat * RATE)
        out[start : start + len(hit)] += hit[: len(out) - start] * rng.uniform(0.5, 1)
    return peak(out)


def band_music(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Play melody, chords and drums together."""
    parts = melody(rng, seconds), harmony(rng, seconds), drums(rng, seconds)
    return peak(mix(part * rng.uniform(0.2, 1) for part in parts))


def bells(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Ring frequency-modulated bells."""
    out = np.zeros(int(seconds * RATE))
    for start in np.arange(0, seconds - 0.3, rng.uniform(0.2, 0.9)):
        t = clock(seconds - start)
        pitch, ratio = rng.uniform(200, 1500), rng.choice([1.4, 2, 3.5, rng.uniform(0.5, 4)])
        ring = np.sin(2 * np.pi * pitch * t + 4 * np.exp(-3 * t) * np.sin(2 * np.pi * pitch * ratio * t))
        ring *= np.exp(-3 * t)
        out[len(out) - len(t) :] += ring
    return peak(out)


def strings(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Pluck strings: noise going round in a damped loop."""
    out = np.zeros(int(seconds * RATE))
    for start in np.arange(0, seconds - 0.3, rng.uniform(0.15, 0.6)):
        samples = len(out) - int(start * RATE)
        loop = int(RATE / rng.uniform(90, 500))
        burst = np.zeros(samples)
        burst[:loop] = rng.uniform(-1, 1, min(loop, samples))
        feedback = np.zeros(loop + 2)
        feedback[[0, loop, loop + 1]] = 1, -0.498, -0.498
        out[len(out) - samples :] += lfilter([1], feedback, burst)
    return peak(out)


def bars(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Strike wooden and metal bars: the three tones of a free bar, each with its own decay."""
    out, beat = np.zeros(int(seconds * RATE)), rng.uniform(0.12, 0.5)
    root, decay, scale = rng.uniform(150, 900), rng.uniform(2, 20), SCALES[rng.integers(len(SCALES))]
    for start in np.arange(0, seconds - 0.3, beat):
        t = clock(seconds - start)
        pitch = root * SEMITONE ** int(rng.choice(scale))
        parts = ((1, 1.0), (2.756, 0.5), (5.404, 0.25))
        out[len(out) - len(t) :] += mix(
            amount * np.sin(2 * np.pi * pitch * ratio * t) * np.exp(-t * decay * ratio) for ratio, amount in parts
        )
    return peak(out)


def chip(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Play the fast square-wave arpeggios of an old game console."""
    t, step, root = clock(seconds), rng.uniform(0.05, 0.2), rng.uniform(100, 600)
    steps = rng.choice([0, 3, 4, 7, 12, 15], int(seconds / step) + 1)
    pitch = root * SEMITONE ** steps[(t / step).astype(int)]
    return peak(np.where(np.cumsum(pitch) / RATE % 1 < rng.choice([0.125, 0.25, 0.5]), 1.0, -1.0))


def theremin(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Glide from note to note with vibrato, like a singing saw."""
    t = clock(seconds)
    goals = rng.uniform(200, 900, int(seconds * 2) + 2)
    pitch = np.interp(t * 2, np.arange(len(goals)), goals) * (1 + 0.015 * np.sin(2 * np.pi * 6 * t))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    return peak((np.sin(phase) + 0.3 * np.sin(2 * phase) + 0.1 * np.sin(3 * phase)) * (1 + 0.3 * np.sin(9 * t)))


def siren(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Sound a two-tone horn with overtones."""
    t = clock(seconds)
    pitch = np.where(np.sin(2 * np.pi * rng.uniform(0.5, 1.5) * t) > 0, 440, 585) * rng.uniform(0.7, 1.6)
    return peak(np.sign(np.sin(2 * np.pi * np.cumsum(pitch) / RATE)) * 0.7)


def rain(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Make many small filtered drops over soft noise."""
    drops = (rng.random(int(seconds * RATE)) < 400 / RATE) * rng.exponential(1, int(seconds * RATE))
    return peak(lfilter([1, -1], [1, -1.2, 0.6], drops) + 0.3 * coloured(rng, seconds, 0.7))


def silence(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Make digital silence."""
    return np.zeros(int(seconds * RATE), np.float32)


NOISES: Mapping[str, Maker] = {
    "white": white, "pink": pink, "brown": brown, "band": band, "gusts": gusts, "crackle": crackle, "hum": hum,
}  # fmt: skip
MUSIC: Mapping[str, Maker] = {
    "tone": tone, "sweep": sweep, "melody": melody, "harmony": harmony, "drums": drums, "band_music": band_music,
}  # fmt: skip
KNOWN: Mapping[str, Maker] = {"silence": silence, **NOISES, **MUSIC}
UNSEEN: Mapping[str, Maker] = {
    "bells": bells, "strings": strings, "bars": bars, "chip": chip, "theremin": theremin, "siren": siren, "rain": rain,
}  # fmt: skip
