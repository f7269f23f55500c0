"""Log-mel spectra of a recording of any length, computed window by window: an hour takes no more memory than a minute.

The same numbers as mlx_whisper.audio.log_mel_spectrogram, which holds the whole recording several times over
(2.4 GB for an hour). Its scale depends on the loudest moment, so that is looked up first.
"""

from functools import cache
from pathlib import Path

import mlx.core as mx
import mlx_whisper
import numpy as np

from model_runtime.engines.protocol import Check

SAMPLE_RATE = 16_000
HOP, SIZE = 160, 400
FRAMES_PER_SECOND = SAMPLE_RATE // HOP
WINDOW_FRAMES = 3000
"""The 30 seconds that Whisper hears at once."""

RANGE = 8.0
"""Powers of ten below the loudest moment that are kept."""


class Spectrogram:
    """The spectra of 16 kHz mono s16le samples; `frames` counts those that hold sound."""

    def __init__(self, pcm: bytes, mels: int, check: Check) -> None:
        self._samples = np.frombuffer(pcm, np.dtype("<i2"))
        self._mels = mels
        self.frames = len(self._samples) // HOP
        self._loudest = self._find_loudest(check)

    def window(self, first: int, frames: int) -> mx.array:
        """Return 3000 frames from `first` on, as (frames, mels) float32; those after `frames` are silent padding."""
        spectra = self._spectra(first, frames)
        scaled = (mx.maximum(spectra, self._loudest - RANGE) + 4.0) / 4.0
        return mx.pad(scaled, [(0, WINDOW_FRAMES - frames), (0, 0)])

    def _find_loudest(self, check: Check) -> float:
        loudest = np.log10(1e-10)
        for first in range(0, self.frames, WINDOW_FRAMES):
            check()
            here = self._spectra(first, min(WINDOW_FRAMES, self.frames - first)).max().item()
            loudest = max(loudest, here)
        return float(loudest)

    def _spectra(self, first: int, frames: int) -> mx.array:
        start = first * HOP - SIZE // 2
        samples = self._read(start, (frames - 1) * HOP + SIZE)
        pieces = mx.as_strided(mx.array(samples), [frames, SIZE], [HOP, 1])
        power = mx.fft.rfft(pieces * _hann()).abs().square()
        return mx.maximum(power @ _filters(self._mels).T, 1e-10).log10()

    def _read(self, start: int, count: int) -> np.ndarray:
        """Return samples in -1..1; before the start they are mirrored, after the end there is silence."""
        found = self._samples[max(0, start) : max(0, start + count)]
        if start < 0:
            mirrored = self._samples[1 : 1 - start][::-1]
            found = np.concatenate([np.zeros(-start - len(mirrored), np.int16), mirrored, found])[:count]
        return np.pad(found.astype(np.float32) / 32768, (0, count - len(found)))


@cache
def _hann() -> mx.array:
    return mx.array(np.hanning(SIZE + 1)[:-1].astype(np.float32))


@cache
def _filters(mels: int) -> mx.array:
    """The library's mel filters, (mels, 201)."""
    file = Path(mlx_whisper.__file__).parent / "assets" / "mel_filters.npz"
    with np.load(file) as stored:
        return mx.array(stored[f"mel_{mels}"])
