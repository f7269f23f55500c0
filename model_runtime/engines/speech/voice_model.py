"""What a speech engine expects of the model families behind it, and what families share."""

import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from model_runtime.catalog.voices import VoiceSelection
from model_runtime.engines.protocol import CancelCheck
from model_runtime.engines.speech.sentences import Utterance


@dataclass(frozen=True, slots=True)
class AudioPiece:
    """The next stretch of speech: float32 samples in -1..1, and how many characters of the text are spoken by now."""

    samples: np.ndarray
    spoken_characters: int


class VoiceModel(Protocol):
    """A loaded model of one family. Texts may mix scripts where it `supports_any_script`; it may ignore the speed."""

    sample_rate: int
    supports_any_script: bool
    supports_speed: bool

    def speak(
        self, text: str, selection: VoiceSelection, speed: float, check_cancelled: CancelCheck
    ) -> Iterator[AudioPiece]:
        """Speak a cleaned text piece by piece, calling `check_cancelled` before each."""
        ...


def speak_utterances(
    utterances: Iterator[Utterance],
    synthesize: Callable[[Utterance], np.ndarray],
    sample_rate: int,
    check_cancelled: CancelCheck,
) -> Iterator[AudioPiece]:
    """Speak utterance by utterance, with a pause after each."""
    check_cancelled()
    for utterance in utterances:
        samples = synthesize(utterance)
        silence = np.zeros(int(utterance.pause_seconds * sample_rate), np.float32)
        check_cancelled()
        yield AudioPiece(np.concatenate([samples, silence]), utterance.end_character)
        check_cancelled()


MAX_STREAM_CHARACTERS = 200
"""Length of an utterance for models that write sound step by step: none should run on for minutes."""

CHARACTERS_PER_SECOND = 15


def stream_utterances(
    utterances: Iterator[Utterance],
    synthesize_stream: Callable[[Utterance], Iterator[np.ndarray]],
    sample_rate: int,
    check_cancelled: CancelCheck,
) -> Iterator[AudioPiece]:
    """Speak utterance by utterance, each in pieces as they are written; how far the text is spoken is estimated."""
    spoken_before = 0
    check_cancelled()
    for utterance in utterances:
        sample_count = 0
        for samples in synthesize_stream(utterance):
            check_cancelled()
            sample_count += len(samples)
            spoken = spoken_before + sample_count * CHARACTERS_PER_SECOND // sample_rate
            yield AudioPiece(samples, min(spoken, utterance.end_character))
            check_cancelled()
        yield AudioPiece(np.zeros(int(utterance.pause_seconds * sample_rate), np.float32), utterance.end_character)
        spoken_before = utterance.end_character


def max_audio_seconds(text: str) -> float:
    """Bound how long a text may sound: a confused model speaks until it is stopped."""
    wide_characters = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return 2.0 + 0.15 * (len(text) - wide_characters) + 0.4 * wide_characters
