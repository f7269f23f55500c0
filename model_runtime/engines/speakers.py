"""What a speech engine expects of the model families behind it, and what families share."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from model_runtime.engines.engine import Check
from model_runtime.engines.utterances import Utterance
from model_runtime.voices import Choice


@dataclass(frozen=True, slots=True)
class Piece:
    """The next stretch of speech: float32 samples in -1..1, and how many characters of the text are spoken by now."""

    samples: np.ndarray
    characters: int


class Speaker(Protocol):
    """A loaded model of one family. `takes_any_script` tells that its texts may mix scripts."""

    sample_rate: int
    takes_any_script: bool

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
