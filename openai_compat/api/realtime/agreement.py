"""Which words of a text that is still heard are certain. Pure.

LocalAgreement-2 (D. Macháček, R. Dabre, O. Bojar, "Turning Whisper into Real-Time Transcription System",
arXiv:2307.14743, after
D. Liu et al., "Low-Latency Sequence-to-Sequence Speech Recognition and Translation by Partial Hypothesis Selection", 2020):
the growing sound is transcribed again and again, and what two passes in a row agree on is certain.
"""

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import takewhile

WORD = re.compile(r"\s*(?:[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\s\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+)")
"""A word with the space before it; a character of Japanese or Chinese, which have no spaces."""
MAX_INSERTED_WORDS = 3
"""By how many words a later pass may be longer up to the same place."""


class LocalAgreement:
    """The certain words of one turn. They are told once and never taken back."""

    def __init__(self) -> None:
        self._certain: list[str] = []
        self._uncertain: list[str] = []
        """What the last pass heard after the certain words."""

    def add(self, text: str) -> str:
        """Take the text of one more pass and return what has become certain."""
        rest = self._rest_of(text)
        pairs = zip(rest, self._uncertain, strict=False)
        agreed = len(list(takewhile(lambda pair: _bare(pair[0]) == _bare(pair[1]), pairs)))
        self._uncertain = rest[agreed:]
        return self._tell(rest[:agreed])

    def finish(self, text: str) -> str:
        """Take the text of the last pass and return what was not told yet."""
        return self._tell(self._rest_of(text))

    def _tell(self, words: list[str]) -> str:
        told = "".join(words)
        delta = told if self._certain else told.lstrip()
        self._certain += words
        return delta

    def _rest_of(self, text: str) -> list[str]:
        words = WORD.findall(text.strip())
        return words[position_after(self._certain, words) :]


def position_after(certain: Sequence[str], words: Sequence[str]) -> int:
    """Return where in `words` the certain words end, though a later pass may hear some of them otherwise."""
    told, beginning = ([_bare(word) for word in part] for part in (certain, words[: len(certain) + MAX_INSERTED_WORDS]))
    *blocks, _ = SequenceMatcher(None, told, beginning, autojunk=False).get_matching_blocks()
    end, matched = (blocks[-1].b + blocks[-1].size, blocks[-1].a + blocks[-1].size) if blocks else (0, 0)
    return min(end + len(certain) - matched, len(words))


def _bare(word: str) -> str:
    """Return a word without case, space and punctuation, which a later word may change."""
    return re.sub(r"\W", "", word).casefold()
