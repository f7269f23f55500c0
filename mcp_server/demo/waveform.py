"""The shape of a recording, to look at."""

import wave
from pathlib import Path

from model_runtime.media import speech


def peaks(path: Path, count: int) -> tuple[list[float], float]:
    """Return how loud each of `count` stretches of a 16-bit mono WAV file gets, from 0 to 1, and its length in seconds.

    The loudest is 1; a file without a sample that is not zero gives zeros.
    """
    with wave.open(str(path)) as file:
        levels = speech.waveform_peaks(file.readframes(file.getnframes()), count)
        seconds = file.getnframes() / file.getframerate()
    loudest = max(levels) or 1.0
    return [level / loudest for level in levels], seconds
