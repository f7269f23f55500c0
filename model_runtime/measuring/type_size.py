"""The size of type from the height of its ink."""

import unicodedata

DESCENDING = frozenset("gjpqyQ,;()[]{}|/\\@$")
SMALL_LETTERS = frozenset("acegmnopqrsuvwxyz")
CAPITAL_HEIGHT, SMALL_HEIGHT, DESCENT = 0.72, 0.53, 0.21
"""In sizes of the type, from Arial, Helvetica, Roboto, Inter and DejaVu Sans, whose own values differ by up to 8 %."""
FULL_HEIGHT = 0.92
"""The same of Chinese, Japanese and Korean signs."""


def type_size(text: str, ink_height: float) -> float:
    """Return the size of the type in pixels of a line with this text, whose ink has this height."""
    letters = [letter for letter in text if not letter.isspace()]
    if any(unicodedata.east_asian_width(letter) in "WF" for letter in letters):
        return ink_height / FULL_HEIGHT
    above = SMALL_HEIGHT if letters and all(letter in SMALL_LETTERS for letter in letters) else CAPITAL_HEIGHT
    below = DESCENT if any(letter in DESCENDING for letter in letters) else 0.0
    return ink_height / (above + below)
