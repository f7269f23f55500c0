"""What a speech engine expects of the model families behind it, and what families share."""

import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from model_runtime.catalog.voices import Choice
from model_runtime.engines.protocol import Check
from model_runtime.engines.speech.sentences import Utterance


@dataclass(frozen=True, slots=True)
class Piece:
    """The next stretch of speech: float32 samples in -1..1, and how many characters of the text are spoken by now."""

    samples: np.ndarray
    characters: int


class Speaker(Protocol):
    """A loaded model of one family. Texts may mix scripts where it `takes_any_script`; it may ignore the speed."""

    sample_rate: int
    takes_any_script: bool
    keeps_speed: bool

    def speak(self, text: str, choice: Choice, speed: float, check: Check) -> Iterator[Piece]:
        """Speak a cleaned text piece by piece, calling `check` before each."""
        ...


def speak_each(
    said: Iterator[Utterance], voiced: Callable[[Utterance], np.ndarray], sample_rate: int, check: Check
) -> Iterator[Piece]:
    """Speak utterance by utterance, with a pause after each."""
    check()
    for utterance in said:
        samples = voiced(utterance)
        silence = np.zeros(int(utterance.pause * sample_rate), np.float32)
        check()
        yield Piece(np.concatenate([samples, silence]), utterance.end)
        check()


STREAM_CHARACTERS = 200
"""Length of an utterance for models that write sound step by step: none should run on for minutes."""

CHARACTERS_PER_SECOND = 15


def stream_each(
    said: Iterator[Utterance], sounds: Callable[[Utterance], Iterator[np.ndarray]], sample_rate: int, check: Check
) -> Iterator[Piece]:
    """Speak utterance by utterance, each in pieces as they are written; how far the text is spoken is estimated."""
    begun = 0
    check()
    for utterance in said:
        count = 0
        for sound in sounds(utterance):
            check()
            count += len(sound)
            spoken = begun + count * CHARACTERS_PER_SECOND // sample_rate
            yield Piece(sound, min(spoken, utterance.end))
            check()
        yield Piece(np.zeros(int(utterance.pause * sample_rate), np.float32), utterance.end)
        begun = utterance.end


def longest_seconds(text: str) -> float:
    """Bound how long a text may sound: a confused model speaks until it is stopped."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return 2.0 + 0.15 * (len(text) - wide) + 0.4 * wide
