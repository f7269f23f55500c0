"""Log-mel spectrograms computed window by window, so that an hour of audio takes no more memory than a minute.

The values equal mlx_whisper.audio.log_mel_spectrogram, which holds the whole recording several times (2.4 GB for an
hour). The scale depends on the loudest frame of the recording, so a first pass finds its level.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import mlx.core as mx
import mlx_whisper
import numpy as np

from model_runtime.engines.protocol import CancelCheck

SAMPLE_RATE = 16_000
"""Hertz."""
HOP_LENGTH, N_FFT = 160, 400
"""Samples from one frame to the next, and samples in a frame (Whisper's audio.py)."""
FRAMES_PER_SECOND = SAMPLE_RATE // HOP_LENGTH
WINDOW_FRAMES = 3000
"""Frames of the 30 seconds that Whisper decodes at once."""

MIN_LEVEL = -10.0
"""Power of ten of silence."""
QUIET_RMS = 10.0
"""Root mean square of 16-bit samples, 70 dB below full scale. Speech is louder."""
QUIET_SAMPLES = SAMPLE_RATE // 10
"""Samples over which loudness is measured."""

PAUSE_FRAMES = 200
"""Frames of a pause that separates what is said before it from what is said after it."""
FRAMES_BEFORE_SOUND = 20
"""Frames of a pause that are kept before the next sound: a word may begin softly."""

DYNAMIC_RANGE_DECADES = 8.0
"""Powers of ten below the loudest frame; lower values are raised to this floor."""


class LogMelSpectrogram:
    """The log-mel spectrogram of 16 kHz mono s16le samples, `frames` frames of 10 ms. `find_peak_level` comes first."""

    def __init__(self, pcm: bytes | memoryview, n_mels: int) -> None:
        self._samples = np.frombuffer(pcm, np.dtype("<i2"))
        self._n_mels = n_mels
        self.frames = len(self._samples) // HOP_LENGTH
        self._peak_level = MIN_LEVEL

    def window(self, first_frame: int, frames: int) -> mx.array:
        """Return `frames` frames from `first_frame` on, zero-padded to a window: float32 (3000, mels)."""
        log_mel = self._log_mel(first_frame, frames)
        scaled = (mx.maximum(log_mel, self._peak_level - DYNAMIC_RANGE_DECADES) + 4.0) / 4.0
        return mx.pad(scaled, [(0, WINDOW_FRAMES - frames), (0, 0)])

    def after_pause(self, first_frame: int) -> int:
        """Return shortly before the next sound if that is more than `PAUSE_FRAMES` away, else `first_frame`.

        Without another sound it is `frames`.
        """
        sound = self.next_sound(first_frame)
        if sound == self.frames:
            return sound
        return sound - FRAMES_BEFORE_SOUND if sound - first_frame > PAUSE_FRAMES else first_frame

    def next_sound(self, first_frame: int) -> int:
        """Return the first frame at or after `first_frame` that is loud enough for speech; `frames` if none is."""
        for start in range(first_frame, self.frames, WINDOW_FRAMES):
            samples = self._samples[start * HOP_LENGTH : (start + WINDOW_FRAMES) * HOP_LENGTH].astype(np.float32)
            tenths = np.pad(samples, (0, -len(samples) % QUIET_SAMPLES)).reshape(-1, QUIET_SAMPLES)
            (loud,) = np.nonzero(np.square(tenths).mean(axis=1) > QUIET_RMS**2)
            if len(loud):
                return min(self.frames, start + int(loud[0]) * QUIET_SAMPLES // HOP_LENGTH)
        return self.frames

    def find_peak_level(self, check_cancelled: CancelCheck) -> Iterator[None]:
        """Find the level of the loudest frame; yield between two pieces of the recording.

        Raises:
            Cancelled: `check_cancelled` raised it between two windows.
        """
        for first_frame in range(0, self.frames, WINDOW_FRAMES):
            check_cancelled()
            log_mel = self._log_mel(first_frame, min(WINDOW_FRAMES, self.frames - first_frame))
            self._peak_level = max(self._peak_level, float(np.array(log_mel.max())))
            if first_frame + WINDOW_FRAMES < self.frames:
                yield

    def _log_mel(self, first_frame: int, frames: int) -> mx.array:
        start = first_frame * HOP_LENGTH - N_FFT // 2
        samples = self._padded_samples(start, (frames - 1) * HOP_LENGTH + N_FFT)
        sample_frames = mx.as_strided(mx.array(samples), [frames, N_FFT], [HOP_LENGTH, 1])
        power = mx.fft.rfft(sample_frames * _hann_window()).abs().square()
        return mx.maximum(power @ _mel_filters(self._n_mels).T, 1e-10).log10()

    def _padded_samples(self, start: int, count: int) -> np.ndarray:
        """Return float32 samples in -1..1 (count,), mirrored before the start and zero after the end."""
        samples = self._samples[max(0, start) : max(0, start + count)]
        if start < 0:
            mirrored = self._samples[1 : 1 - start][::-1]
            samples = np.concatenate([np.zeros(-start - len(mirrored), np.int16), mirrored, samples])[:count]
        return np.pad(samples.astype(np.float32) / 32768, (0, count - len(samples)))


@cache
def _hann_window() -> mx.array:
    return mx.array(np.hanning(N_FFT + 1)[:-1].astype(np.float32))


@cache
def _mel_filters(n_mels: int) -> mx.array:
    """Return mlx-whisper's mel filters, float32 (mels, 201)."""
    file = Path(mlx_whisper.__file__).parent / "assets" / "mel_filters.npz"
    with np.load(file) as stored:
        return mx.array(stored[f"mel_{n_mels}"])
