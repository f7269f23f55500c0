"""The interface between the speech engine and its model families, and the loops that families share."""

import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import mlx.core as mx
import numpy as np

from model_runtime.catalog.voices import VoiceSelection
from model_runtime.engines.protocol import CancelCheck
from model_runtime.engines.speech.sentences import Utterance


@dataclass(frozen=True, slots=True)
class AudioPiece:
    """The next piece of speech."""

    samples: np.ndarray
    """float32 (samples,) in -1..1."""
    spoken_characters: int
    """Characters of the text up to the end of this piece."""


class VoiceModel(Protocol):
    """A loaded model of one family."""

    sample_rate: int
    """Hertz."""
    supports_any_script: bool
    """Whether it reads letters of scripts that the language does not use."""
    supports_speed: bool
    supports_instructions: bool
    """Whether it takes words that say how to speak."""
    takes_turns: bool
    """Whether it keeps nothing of a text between two pieces, so that others may be spoken in between."""

    def speak(
        self, text: str, selection: VoiceSelection, speed: float, check_cancelled: CancelCheck
    ) -> Iterator[AudioPiece]:
        """Yield the speech of a normalized text in pieces; a `speed` of 1 is the model's own.

        The instructions of `selection` are "" unless the model supports them.

        Raises:
            Cancelled: `check_cancelled` raised it between two pieces.
        """
        ...


def speak_utterances(
    utterances: Iterator[Utterance],
    synthesize: Callable[[Utterance], np.ndarray],
    sample_rate: int,
    check_cancelled: CancelCheck,
) -> Iterator[AudioPiece]:
    """Yield one piece per utterance, with its pause; `synthesize` returns float32 (samples,).

    MLX's random numbers start anew with each utterance: those of other texts may have been spoken in between.

    Raises:
        Cancelled: `check_cancelled` raised it between two utterances.
    """
    check_cancelled()
    for seed, utterance in enumerate(utterances):
        mx.random.seed(seed)
        samples = synthesize(utterance)
        silence = np.zeros(int(utterance.pause_seconds * sample_rate), np.float32)
        check_cancelled()
        yield AudioPiece(np.concatenate([samples, silence]), utterance.end_character)
        check_cancelled()


MAX_STREAM_CHARACTERS = 200
"""Length limit of an utterance for models that generate frame by frame: an error then cannot last for minutes."""

CHARACTERS_PER_SECOND = 15
"""Estimated rate of speech, for progress."""


def stream_utterances(
    utterances: Iterator[Utterance],
    synthesize_stream: Callable[[Utterance], Iterator[np.ndarray]],
    sample_rate: int,
    check_cancelled: CancelCheck,
) -> Iterator[AudioPiece]:
    """Yield the pieces of each utterance as `synthesize_stream` yields them, float32 (samples,).

    `spoken_characters` of a piece is an estimate.

    Raises:
        Cancelled: `check_cancelled` raised it between two pieces.
    """
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
    """Return the limit of a text's duration: a model that fails to stop by itself generates until its limit."""
    wide_characters = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return 2.0 + 0.15 * (len(text) - wide_characters) + 0.4 * wide_characters
