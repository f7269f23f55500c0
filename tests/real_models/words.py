"""Compare texts by their words: case, accents, punctuation and the way numbers are written do not count."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher

from num2words import num2words

SPELLINGS = {"mister": "mr", "voicemail": "voice mail", "ё": "е"}
NUMBER = re.compile(r"\d+")


def words_of(text: str, language: str = "en") -> list[str]:
    """Return the words of a text, numbers spelled out in its language."""
    text = NUMBER.sub(lambda number: f" {num2words(int(number[0]), lang=language)} ", text.lower())
    for written, usual in SPELLINGS.items():
        text = text.replace(written, usual)
    text = text.replace("-", " ")
    plain = (letter for letter in unicodedata.normalize("NFD", text) if not unicodedata.combining(letter))
    return re.sub(r"[^\w\s']|_", " ", "".join(plain)).split()


def word_errors(said: Sequence[str], heard: Sequence[str]) -> int:
    """Return how many words have to be replaced, added or dropped."""
    row = list(range(len(heard) + 1))
    for index, word in enumerate(said, 1):
        diagonal, row[0] = row[0], index
        for other_index, other in enumerate(heard, 1):
            cost = min(row[other_index] + 1, row[other_index - 1] + 1, diagonal + (word != other))
            diagonal, row[other_index] = row[other_index], cost
    return row[-1]


def error_rate(pairs: Iterable[tuple[Sequence[str], Sequence[str]]]) -> float:
    """Return word errors over words said."""
    counted = [(word_errors(said, heard), len(said)) for said, heard in pairs]
    return sum(errors for errors, _ in counted) / sum(words for _, words in counted)


def same_words(one: Sequence[str], other: Sequence[str]) -> list[tuple[int, int]]:
    """Return which word of `one` is which of `other`, as indices."""
    blocks = SequenceMatcher(None, one, other, autojunk=False).get_matching_blocks()
    return [(block.a + offset, block.b + offset) for block in blocks for offset in range(block.size)]
