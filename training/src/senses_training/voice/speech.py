"""Sentences spoken by espeak-ng, with every sound's phoneme, start and end."""

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.signal import resample_poly

from model_runtime.engines.speech.espeak import Espeak
from senses_training.voice.config import NORMAL_RATE, RATE

PHONEME_EVENTS, IPA_EVENTS = 1, 2
LAST, PHONEME = 0, 7
RATE_PARAMETER, PITCH_PARAMETER, LILT_PARAMETER = 1, 3, 4


@dataclass(frozen=True, slots=True)
class Sound:
    """A phoneme and when it is heard, in milliseconds."""

    symbol: str
    start: float
    end: float


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int), ("id", ctypes.c_uint), ("text_position", ctypes.c_int), ("length", ctypes.c_int),
        ("audio_ms", ctypes.c_int), ("sample", ctypes.c_int), ("user", ctypes.c_void_p), ("name", ctypes.c_char * 8),
    ]  # fmt: skip


class Speaker:
    """espeak-ng as it is at run time, which also tells when each phoneme is heard."""

    def __init__(self) -> None:
        self.espeak = Espeak(PHONEME_EVENTS | IPA_EVENTS)
        kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))
        self._callback = kind(self._collect)
        self.espeak.library.espeak_SetSynthCallback(self._callback)
        self._pieces: list[np.ndarray] = []
        self._marks: list[tuple[int, str]] = []

    def say(self, text: str, voice: str, rate: int = NORMAL_RATE) -> tuple[np.ndarray, list[Sound]]:
        """Return 24 kHz samples (float32) and the sounds heard in them."""
        self.espeak.set_voice(voice)
        for number, value in ((RATE_PARAMETER, rate), (PITCH_PARAMETER, 50), (LILT_PARAMETER, 50)):
            self.espeak.library.espeak_SetParameter(number, value, 0)
        self._pieces, self._marks = [], []
        written = text.encode()
        self.espeak.library.espeak_Synth(written, len(written) + 1, 0, 1, 0, 1, None, None)
        samples = np.concatenate(self._pieces).astype(np.float32) / 32768
        return resample_poly(samples, 160, 147).astype(np.float32), list(self._sounds())

    def _collect(self, wave: Any, count: int, events: Any) -> int:
        if wave and count > 0:
            self._pieces.append(np.ctypeslib.as_array(wave, (count,)).copy())
        number = 0
        while events[number].type != LAST:
            if events[number].type == PHONEME:
                self._marks.append((events[number].audio_ms, events[number].name.decode("utf-8", "replace")))
            number += 1
        return 0

    def _sounds(self) -> Iterator[Sound]:
        """Share the time of a mark evenly among its symbols; the last mark is the end."""
        for (start, name), (end, _) in zip(self._marks, self._marks[1:] + self._marks[-1:], strict=True):
            step = (end - start) / max(1, len(name))
            yield from (Sound(symbol, start + step * n, start + step * (n + 1)) for n, symbol in enumerate(name))


assert RATE * 147 == 22_050 * 160
