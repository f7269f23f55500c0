"""Draw any picture of the world."""

import random
from collections.abc import Sequence

from senses_training.vision.pictures import Picture
from senses_training.vision.prints import blank, number, page, word
from senses_training.vision.reserve import NoDrawError, Split
from senses_training.vision.scenes import counted, pair, single, triple

KINDS = ("single", "pair", "counted", "triple", "number", "word", "blank")
SPELLING = ("word", "page", "page")
"""What to look at for letters alone."""
MIXES = {  # what is hard comes more often in training
    Split.TRAINING: (8, 11, 8, 10, 8, 52, 3),
    Split.SCORING: (60, 70, 50, 40, 30, 40, 10),
}


def picture(rng: random.Random, split: Split, fonts: Sequence[str], kinds: Sequence[str] = ()) -> Picture:
    """Draw a picture of any of `kinds`, or of all in their usual mix."""
    kind = rng.choice(kinds) if kinds else rng.choices(KINDS, MIXES[split])[0]
    return drawn(rng, split, fonts, kind)


def drawn(rng: random.Random, split: Split, fonts: Sequence[str], kind: str) -> Picture:
    """Draw a picture of this kind, trying until what is drawn by lot fits together."""
    while True:
        try:
            return _draw(rng, split, fonts, kind)
        except NoDrawError:
            continue


def _draw(rng: random.Random, split: Split, fonts: Sequence[str], kind: str) -> Picture:
    match kind:
        case "number":
            return number(rng, split, fonts)
        case "word":
            return word(rng, split, fonts)
        case "page":
            return page(rng, split, fonts)
        case "blank":
            return blank(rng, split)
        case _:
            return {"single": single, "pair": pair, "counted": counted, "triple": triple}[kind](rng, split)
