"""Measures audio without any model: duration, pitch, loudness and similarity."""

import io

import av
import numpy as np

from model_runtime.media.speech_encoder import wav_header

SAMPLE_RATE = 16_000
PCM_RATE = 24_000
"""Raw samples do not state their rate; this is OpenAI's."""


def decode_samples(file: bytes, form: str = "") -> np.ndarray:
    """Return a file's samples at 16 kHz mono: float32, -1..1."""
    whole = wav_header(PCM_RATE, len(file)) + file if form == "pcm" else file
    with av.open(io.BytesIO(whole), "r") as container:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
        pieces = [piece for frame in container.decode(audio=0) for piece in resampler.resample(frame)]
        pieces += resampler.resample(None)
    return np.concatenate([piece.to_ndarray().reshape(-1) for piece in pieces])


def similarity(one: np.ndarray, other: np.ndarray) -> float:
    """Return the similarity of two recordings, 0..1 at any offset: the peak of their normalized cross-correlation."""
    size = len(one) + len(other)
    crossed = np.fft.irfft(np.fft.rfft(one, size) * np.conj(np.fft.rfft(other, size)), size)
    return float(crossed.max() / np.sqrt((one**2).sum() * (other**2).sum() + 1e-12))


def spoken_seconds(sound: np.ndarray) -> float:
    """Return the seconds between the first and the last sample above 2 % of the peak."""
    (loud,) = np.nonzero(np.abs(sound) > np.abs(sound).max() / 50)
    return float(loud[-1] - loud[0]) / SAMPLE_RATE


def pitch(sound: np.ndarray) -> float:
    """Return the fundamental frequency of the loudest 100 ms in Hz, 60 to 400, by autocorrelation."""
    width = SAMPLE_RATE // 10
    loudest = int(np.argmax(np.convolve(sound**2, np.ones(width), "valid")))
    window = sound[loudest : loudest + width]
    alike = np.correlate(window, window, "full")[width - 1 :]
    shortest, longest = SAMPLE_RATE // 400, SAMPLE_RATE // 60
    return SAMPLE_RATE / (shortest + int(alike[shortest:longest].argmax()))


def clipped_share(sound: np.ndarray) -> float:
    """Return the share of samples at full scale."""
    return float((np.abs(sound) > 0.995).mean())
