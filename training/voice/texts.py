"""What the voice is asked to say for its scores."""

import random
import re

from training import world

LONG_TEXT = (
    "Good morning. A small red circle is above a blue square. Please open the file and read the message. "
    "Three green stars are on a white background. Number forty two, letter b c. Turn off the lights, and good night."
)
HARD = (
    *(f"letter {letter}" for letter in world.LETTERS),
    *(f"number {number}" for number in (*world.TEENS, *world.TENS)),
)
"""Where one sound makes the difference."""


def held_out_sentences(rng: random.Random, count: int) -> list[str]:
    """Draw different sentences that no starter ever trains on."""
    found: dict[str, None] = {}
    while len(found) < count:
        text = world.sentence(rng)
        if world.is_held_out(text):
            found[text] = None
    return list(found)


def kind(text: str) -> str:
    """Tell what kind of sentence it is."""
    if world.parse(text):
        return "scenes, counted" if re.search(r"\b(two|three) ", text) else "scenes"
    if text.startswith("letter "):
        return "letters"
    counting = {"number", *world.DIGITS, *world.TEENS, *world.TENS}
    return "numbers" if set(text.split()) <= counting else "commands"
