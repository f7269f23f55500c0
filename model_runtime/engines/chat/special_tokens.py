"""Keep a user's text from containing control tokens of a model, such as <|im_start|>."""

import re
from collections.abc import Iterable

from tokenizers import Tokenizer

ZERO_WIDTH_SPACE = "\u200b"


class SpecialTokens:
    """The texts that a tokenizer turns into control tokens."""

    def __init__(self, texts: Iterable[str]) -> None:
        longest_first = sorted(filter(None, set(texts)), key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    @classmethod
    def from_tokenizer(cls, tokenizer: Tokenizer) -> "SpecialTokens":
        """Return the added tokens that a tokenizer marks as special."""
        return cls(token.content for token in tokenizer.get_added_tokens_decoder().values() if token.special)

    def escape(self, text: str) -> str:
        """Return the text with a zero-width space in each control token: it looks the same but is plain text."""
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda found: found[0][0] + ZERO_WIDTH_SPACE + found[0][1:], text)
