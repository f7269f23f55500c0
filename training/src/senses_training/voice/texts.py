"""What the voice is asked to say for its scores."""

import random
import re

from starter_world import grammar

LONG_TEXT = (
    "Good morning. A small red circle is above a blue square. Please open the file and read the message. "
    "Three green stars are on a white background. Number forty two, letter b c. Turn off the lights, and good night."
)
HARD = (
    *(f"letter {letter}" for letter in grammar.LETTERS),
    *(f"number {number}" for number in (*grammar.TEENS, *grammar.TENS)),
)
"""Where one sound makes the difference."""


def held_out_sentences(rng: random.Random, count: int) -> list[str]:
    """Draw different sentences that no starter ever trains on."""
    found: dict[str, None] = {}
    while len(found) < count:
        text = grammar.sentence(rng)
        if grammar.is_held_out(text):
            found[text] = None
    return list(found)


def kind(text: str) -> str:
    """Tell what kind of sentence it is."""
    if grammar.parse(text):
        return "scenes, counted" if re.search(r"\b(two|three) ", text) else "scenes"
    if text.startswith("letter "):
        return "letters"
    counting = {"number", *grammar.DIGITS, *grammar.TEENS, *grammar.TENS}
    return "numbers" if set(text.split()) <= counting else "commands"
