"""Clean text for speech synthesis and split it into short utterances.

Kokoro needs about 0.1 GB of memory for every second of an utterance, and the first audio is ready only after the first
utterance. An utterance is therefore a sentence, or a part of a long one, split at a clause break.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from model_runtime.catalog.languages import is_written_in, script_of_letter
from model_runtime.formats.sentence_ends import SENTENCE_END

MAX_PHONEMES = 150
"""Length limit of an utterance, about ten seconds of speech."""

SENTENCE_PAUSE, PARAGRAPH_PAUSE = 0.12, 0.35
"""Seconds of silence after an utterance, in addition to that of the model."""

_CODE = re.compile(r"```.*?(```|\Z)", re.DOTALL)
_LINK = re.compile(r"!?\[([^\]]+)\]\([^)\s]*\)")
_SCHEME = re.compile(r"\bhttps?://(www\.)?")
_MARKUP = re.compile(r"^[^\S\n]*(#{1,6}|>|[-*+]|\d+\.)\s+|[*_`~|]+", re.MULTILINE)
_SPACES = re.compile(r"[^\S\n]+")
_LINE_ENDS = re.compile(r" ?\n ?")
_UNSPOKEN_CATEGORIES = {"Cc", "Cf", "Cs", "Co", "Cn", "So"}

_CLAUSE_BREAK = re.compile(r"[,;:—–]\s+")
_WHITESPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Utterance:
    """A part of a text that is synthesized at once."""

    text: str
    phonemes: str
    end_character: int
    """Index in the whole text after the utterance."""
    pause_seconds: float
    """Silence after it."""


def normalize_text(text: str) -> str:
    """Return the text without code blocks, markup, URL schemes, emoji and control characters."""
    text = _LINK.sub(r"\1", _CODE.sub(" ", unicodedata.normalize("NFC", text)))
    text = _MARKUP.sub(" ", _SCHEME.sub("", text))
    kept = (
        character
        for character in text
        if character == "\n" or unicodedata.category(character) not in _UNSPOKEN_CATEGORIES
    )
    return _LINE_ENDS.sub("\n", _SPACES.sub(" ", "".join(kept))).strip()


def drop_foreign_letters(language: str, text: str) -> tuple[str, int]:
    """Return the text without letters of scripts that the language does not use, and their number."""
    kept = [letter for letter in text if not letter.isalpha() or is_written_in(language, script_of_letter(letter))]
    return "".join(kept), len(text) - len(kept)


def split_utterances(
    text: str, to_phonemes: Callable[[str], str], *, max_phonemes: int = MAX_PHONEMES
) -> Iterator[Utterance]:
    """Yield utterances of `text` with at most `max_phonemes` phonemes; those without any are left out."""
    for start, end, pause_seconds in _sentence_spans(text):
        utterances = _split_long_sentence(text, start, end, to_phonemes, max_phonemes)
        spoken = [utterance for utterance in utterances if utterance.phonemes.strip()]
        yield from spoken[:-1]
        yield from (replace(last, pause_seconds=pause_seconds) for last in spoken[-1:])


def _sentence_spans(text: str) -> Iterator[tuple[int, int, float]]:
    start = 0
    for gap in SENTENCE_END.finditer(text):
        yield start, gap.start(), PARAGRAPH_PAUSE if "\n" in gap[0] else SENTENCE_PAUSE
        start = gap.end()
    yield start, len(text), 0.0


def _split_long_sentence(
    text: str, start: int, end: int, to_phonemes: Callable[[str], str], max_phonemes: int
) -> Iterator[Utterance]:
    """Halve a sentence until its parts are short enough: near the middle at a clause break, a space, or anywhere."""
    phonemes = to_phonemes(text[start:end]) if text[start:end].strip() else ""
    if len(phonemes) <= max_phonemes or end - start < 2:
        yield Utterance(text[start:end].strip(), phonemes[:max_phonemes], end, 0.0)
        return
    split_point = _find_split_point(text, start, end)
    yield from _split_long_sentence(text, start, split_point, to_phonemes, max_phonemes)
    yield from _split_long_sentence(text, split_point, end, to_phonemes, max_phonemes)


def _find_split_point(text: str, start: int, end: int) -> int:
    middle = (start + end) // 2
    middle_half = range(start + (end - start) // 4, end - (end - start) // 4 + 1)
    for pattern in (_CLAUSE_BREAK, _WHITESPACE):
        candidates = [gap.end() for gap in pattern.finditer(text, start, end) if gap.end() in middle_half]
        if candidates:
            return min(candidates, key=lambda index: abs(index - middle))
    return middle
