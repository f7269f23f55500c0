"""Defects between a text and the file it is spoken into."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from tests.mutations.mutation import Function, Mutation, change_argument, change_result

ENCODER, ENGINE, KITTEN = (
    "model_runtime.media.speech_encoder",
    "model_runtime.engines.speech.engine",
    "model_runtime.engines.speech.kitten",
)
TEXT_ARGUMENT, VOICE_ARGUMENT, SPEED_ARGUMENT = 1, 2, 3
"""Places of the arguments of a speaker."""


def change_pcm(change: Function) -> Function:
    """Write samples in another way: `change` makes integers of floats."""
    return lambda floats: change(np.asarray(floats, float)).astype("<i2").tobytes()


def _without_last(pieces: Iterator[Any]) -> Iterator[Any]:
    yield from list(pieces)[:-1]


def _reversed(pieces: Iterator[Any]) -> Iterator[Any]:
    yield from list(pieces)[::-1]


SAMPLES, SPEAK = f"{ENGINE}._to_pcm", f"{KITTEN}.Kitten.speak"
MUTATIONS = (
    Mutation(
        "a WAV says twice its rate",
        f"{ENCODER}.wav_header",
        change_argument(lambda rate: rate * 2),
        "a sentence spoken",
    ),
    Mutation(
        "a WAV says half its rate",
        f"{ENCODER}.wav_header",
        change_argument(lambda rate: rate // 2),
        "a sentence spoken",
    ),
    Mutation(
        "an encoder is told half the rate",
        f"{ENCODER}._audio_frame",
        change_argument(lambda rate: rate // 2, position=1),
        "every format",
    ),
    Mutation(
        "samples wrap around",
        SAMPLES,
        lambda _: change_pcm(lambda x: (x * 32767 * 8).astype(int) % 65536),
        "a sentence spoken",
    ),
    Mutation("twenty times too loud", SAMPLES, change_argument(lambda floats: floats * 20), "as loud as it should be"),
    Mutation("a hundredth as loud", SAMPLES, change_argument(lambda floats: floats / 100), "as loud as it should be"),
    Mutation(
        "bytes are swapped",
        SAMPLES,
        lambda _: change_pcm(lambda x: (x * 32767).astype("<i2").byteswap()),
        "a sentence spoken",
    ),
    Mutation(
        "the speed is ignored", SPEAK, change_argument(lambda _: 1.0, position=SPEED_ARGUMENT), "the speed asked for"
    ),
    Mutation(
        "the speed is turned over",
        SPEAK,
        change_argument(lambda speed: 1 / speed, position=SPEED_ARGUMENT),
        "the speed asked for",
    ),
    Mutation(
        "the voice is ignored",
        SPEAK,
        change_argument(lambda selection: replace(selection, voice="otto"), position=VOICE_ARGUMENT),
        "two voices",
    ),
    Mutation(
        "the last sentence is lost", f"{KITTEN}.speak_utterances", change_result(_without_last), "two sentences spoken"
    ),
    Mutation(
        "the last sentence comes first", f"{KITTEN}.speak_utterances", change_result(_reversed), "two sentences spoken"
    ),
    Mutation(
        "the second half is lost",
        SPEAK,
        change_argument(lambda text: text[: len(text) // 2], position=TEXT_ARGUMENT),
        "a sentence spoken",
    ),
)
