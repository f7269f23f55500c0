"""Sounds without a voice, made here: hiss, hum, tones, music and knocks, each five seconds at 16 kHz."""

from collections.abc import Callable, Mapping

import numpy as np

RATE, SECONDS = 16_000, 5
TIME = np.arange(RATE * SECONDS) / RATE
NOTES_HZ = (262, 294, 330, 349, 392, 440, 494, 523)


def generator() -> np.random.Generator:
    """Return the same random numbers each time."""
    return np.random.default_rng(7)


def colored(slope: float) -> np.ndarray:
    """Return noise whose power goes with the frequency to `slope`."""
    spectrum = np.fft.rfft(generator().standard_normal(len(TIME)))
    hz = np.maximum(np.fft.rfftfreq(len(TIME), 1 / RATE), 20)
    return scaled(np.fft.irfft(spectrum * hz ** (slope / 2)))


def band(low: float, high: float) -> np.ndarray:
    """Return noise between two frequencies."""
    spectrum = np.fft.rfft(generator().standard_normal(len(TIME)))
    hz = np.fft.rfftfreq(len(TIME), 1 / RATE)
    return scaled(np.fft.irfft(np.where((hz > low) & (hz < high), spectrum, 0)))


def scaled(sound: np.ndarray, peak: float = 0.3) -> np.ndarray:
    """Return a sound of this peak."""
    loudest = float(np.abs(sound).max()) + 1e-12
    return np.asarray(sound / loudest * peak)


def harmonic(hz: float, count: int = 12) -> np.ndarray:
    """Return a steady note of an instrument."""
    return scaled(sum((np.sin(2 * np.pi * hz * k * TIME) / k for k in range(1, count + 1)), np.zeros_like(TIME)))


def struck(hz: float, decay_seconds: float) -> np.ndarray:
    """Return half a second of a note that was struck or plucked; high harmonics decay faster."""
    time = TIME[: RATE // 2]
    parts = (np.sin(2 * np.pi * hz * k * time) / k * np.exp(-time * k**0.5 / decay_seconds) for k in range(1, 9))
    return scaled(sum(parts, np.zeros_like(time)))


def melody(decay_seconds: float) -> np.ndarray:
    """Return notes of half a second each."""
    return np.concatenate([struck(hz, decay_seconds) for hz in (*NOTES_HZ, *NOTES_HZ[:2])])


def scale(notes_per_second: float) -> np.ndarray:
    """Return the semitones of a wind instrument, without gaps."""
    hz = 196 * 2 ** (np.floor(TIME * notes_per_second) % 13 / 12)
    phase = 2 * np.pi * np.cumsum(hz) / RATE
    return scaled(sum((np.sin(phase * k) / k for k in range(1, 9)), np.zeros_like(TIME)))


def knocks(per_second: float, decay_seconds: float) -> np.ndarray:
    """Return short bursts of noise."""
    sound, step = np.zeros_like(TIME), int(RATE / per_second)
    burst = generator().standard_normal(step) * np.exp(-np.arange(step) / RATE / decay_seconds)
    for start in range(0, len(sound) - step + 1, step):
        sound[start : start + step] = burst
    return scaled(sound)


def beeps(*hz: float, share: float = 0.5) -> np.ndarray:
    """Return tones that are on for a share of each half second."""
    tone = sum((np.sin(2 * np.pi * each * TIME) for each in hz), np.zeros_like(TIME))
    return scaled(tone * (TIME % 0.5 < share / 2))


def drums() -> np.ndarray:
    """Return a drum twice a second."""
    within = TIME % 0.5
    return scaled(np.sin(2 * np.pi * (60 + 40 * np.exp(-within * 20)) * within) * np.exp(-within * 8))


NOISES: Mapping[str, Callable[[], np.ndarray]] = {
    "digital silence": lambda: np.zeros_like(TIME),
    "a constant": lambda: np.full_like(TIME, 0.2),
    "the last bit": lambda: np.where(generator().random(len(TIME)) > 0.5, 1, -1) / 32768,
    "white noise": lambda: colored(0),
    "pink noise": lambda: colored(-1),
    "brown noise": lambda: colored(-2),
    "blue noise": lambda: colored(1),
    "soft white noise": lambda: colored(0) / 30,
    "a telephone's noise": lambda: band(300, 3400),
    "a fan": lambda: scaled(band(100, 800) + harmonic(90, 4)),
    "mains hum of 50 Hz": lambda: harmonic(50, 20),
    "mains hum of 60 Hz": lambda: harmonic(120, 20),
    "an engine": lambda: scaled(harmonic(31, 30) * (1 + 0.3 * colored(0))),
    "waves": lambda: colored(-1) * (0.55 + 0.45 * np.sin(2 * np.pi * 0.4 * TIME)),
    "noise in the rhythm of syllables": lambda: colored(0) * (0.5 + 0.5 * np.sin(2 * np.pi * 4 * TIME)),
    "noise that begins": lambda: colored(0) * (TIME > 2),
    "a tone of 440 Hz": lambda: scaled(np.sin(2 * np.pi * 440 * TIME)),
    "a tone of 150 Hz": lambda: scaled(np.sin(2 * np.pi * 150 * TIME)),
    "a rising tone": lambda: scaled(np.sin(2 * np.pi * (200 + 150 * TIME) * TIME)),
    "a chord": lambda: beeps(262, 330, 392, share=1),
    "an organ": lambda: scaled(harmonic(196) + harmonic(247) + harmonic(294)),
    "one note": lambda: harmonic(220),
    "a piano": lambda: melody(0.3),
    "a guitar": lambda: melody(0.12),
    "a flute": lambda: melody(30),
    "a clarinet": lambda: scale(3),
    "a fast clarinet": lambda: scale(7),
    "a ringing telephone": lambda: beeps(440, 480),
    "keys of a telephone": lambda: beeps(770, 1336),
    "an alarm": lambda: beeps(2000),
    "typing": lambda: knocks(6, 0.01),
    "claps": lambda: knocks(2, 0.04),
    "rain": lambda: scaled(knocks(97, 0.002) + colored(0) / 10),
    "drums": drums,
}
"""What it is → five seconds of it, float, -1..1."""


def to_pcm(sound: np.ndarray) -> bytes:
    """Return s16le samples."""
    return bytes((np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes())
