"""Every wording training asks with, for the list of words the starter knows."""

import random
import string
from collections.abc import Iterator

from PIL import Image

from senses_training.vision.pictures import Picture
from senses_training.vision.questions import CAPTION_PROMPTS, OTHER_PROMPTS, SYSTEM_PROMPTS, caption, question
from starter_world.grammar import COLORS, SHAPES, Scene, Thing, words

DRAWS = 40


def wordings() -> Iterator[str]:
    """Give texts that hold every word of the questions; repeats many."""
    yield from (*CAPTION_PROMPTS, *OTHER_PROMPTS, *SYSTEM_PROMPTS, *sorted(words()), *string.digits)
    rng = random.Random(0)
    for picture in _pictures():
        for _ in range(DRAWS):
            yield caption(rng, picture).text
            yield question(rng, picture).text


def _pictures() -> Iterator[Picture]:
    """Pictures of every kind and shape, of which only what they show matters."""
    image, at = Image.new("RGB", (1, 1)), ((0.2, 0.2), (0.5, 0.5), (0.8, 0.8))
    yield Picture(image, "white")
    yield Picture(image, "white", number="42", ink="red", centers=at[1:2])
    yield Picture(image, "white", word="open", ink="red", centers=at[1:2])
    for shape, color in zip(SHAPES, COLORS, strict=False):
        small, large, third = Thing(color, shape, "small"), Thing("red", "ring", "large"), Thing("gray", "star")
        yield Picture(image, "white", Scene((small,), background="white"), centers=at[:1])
        yield Picture(image, "white", Scene((third,) * 2, background="white"), centers=at[:2])
        yield Picture(image, "white", Scene((small, large), "above"), centers=at[:2])
        yield Picture(image, "white", Scene((small, large, third), "left of"), centers=at)
