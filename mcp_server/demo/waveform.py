"""The shape of a recording, to look at."""

import wave
from pathlib import Path

import numpy as np


def peaks(path: Path, count: int) -> tuple[list[float], float]:
    """Return how loud each of `count` stretches of a 16-bit mono WAV file gets, from 0 to 1, and its length in seconds.

    The loudest is 1; a file without a sample that is not zero gives zeros.
    """
    with wave.open(str(path)) as file:
        sound = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32)
        seconds = file.getnframes() / file.getframerate()
    stretches = np.array_split(np.abs(sound), count)
    loud = np.array([stretch.max(initial=0.0) for stretch in stretches])
    return (loud / max(float(loud.max()), 1.0)).tolist(), seconds
