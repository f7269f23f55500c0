"""Sentences spoken by espeak-ng, with the moment each word begins."""

import ctypes
import math
import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.signal import resample_poly

RATE = 16000
MAX_GAP = 3
UNKNOWN_START = math.nan
"""Of a word whose beginning nobody told: nothing pulls the network's attention to it."""

ACCENTS = ("en-us", "en", "en-gb-x-rp", "en-gb-scotland", "en-029", "en-gb-x-gbclan", "en-us-nyc")
NUMBERED = ("m1", "m2", "m3", "m4", "m5", "m6", "m8", "f1", "f2", "f3", "f4")
NAMED = (
    "adam", "Alex", "Alicia", "Andrea", "Andy", "Annie", "antonio", "aunty", "belinda", "benjamin", "boris", "caleb",
    "david", "Denis", "Diogo", "ed", "edward", "edward2", "Gene2", "grandma", "grandpa", "Henrique", "Hugo", "iven",
    "iven2", "iven3", "Jacky", "john", "klatt", "klatt2", "klatt3", "Lee", "Marcelo", "Marco", "max", "michel",
    "Miguel", "mike", "norbert", "pablo", "paul", "pedro", "quincy", "rob", "robert", "sandro", "shelby", "steph",
    "steph2", "travis", "victor", "Zac", "anika",
)  # fmt: skip
"""`en` is British English."""
UNSEEN_VOICES = ("en-us+f5", "en-us+m7", "en+Michael", "en-us+linda", "en-gb-x-rp+Gene", "en-gb-x-gbcwmd")
"""Kept out of training: these variants with any accent, and the West Midlands accent with any variant."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How a sentence is spoken; `rate` in words a minute, `pitch` and `lilt` 0..99, `gap` in 10 ms between words."""

    voice: str = "en-us"
    rate: int = 160
    pitch: int = 50
    lilt: int = 50
    gap: int = 0


@dataclass(frozen=True, slots=True)
class Utterance:
    """A spoken sentence from its first sound to its last, 16 kHz in 16 bits; `starts` holds each word's first second."""

    text: str
    voice: str
    samples: np.ndarray
    starts: tuple[float, ...]

    @property
    def seconds(self) -> float:
        """How long it takes to say."""
        return len(self.samples) / RATE


def pronounced(rng: random.Random, text: str) -> str:
    """Write a sentence for espeak-ng. Among letters it takes "a" for the article; half of the time we do not."""
    if not text.startswith("letter ") or rng.random() < 0.5:
        return text
    return " ".join("[['eI]]" if word == "a" else word for word in text.split())


def known_voice(rng: random.Random) -> str:
    """Draw a voice of the training set: mostly plain or numbered variants, often a named one."""
    accent = rng.choices(ACCENTS, weights=(5, 4, 2, 2, 2, 1, 1))[0]
    variant = rng.choices((None, NUMBERED, NAMED), weights=(2, 4, 5))[0]
    return accent if variant is None else f"{accent}+{rng.choice(variant)}"


def manner(rng: random.Random, voice: str) -> Manner:
    """Draw how `voice` speaks this time."""
    gap = rng.randint(1, MAX_GAP) if rng.random() < 0.25 else 0
    return Manner(voice, rng.randint(110, 200), rng.randint(25, 80), rng.randint(30, 75), gap)


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int), ("id", ctypes.c_uint), ("text_position", ctypes.c_int), ("length", ctypes.c_int),
        ("audio_ms", ctypes.c_int), ("sample", ctypes.c_int), ("user", ctypes.c_void_p), ("name", ctypes.c_char * 8),
    ]  # fmt: skip


class Espeak:
    """The espeak-ng library of this machine; one per process, one sentence at a time."""

    _WORD, _LAST = 1, 0
    _PHONEMES = 0x100
    _RATE, _PITCH, _LILT, _GAP = 1, 3, 4, 7

    def __init__(self, library: str = "libespeak-ng.so.1") -> None:
        self._library = ctypes.CDLL(library)
        self._rate = self._library.espeak_Initialize(2, 0, None, 0)
        kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))
        self._callback = kind(self._collect)
        self._library.espeak_SetSynthCallback(self._callback)
        self._pieces: list[np.ndarray] = []
        self._marks: dict[int, float] = {}

    def say(self, text: str, how: Manner, *, written: str = "") -> Utterance:
        """Speak `text`, without the silence around it; `written`, word for word the same, says how it is pronounced.

        Raises:
            ValueError: espeak-ng has no such voice.
        """
        if self._library.espeak_SetVoiceByName(how.voice.encode()) != 0:
            raise ValueError(f"espeak-ng has no voice {how.voice!r}")
        for number, value in ((self._RATE, how.rate), (self._PITCH, how.pitch), (self._LILT, how.lilt),
                              (self._GAP, how.gap)):  # fmt: skip
            self._library.espeak_SetParameter(number, value, 0)
        self._pieces, self._marks = [], {}
        written = written or text
        coded = written.encode()
        self._library.espeak_Synth(coded, len(coded) + 1, 0, 1, 0, 1 | self._PHONEMES, None, None)
        spoken = np.concatenate(self._pieces).astype(np.float32) / 32768
        samples = resample_poly(spoken, 320, 441) if self._rate == 22050 else resample_poly(spoken, RATE, self._rate)
        first, last = audible(samples)
        starts = _word_starts(written, self._marks, first / RATE, last / RATE)
        return Utterance(text, how.voice, (samples[first:last].clip(-1, 1) * 32767).astype(np.int16), starts)

    def _collect(self, wave: Any, count: int, events: Any) -> int:
        if wave and count > 0:
            self._pieces.append(np.ctypeslib.as_array(wave, (count,)).copy())
        for event in _until_last(events):
            if event.type == self._WORD:
                self._marks.setdefault(event.text_position - 1, event.audio_ms / 1000)
        return 0


def _until_last(events: Any) -> Iterable[_Event]:
    number = 0
    while events[number].type != 0:
        yield events[number]
        number += 1


def audible(samples: np.ndarray, threshold: float = 0.01) -> tuple[int, int]:
    """Find the first and last sample of speech: where 10 ms blocks reach a hundredth of the loudest one."""
    block = RATE // 100
    levels = np.abs(samples[: len(samples) // block * block]).reshape(-1, block).max(1)
    loud = np.flatnonzero(levels > threshold * levels.max())
    return int(loud[0]) * block, (int(loud[-1]) + 1) * block


def _word_starts(text: str, marks: dict[int, float], first: float, last: float) -> tuple[float, ...]:
    """Turn espeak's marks (by character) into one start per word, relative to the first sound.

    Words that espeak runs together share a mark; those without their own are spread evenly up to the next one.
    """
    words = text.split()
    positions = [sum(len(word) + 1 for word in words[:number]) for number in range(len(words))]
    known = [(0, first)] + [(n, marks[p]) for n, p in enumerate(positions) if n and p in marks] + [(len(words), last)]
    at = np.interp(range(len(words)), [n for n, _ in known], [t for _, t in known])
    return tuple(float(max(0.0, seconds - first)) for seconds in at)
