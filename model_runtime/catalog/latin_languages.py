"""Tells languages of the Latin script apart by groups of one to four letters.

`latin_letter_groups.txt` holds what each group says for a language. `training/src/senses_training/languages` made it by
a logistic regression. It is read when a text is first asked about.
"""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

GROUPS_FILE = Path(__file__).with_name("latin_letter_groups.txt")
"""A line for each language and weight, such as `es 12 _que ión_`; `_` is the edge of a word."""
GROUP_LENGTHS = (1, 2, 3, 4)
SCALE = 8
"""A weight of 8 is one unit of log odds."""
MAX_CHARACTERS = 600
"""Of a text: a longer one says no more about its language."""
FEW_WORDS = 3
"""A text of so few words is often a name, such as "El Paso" or "Rio de Janeiro"."""
SURE = 5 * SCALE
"""How far another language must be ahead of English."""
SURE_OF_FEW_WORDS = 9 * SCALE
SURE_OF_ENGLISH = 2 * SCALE
"""How far English must be ahead of the next language."""

_NO_LETTERS = re.compile(r"[\W\d_]+")


def guess_latin_language(text: str) -> str:
    """Return the code of the language of a text in Latin letters, "" if that is not sure.

    Names, commands and code are often foreign words in English sentences, so another language needs clear evidence.
    """
    scores = _scores(text)
    likeliest, next_best = sorted(scores, key=lambda code: scores[code], reverse=True)[:2]
    if likeliest == "en":
        return "en" if scores["en"] - scores[next_best] >= SURE_OF_ENGLISH else ""
    has_few_words = len(_NO_LETTERS.sub(" ", text).split()) <= FEW_WORDS
    needed = SURE_OF_FEW_WORDS if has_few_words else SURE
    return likeliest if scores[likeliest] - scores["en"] >= needed else ""


def letter_groups(text: str) -> set[str]:
    """Return the groups of letters in `text`, in small letters; a space is the edge of a word."""
    letters = f" {_NO_LETTERS.sub(' ', text[:MAX_CHARACTERS].lower()).strip()} "
    return {letters[at : at + length] for length in GROUP_LENGTHS for at in range(len(letters) - length + 1)}


def _scores(text: str) -> Mapping[str, int]:
    """Return the log odds of each language, times `SCALE`. The group "" is in every text."""
    weights = _weights()
    scores = {language: weight for language, weight in weights[""]}
    for group in letter_groups(text):
        for language, weight in weights.get(group, ()):
            scores[language] += weight
    return scores


@cache
def _weights() -> Mapping[str, tuple[tuple[str, int], ...]]:
    """Return group → its languages and weights."""
    found: dict[str, tuple[tuple[str, int], ...]] = {}
    for line in GROUPS_FILE.read_text(encoding="utf-8").splitlines():
        language, weight, *groups = line.split()
        for group in groups:
            group = group.replace("_", " ") if group != "-" else ""
            found[group] = (*found.get(group, ()), (language, int(weight)))
    return found
