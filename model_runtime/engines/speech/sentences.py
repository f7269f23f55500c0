"""Text for speaking: without markup, in utterances short enough to speak one by one.

Kokoro's family needs about 0.1 GB of memory for every second of an utterance, and the first sound can leave only when
the first utterance is done; so a sentence is an utterance, and a long sentence is cut where it breathes.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from model_runtime.catalog.languages import is_written_in, letter_script

MAX_PHONEMES = 150
"""About ten seconds."""

SENTENCE_PAUSE, PARAGRAPH_PAUSE = 0.12, 0.35
"""Seconds, on top of the silence that models put around an utterance."""

_CODE = re.compile(r"```.*?(```|\Z)", re.DOTALL)
_LINK = re.compile(r"!?\[([^\]]+)\]\([^)\s]*\)")
_SCHEME = re.compile(r"\bhttps?://(www\.)?")
_MARKUP = re.compile(r"^[^\S\n]*(#{1,6}|>|[-*+]|\d+\.)\s+|[*_`~|]+", re.MULTILINE)
_SPACES = re.compile(r"[^\S\n]+")
_LINE_ENDS = re.compile(r" ?\n ?")
_UNSPOKEN = {"Cc", "Cf", "Cs", "Co", "Cn", "So"}

ABBREVIATED = r"(?<!\b[A-Z]\.)(?<!\b(?:Dr|Mr|Ms|St|vs)\.)(?<!\b(?:Mrs|etc|e\.g|i\.e|a\.m|p\.m)\.)"
"""Matches behind a full stop that ends a sentence, not a shortened word."""

_SENTENCE_END = re.compile(rf"(?<=[.!?…]){ABBREVIATED}[\"'”’)\]]*\s+|(?<=[।。！？])[」』”’]*\s*|\s*\n\s*")
_BREATH = re.compile(r"[,;:—–]\s+")
_GAP = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Utterance:
    """What is spoken in one go; `end` counts the characters of the whole text up to here, `pause` is in seconds."""

    text: str
    phonemes: str
    end: int
    pause: float


def readable(text: str) -> str:
    """Take out what is not for reading aloud: code blocks, markup, addresses' schemes, emoji, control characters."""
    text = _LINK.sub(r"\1", _CODE.sub(" ", unicodedata.normalize("NFC", text)))
    text = _MARKUP.sub(" ", _SCHEME.sub("", text))
    kept = (letter for letter in text if letter == "\n" or unicodedata.category(letter) not in _UNSPOKEN)
    return _LINE_ENDS.sub("\n", _SPACES.sub(" ", "".join(kept))).strip()


def only_letters_of(language: str, text: str) -> tuple[str, int]:
    """Leave out letters that the language is not written in; also tell how many."""
    kept = [letter for letter in text if not letter.isalpha() or is_written_in(language, letter_script(letter))]
    return "".join(kept), len(text) - len(kept)


def utterances(text: str, phonemes: Callable[[str], str], *, limit: int = MAX_PHONEMES) -> Iterator[Utterance]:
    """Cut `text` into utterances of at most `limit` phonemes; those without any are left out."""
    for start, end, pause in _sentences(text):
        pieces = [piece for piece in _pieces(text, start, end, phonemes, limit) if piece.phonemes.strip()]
        yield from pieces[:-1]
        yield from (Utterance(last.text, last.phonemes, last.end, pause) for last in pieces[-1:])


def _sentences(text: str) -> Iterator[tuple[int, int, float]]:
    start = 0
    for gap in _SENTENCE_END.finditer(text):
        yield start, gap.start(), PARAGRAPH_PAUSE if "\n" in gap[0] else SENTENCE_PAUSE
        start = gap.end()
    yield start, len(text), 0.0


def _pieces(text: str, start: int, end: int, phonemes: Callable[[str], str], limit: int) -> Iterator[Utterance]:
    """Halve what is too long, at a breath near the middle, else at a space, else anywhere."""
    said = phonemes(text[start:end]) if text[start:end].strip() else ""
    if len(said) <= limit or end - start < 2:
        yield Utterance(text[start:end].strip(), said[:limit], end, 0.0)
        return
    cut = _cut(text, start, end)
    yield from _pieces(text, start, cut, phonemes, limit)
    yield from _pieces(text, cut, end, phonemes, limit)


def _cut(text: str, start: int, end: int) -> int:
    middle = (start + end) // 2
    inner = range(start + (end - start) // 4, end - (end - start) // 4 + 1)
    for pattern in (_BREATH, _GAP):
        places = [gap.end() for gap in pattern.finditer(text, start, end) if gap.end() in inner]
        if places:
            return min(places, key=lambda place: abs(place - middle))
    return middle
