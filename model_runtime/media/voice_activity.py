"""Voice activity detection: which moments of a sound have a voice, without a model.

A moment counts as a voice when it is louder than the background, has a pitch, and both its pitch and its timbre have moved a
little since shortly before. Steady noise raises the background (minimum statistics: R. Martin, "Noise power spectral density
estimation based on optimal smoothing and minimum statistics", 2001). Hiss and clicks have no pitch: it is measured by
autocorrelation (P. Boersma, "Accurate short-term analysis of the fundamental frequency", 1993). Hum, tones and notes hold
theirs while they last, or jump to the next one; a voice glides all the time.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from model_runtime.media.audio import SAMPLE_RATE

FRAME_SAMPLES, HOP_SAMPLES = 768, 256
"""Samples of one frame (48 ms), and from one to the next (16 ms)."""
HOP_SECONDS = HOP_SAMPLES / SAMPLE_RATE
FRAMES_AT_ONCE = 512
"""Frames computed together: eight seconds, 5 MB."""

FFT_SAMPLES = 1024
MIN_LAG, MAX_LAG = 40, 228
"""Samples of one period of the highest and the lowest pitch, 400 and 70 Hz."""
PITCH_HZ = (100, 2000)
"""Where periods are looked for. Higher frequencies weigh more, which makes rumble as flat as hiss."""
BAND_EDGES_HZ = (150, 500, 900, 1400, 2000, 2800, 4000)
"""Bands of timbre, each wider than the distance of two harmonics, so that only the mouth changes them."""

BACKGROUND_FRAMES = 128
"""The background is the quietest of so many frames, two seconds: somebody who talks pauses between syllables."""
QUIET_LEVEL_DB = -65.0
"""Level of a quiet room in dB below full scale; the background is never taken for quieter."""
STEADY_FRAMES = 3
"""Frames between two that are compared: 48 ms, in which a voice changes its timbre and hardly its pitch."""
MIN_PITCH_CHANGE, MAX_PITCH_STEP = 0.006, 0.04
"""Share by which a voice changes its pitch in that time at least, and from one frame to the next at most. An instrument holds
its pitch, or jumps by a semitone, 0.059."""
MIN_TIMBRE_CHANGE_DB = 1.2
"""Mean change of the bands against each other in that time."""
MAX_PEAKEDNESS_DB = 30.0
"""By how much the strongest band of a voice exceeds the mean of all in decibels; a pure tone has nothing beside it."""


@dataclass(frozen=True, slots=True)
class FrameActivity:
    """One frame: whether it is louder than the background, and whether it has a voice. A voice is always loud."""

    is_loud: bool
    is_voice: bool


@dataclass(frozen=True, slots=True)
class _Features:
    """Measures of frames, each of shape (frames,): level in dB, pitch lag in samples, clarity 0..1; bands (frames, 6)."""

    levels: np.ndarray
    lags: np.ndarray
    clarities: np.ndarray
    bands: np.ndarray


class VoiceActivityDetector:
    """Classifies frames of 16 kHz mono s16le samples that arrive in pieces of any size."""

    def __init__(self, threshold: float = 0.5) -> None:
        """`threshold` 0..1 is how loud and clear a voice has to be."""
        self._min_level_db = 4 + 10 * threshold
        self._min_clarity = 0.3 + 0.4 * threshold
        self._samples = np.zeros(0, np.int16)
        self._levels = deque([QUIET_LEVEL_DB] * BACKGROUND_FRAMES, BACKGROUND_FRAMES)
        self._recent: deque[tuple[float, np.ndarray]] = deque(maxlen=STEADY_FRAMES + 1)
        """Pitch lag, 0 without a clear pitch, and bands of the last frames."""

    def feed(self, pcm: bytes) -> list[FrameActivity]:
        """Return the activity of each frame that the next samples complete; frame n begins at sample 256 n."""
        self._samples = np.concatenate([self._samples, np.frombuffer(pcm, np.dtype("<i2"))])
        count = max(0, (len(self._samples) - FRAME_SAMPLES) // HOP_SAMPLES + 1)
        found: list[FrameActivity] = []
        for start in range(0, count, FRAMES_AT_ONCE):
            frames = min(FRAMES_AT_ONCE, count - start)
            found += self._classify(_measure(self._samples[start * HOP_SAMPLES :], frames))
        self._samples = self._samples[count * HOP_SAMPLES :].copy()
        return found

    def _classify(self, features: _Features) -> list[FrameActivity]:
        rows = zip(features.levels, features.lags, features.clarities, features.bands, strict=True)
        return [
            self._classify_frame(float(level), float(lag), float(clear), bands) for level, lag, clear, bands in rows
        ]

    def _classify_frame(self, level: float, lag: float, clarity: float, bands: np.ndarray) -> FrameActivity:
        background = max(min(self._levels), QUIET_LEVEL_DB)
        self._levels.append(level)
        is_loud = level > background + self._min_level_db
        clear_lag = lag if clarity > self._min_clarity else 0.0
        self._recent.append((clear_lag, bands))
        return FrameActivity(is_loud, is_loud and _is_moving_voice(self._recent))


def _is_moving_voice(recent: Sequence[tuple[float, np.ndarray]]) -> bool:
    """Return whether pitch and timbre of the last frames have changed as those of a voice do."""
    lags = [lag for lag, _ in recent]
    bands_before, bands = recent[0][1], recent[-1][1]
    if len(recent) <= STEADY_FRAMES or not all(lags) or bands.max() - bands.mean() > MAX_PEAKEDNESS_DB:
        return False
    steps = [abs(lag - before) / lag for before, lag in pairwise(lags)]
    glides = max(steps) <= MAX_PITCH_STEP and abs(lags[-1] - lags[0]) >= MIN_PITCH_CHANGE * lags[-1]
    change = bands - bands_before
    return glides and float(np.abs(change - change.mean()).mean()) > MIN_TIMBRE_CHANGE_DB


def _measure(samples: np.ndarray, count: int) -> _Features:
    frames = sliding_window_view(samples[: (count - 1) * HOP_SAMPLES + FRAME_SAMPLES], FRAME_SAMPLES)[::HOP_SAMPLES]
    spectra = np.fft.rfft(frames.astype(np.float32) / 32768 * _WINDOW, FFT_SAMPLES)
    power = np.square(np.abs(spectra)) / np.square(_WINDOW).sum() / FRAME_SAMPLES
    bands = 10 * np.log10(power @ _BANDS.T + 1e-10)
    levels = 10 * np.log10((power @ _BANDS.T).sum(axis=1) * 2 + 1e-10)
    lags, clarities = _measure_pitch(power)
    return _Features(levels, lags, clarities, bands)


def _measure_pitch(power: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the lag of the strongest period in samples and its normalized autocorrelation, each (frames,)."""
    correlations = np.fft.irfft(power * _PITCH_WEIGHTS, axis=1)
    normalized = correlations[:, : MAX_LAG + 1] / (correlations[:, :1] + 1e-20) / _WINDOW_CORRELATION
    lags = MIN_LAG + np.argmax(normalized[:, MIN_LAG:-1], axis=1)
    before, peaks, after = (normalized[np.arange(len(lags)), lags + offset] for offset in (-1, 0, 1))
    curvature = np.minimum(before - 2 * peaks + after, -1e-9)
    return lags + np.clip((before - after) / curvature / 2, -0.5, 0.5), peaks


_HZ = np.fft.rfftfreq(FFT_SAMPLES, 1 / SAMPLE_RATE)
_WINDOW = np.hanning(FRAME_SAMPLES + 1)[:-1].astype(np.float32)
_BANDS = np.array([(_HZ >= low) & (_HZ < high) for low, high in pairwise(BAND_EDGES_HZ)], np.float32)
_PITCH_WEIGHTS = np.where((_HZ >= PITCH_HZ[0]) & (_HZ <= PITCH_HZ[1]), np.square(_HZ / 1000), 0)
_WINDOW_POWER = np.square(np.abs(np.fft.rfft(_WINDOW, FFT_SAMPLES)))
_WINDOW_CORRELATION = (np.fft.irfft(_WINDOW_POWER) / np.square(_WINDOW).sum())[: MAX_LAG + 1]
