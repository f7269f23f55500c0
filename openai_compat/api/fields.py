"""Values that clients spell in many ways, each read into one meaning. Every function raises ValueError with advice."""

import re
from collections.abc import Iterable

SIZE_PATTERN = re.compile(r"(\d{1,5})\s*[x×]\s*(\d{1,5})")
SIDE_MULTIPLE = 16
SMALLEST_SIDE, LARGEST_SIDE = 64, 2048
GRANULARITIES = frozenset({"word", "segment"})
JSON_PUNCTUATION = str.maketrans('[]",', "    ")


def parse_size(value: object) -> tuple[int, int] | None:
    """Read "WIDTHxHEIGHT" in pixels; None for "auto"."""
    text = value.strip().lower() if isinstance(value, str) else "?"
    if text in ("", "auto"):
        return None
    match = SIZE_PATTERN.fullmatch(text)
    sides = (int(match[1]), int(match[2])) if match else (0, 0)
    if not all(SMALLEST_SIDE <= side <= LARGEST_SIDE and side % SIDE_MULTIPLE == 0 for side in sides):
        raise ValueError(
            f'give "auto" or "WIDTHxHEIGHT", each a multiple of {SIDE_MULTIPLE} from {SMALLEST_SIDE} to {LARGEST_SIDE}'
        )
    return sides


def parse_granularities(value: object) -> frozenset[str]:
    """Read timestamp granularities: one word, several with commas, a JSON list, or a list of any of these."""
    values = value if isinstance(value, (list, tuple, set, frozenset)) else [value]
    granularities = frozenset(name for spelling in values for name in _split_names(spelling))
    if not granularities <= GRANULARITIES:
        raise ValueError('give "word", "segment" or both')
    return granularities


def _split_names(value: object) -> Iterable[str]:
    """The brackets and quotes of a JSON list mean nothing to names that hold neither; no text is no known name."""
    text = value if isinstance(value, str) else "?"
    return [name.lower() for name in text.translate(JSON_PUNCTUATION).split()]
