"""Whisper's log-mel spectrogram in numpy, frame for frame as the library computes it."""

from functools import cache

import numpy as np
from scipy.fft import rfft

from senses_training.recogniser.speech import RATE

HOP, SPAN, MELS = 160, 400, 80


def _mel(hertz: np.ndarray) -> np.ndarray:
    """Slaney's mel scale: linear below 1 kHz, logarithmic above."""
    return np.where(hertz < 1000, hertz * 3 / 200, 15 + 27 * np.log(np.maximum(hertz, 1) / 1000) / np.log(6.4))


def _hertz(mel: np.ndarray) -> np.ndarray:
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))


@cache
def filters() -> np.ndarray:
    """Give the 201 x 80 area-normalised triangles from 0 to 8 kHz."""
    corners = _hertz(np.linspace(0, _mel(np.array(RATE / 2)), MELS + 2))
    slopes = corners[:, None] - np.linspace(0, RATE / 2, SPAN // 2 + 1)
    widths = np.diff(corners)[:, None]
    triangles = np.maximum(0, np.minimum(-slopes[:-2] / widths[:-1], slopes[2:] / widths[1:]))
    areas: np.ndarray = triangles * 2 / (corners[2:] - corners[:-2])[:, None]
    return areas.T.astype(np.float32)


@cache
def _window() -> np.ndarray:
    return np.hanning(SPAN + 1)[:-1].astype(np.float32)


def log_mel(samples: np.ndarray, louder: float = 0.0) -> np.ndarray:
    """Give frames x 80 for whole hops of sound; `louder` is how far (log10 of power) the rest of the file rises above.

    The library adds half a minute of silence before it cuts frames, so the last ones look into silence.
    """
    padded = np.concatenate([samples[SPAN // 2 : 0 : -1], samples, np.zeros(SPAN, np.float32)])
    frames = np.lib.stride_tricks.sliding_window_view(padded, SPAN)[: len(samples) // HOP * HOP : HOP]
    waves = rfft(frames * _window())
    power = waves.real**2 + waves.imag**2
    logs = np.log10(np.maximum(power @ filters(), 1e-10))
    return np.asarray((np.maximum(logs, logs.max() + louder - 8) + 4) / 4)
