"""The small world the starter models know: one grammar for every data generator.

A scene is one or two coloured shapes on a plain background, or a printed number. Sentences about scenes, spoken
digits and the few commands an agent gives are all built here, so what one starter says the others understand.
"""

import hashlib
import random
from dataclasses import dataclass

COLORS = ("red", "green", "blue", "yellow", "orange", "purple", "pink", "black", "white", "gray")
SHAPES = ("circle", "square", "triangle", "star", "heart")
SIZES = ("small", "large")
RELATIONS = ("above", "below", "left of", "right of")
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
VERBS = ("draw", "show me", "describe", "read")


@dataclass(frozen=True, slots=True)
class Thing:
    """One coloured shape; `size` is empty where the sentence does not mention it."""

    color: str
    shape: str
    size: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, ("a", self.size, self.color, self.shape)))


@dataclass(frozen=True, slots=True)
class Scene:
    """What a picture shows. `relation` places the first thing relative to the second."""

    things: tuple[Thing, ...]
    relation: str = ""
    background: str = ""

    def __str__(self) -> str:
        text = f" {self.relation} ".join(map(str, self.things))
        return f"{text} on a {self.background} background" if self.background else text


def thing(rng: random.Random) -> Thing:
    """Draw one shape; two in five are given a size."""
    size = rng.choice(SIZES) if rng.random() < 0.4 else ""
    return Thing(rng.choice(COLORS), rng.choice(SHAPES), size)


def scene(rng: random.Random) -> Scene:
    """Draw a scene with one or two things, sometimes with its background named."""
    if rng.random() < 0.5:
        return Scene((thing(rng),), background=rng.choice(COLORS) if rng.random() < 0.5 else "")
    return Scene((thing(rng), thing(rng)), relation=rng.choice(RELATIONS))


def digits(rng: random.Random) -> str:
    """One to six spoken digits."""
    return " ".join(rng.choice(DIGITS) for _ in range(rng.randint(1, 6)))


def sentence(rng: random.Random) -> str:
    """Draw any sentence of the world, in lower case and without punctuation."""
    kind = rng.random()
    if kind < 0.2:
        return digits(rng)
    if kind < 0.4:
        return f"{rng.choice(VERBS)} {thing(rng)}"
    return str(scene(rng))


def is_held_out(text: str) -> bool:
    """Tell whether `text` belongs to the tenth of all sentences no starter ever trains on."""
    return hashlib.sha256(text.encode()).digest()[0] % 10 == 0
