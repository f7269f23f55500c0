"""What a microphone sends: clips of the tests as raw samples at 24 kHz, and events that bring them piece by piece."""

import base64
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import av
import numpy as np

CLIPS = Path(__file__).parents[3] / "clips"
SPEECH = "red-circle-above-blue-square.flac"
RATE = 24_000
PIECE_BYTES = RATE // 10 * 2
"""A tenth of a second."""


@cache
def clip_24k(name: str = SPEECH, *, pause_seconds: float = 1.0) -> bytes:
    """Return a clip as s16le samples at 24 kHz, with a pause after it."""
    with av.open(str(CLIPS / name)) as container:
        resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
        frames = [piece for frame in container.decode(audio=0) for piece in resampler.resample(frame)]
        frames += resampler.resample(None)
    return b"".join(frame.to_ndarray().tobytes() for frame in frames) + bytes(int(pause_seconds * RATE) * 2)


def resampled(samples: np.ndarray, rate: int) -> bytes:
    """Return s16 samples of another rate as s16le samples at 24 kHz."""
    places = np.arange(0, len(samples), rate / RATE)
    return bytes(np.interp(places, np.arange(len(samples)), samples).astype("<i2").tobytes())


def pieces(pcm: bytes, size: int = PIECE_BYTES) -> Iterator[str]:
    """Yield a sound in base64, a tenth of a second at a time."""
    for start in range(0, len(pcm), size):
        yield base64.b64encode(pcm[start : start + size]).decode()
