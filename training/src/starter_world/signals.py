"""What can be measured in speech without understanding it: pitch, pauses, and how clean its joins are."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

QUIET = 0.01
"""Root mean square below which 10 ms are a pause; full scale is 1."""

PITCH_HERTZ = (60, 400)
WINDOW_SECONDS, STEP_SECONDS, LIKENESS = 0.04, 0.02, 0.6


@dataclass(frozen=True, slots=True)
class Join:
    """Where two chunks meet: the pause around it, and the largest step between neighbouring samples at the seams.

    The seams are where the chunks meet and where the silence that was added to the first one begins.
    """

    step: float
    pause_seconds: float


def median_pitch(samples: np.ndarray, rate: int) -> float:
    """Return the median fundamental frequency in Hz of the voiced windows, by autocorrelation; 0.0 without any."""
    size, hop = int(WINDOW_SECONDS * rate), int(STEP_SECONDS * rate)
    windows = np.lib.stride_tricks.sliding_window_view(samples, size)[::hop]
    found = [_pitch(window - window.mean(), rate) for window in windows if _level(window) > QUIET]
    return float(np.median([pitch for pitch in found if pitch] or [0.0]))


def _pitch(window: np.ndarray, rate: int) -> float:
    shortest, longest = rate // PITCH_HERTZ[1], rate // PITCH_HERTZ[0]
    alike = np.fft.irfft(np.abs(np.fft.rfft(window, 2 * len(window))) ** 2)[:longest]
    alike /= alike[0] * (1 - np.arange(longest) / len(window))
    likely = alike[shortest:] > max(LIKENESS, 0.9 * float(alike[shortest:].max()))
    if not likely.any():
        return 0.0
    first = shortest + int(likely.argmax())  # twice a period is a period, too: the first hill is the voice's
    until = first + int((~likely[first - shortest :]).argmax()) if not likely[first - shortest :].all() else longest
    return rate / (first + int(alike[first:until].argmax()))


def joins(chunks: Sequence[np.ndarray], rate: int) -> list[Join]:
    """Look at every place where a chunk follows another one."""
    sound, places = np.concatenate(chunks), np.cumsum([len(chunk) for chunk in chunks])[:-1]
    return [_join(sound, int(place), rate) for place in places]


def _join(sound: np.ndarray, place: int, rate: int) -> Join:
    frame = rate // 100
    quiet = frame * (_quiet_frames(sound[:place][::-1], frame) + _quiet_frames(sound[place:], frame))
    silence = int((sound[:place][::-1] != 0).argmax())
    step = max(_largest_step(sound, place, frame // 2), _largest_step(sound, place - silence, frame // 2))
    return Join(step, quiet / rate)


def _largest_step(sound: np.ndarray, place: int, near: int) -> float:
    return float(np.abs(np.diff(sound[max(0, place - near) : place + near])).max())


def _quiet_frames(sound: np.ndarray, frame: int) -> int:
    """Count the pauses of one frame that come before the first sound."""
    count = len(sound) // frame
    loud = [_level(one) > QUIET for one in sound[: count * frame].reshape(count, frame)]
    return loud.index(True) if True in loud else count


def longest_pause(samples: np.ndarray, rate: int) -> float:
    """Return the longest pause between two sounds, in seconds."""
    frame = rate // 100
    count = len(samples) // frame
    levels = np.sqrt((samples[: count * frame].reshape(count, frame) ** 2).mean(1))
    loud = np.flatnonzero(levels > QUIET)
    return float((np.diff(loud).max(initial=1) - 1) * frame / rate) if len(loud) else 0.0


def _level(samples: np.ndarray) -> float:
    return float(np.sqrt((samples**2).mean()))
