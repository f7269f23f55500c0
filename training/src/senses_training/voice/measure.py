"""Take speech apart: how long each symbol lasts, and the pitch and loudness of the voice."""

from collections.abc import Sequence

import numpy as np
from scipy.signal import medfilt

from senses_training.voice.config import CURVES_PER_FRAME, FRAME, RATE
from senses_training.voice.speech import Sound

SILENT = frozenset(" ˈˌ,.!?;:")
"""Symbols that have no sound of their own; each still takes a frame from its neighbour."""

FRAMES_BEFORE, FRAMES_AFTER = 4, 12
HOP = FRAME // CURVES_PER_FRAME
WINDOW = 960
PITCH_RANGES = {"otto": (75, 250), "alma": (133, 343)}
"""Hz. Narrow enough that no octave is mistaken."""


def durations(symbols: str, sounds: Sequence[Sound]) -> list[int] | None:
    """Frames of the first border, every symbol and the last border; None where symbols and sounds do not agree.

    Pauses go to the first silent symbol after a sound.
    """
    voiced = [place for place, symbol in enumerate(symbols) if symbol not in SILENT]
    sounds = [sound for sound in sounds if sound.symbol in symbols and sound.symbol not in SILENT]
    if not voiced or [symbols[place] for place in voiced] != [sound.symbol for sound in sounds]:
        return None
    starts = _starts(voiced, sounds)
    frames = [1] * len(symbols)
    for number, place in enumerate(voiced[:-1]):
        silent = voiced[number + 1] - place - 1
        total = starts[number + 1] - starts[number]
        pause = _pause(sounds[number], starts[number], starts[number + 1], silent)
        frames[place] = total - pause
        if silent:
            frames[place + 1] = pause - silent + 1
    frames[voiced[-1]] = max(_frame(sounds[-1].end) - starts[-1], 1)
    return [starts[0] - voiced[0], *frames, FRAMES_AFTER]


def _frame(milliseconds: float) -> int:
    return FRAMES_BEFORE + round(milliseconds * RATE / FRAME / 1000)


def _starts(voiced: Sequence[int], sounds: Sequence[Sound]) -> list[int]:
    """First frame of every voiced symbol, leaving one frame for each symbol before it."""
    starts: list[int] = []
    for number, sound in enumerate(sounds):
        least = starts[-1] + voiced[number] - voiced[number - 1] if number else voiced[0] + 1
        starts.append(max(_frame(sound.start), least))
    return starts


def _pause(sound: Sound, start: int, following: int, silent: int) -> int:
    if not silent:
        return 0
    end = max(_frame(sound.end), start + 1)
    return min(max(silent, following - end), following - start - 1)


def placed(samples: np.ndarray, frames: int) -> np.ndarray:
    """Put speech behind its first silence into exactly so many frames."""
    sound = np.zeros(frames * FRAME, np.float32)
    start = FRAMES_BEFORE * FRAME
    length = min(len(samples), len(sound) - start)
    sound[start : start + length] = samples[:length]
    return sound


def curves(sound: np.ndarray, voice: str) -> tuple[np.ndarray, np.ndarray]:
    """Pitch in Hz (0 where there is none) and loudness (0 at -80 dB, 2 at 0 dB), every 5 ms."""
    count = len(sound) // HOP
    padded = np.pad(sound, (WINDOW // 2, WINDOW))
    windows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP][:count].astype(np.float64)
    level = np.sqrt((windows[:, WINDOW // 4 : -WINDOW // 4] ** 2).mean(1))
    likeness, period = _periods(windows, PITCH_RANGES[voice])
    pitch = medfilt(np.where((likeness > 0.55) & (level > 0.004), RATE / period, 0.0), 7)
    return pitch.astype(np.float32), ((20 * np.log10(level + 1e-4) + 80) / 40).astype(np.float32)


def _periods(windows: np.ndarray, hertz: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Likeness (0..1) and length of the best period of each window, by autocorrelation without the window's own shape."""
    shape = np.hanning(WINDOW)
    longest = RATE // 50
    found = _autocorrelation(windows * shape)[:, :longest]
    own = _autocorrelation(shape[None])[0, :longest]
    alike = found / (found[:, :1] + 1e-9) / (own / own[0])
    low, high = RATE // hertz[1], RATE // hertz[0]
    best = low + alike[:, low:high].argmax(1)
    return alike[np.arange(len(windows)), best], best


def _autocorrelation(windows: np.ndarray) -> np.ndarray:
    return np.fft.irfft(np.abs(np.fft.rfft(windows, 2048)) ** 2)
