"""Defects between a text and the file it is spoken into."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from tests.mutations.mutation import Function, Mutation, after, before

SPEECH, ENGINE, KITTEN = (
    "model_runtime.media.speech",
    "model_runtime.engines.speech.engine",
    "model_runtime.engines.speech.kitten",
)
TEXT, CHOICE, SPEED = 1, 2, 3
"""Places of the arguments of a speaker."""


def pcm(change: Function) -> Function:
    """Write samples in another way: `change` makes integers of floats."""
    return lambda floats: change(np.asarray(floats, float)).astype("<i2").tobytes()


def _without_last(pieces: Iterator[Any]) -> Iterator[Any]:
    yield from list(pieces)[:-1]


def _backwards(pieces: Iterator[Any]) -> Iterator[Any]:
    yield from list(pieces)[::-1]


SAMPLES, SPEAK = f"{ENGINE}._pcm", f"{KITTEN}.Kitten.speak"
MUTATIONS = (
    Mutation("a WAV says twice its rate", f"{SPEECH}.wav_header", before(lambda rate: rate * 2), "a sentence spoken"),
    Mutation("a WAV says half its rate", f"{SPEECH}.wav_header", before(lambda rate: rate // 2), "a sentence spoken"),
    Mutation(
        "an encoder is told half the rate", f"{SPEECH}._frame", before(lambda rate: rate // 2, at=1), "every format"
    ),
    Mutation(
        "samples wrap around",
        SAMPLES,
        lambda _: pcm(lambda x: (x * 32767 * 8).astype(int) % 65536),
        "a sentence spoken",
    ),
    Mutation("twenty times too loud", SAMPLES, before(lambda floats: floats * 20), "as loud as it should be"),
    Mutation("a hundredth as loud", SAMPLES, before(lambda floats: floats / 100), "as loud as it should be"),
    Mutation(
        "bytes are swapped", SAMPLES, lambda _: pcm(lambda x: (x * 32767).astype("<i2").byteswap()), "a sentence spoken"
    ),
    Mutation("the speed is ignored", SPEAK, before(lambda _: 1.0, at=SPEED), "the speed asked for"),
    Mutation("the speed is turned over", SPEAK, before(lambda speed: 1 / speed, at=SPEED), "the speed asked for"),
    Mutation(
        "the voice is ignored", SPEAK, before(lambda choice: replace(choice, voice="otto"), at=CHOICE), "two voices"
    ),
    Mutation("the last sentence is lost", f"{KITTEN}.speak_each", after(_without_last), "two sentences spoken"),
    Mutation("the last sentence comes first", f"{KITTEN}.speak_each", after(_backwards), "two sentences spoken"),
    Mutation(
        "the second half is lost", SPEAK, before(lambda text: text[: len(text) // 2], at=TEXT), "a sentence spoken"
    ),
)
