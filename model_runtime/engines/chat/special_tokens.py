"""Control tokens of a model, such as <|im_start|>, must not come from what a user writes."""

import re
from collections.abc import Iterable

from tokenizers import Tokenizer

ZERO_WIDTH_SPACE = "\u200b"


class SpecialTokens:
    """The texts that a tokenizer reads as control tokens."""

    def __init__(self, texts: Iterable[str]) -> None:
        longest_first = sorted(filter(None, set(texts)), key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    @classmethod
    def from_tokenizer(cls, tokenizer: Tokenizer) -> "SpecialTokens":
        """Return the markers that a tokenizer calls special."""
        return cls(token.content for token in tokenizer.get_added_tokens_decoder().values() if token.special)

    def escape(self, text: str) -> str:
        """Return the text with an invisible space in each marker: it looks the same and is read as plain text."""
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda found: found[0][0] + ZERO_WIDTH_SPACE + found[0][1:], text)
