"""Parsers of fields that clients write in several ways. The text of a ValueError completes "FIELD is VALUE: …"."""

import re
from collections.abc import Iterable

from model_runtime.drawing_size import MAX_SIDE, MIN_SIDE

SIZE_PATTERN = re.compile(r"(\d{1,5})\s*[x×]\s*(\d{1,5})")
GRANULARITIES = frozenset({"word", "segment"})
JSON_PUNCTUATION = str.maketrans('[]",', "    ")


def parse_size(value: object) -> tuple[int, int] | None:
    """Return (width, height) of "WIDTHxHEIGHT" in pixels, or None for "auto".

    Raises:
        ValueError: the value is neither, or a side is not from 16 to 4096.
    """
    text = value.strip().lower() if isinstance(value, str) else "?"
    if text in ("", "auto"):
        return None
    match = SIZE_PATTERN.fullmatch(text)
    sides = (int(match[1]), int(match[2])) if match else (0, 0)
    if not all(MIN_SIDE <= side <= MAX_SIDE for side in sides):
        raise ValueError(f'give "auto" or "WIDTHxHEIGHT", each from {MIN_SIDE} to {MAX_SIDE}')
    return sides


def parse_granularities(value: object) -> frozenset[str]:
    """Return the timestamp granularities in a word, a comma-separated text, a JSON list, or a list of these.

    Raises:
        ValueError: a granularity is neither "word" nor "segment".
    """
    values = value if isinstance(value, (list, tuple, set, frozenset)) else [value]
    granularities = frozenset(name for spelling in values for name in _split_names(spelling))
    if not granularities <= GRANULARITIES:
        raise ValueError('give "word", "segment" or both')
    return granularities


def _split_names(value: object) -> Iterable[str]:
    text = value if isinstance(value, str) else "?"  # not the name of any granularity
    return [name.lower() for name in text.translate(JSON_PUNCTUATION).split()]
