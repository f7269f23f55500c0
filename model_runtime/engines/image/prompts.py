"""Prompts as a transformer reads them: encoding costs a good part of a picture, and several of one prompt are common."""

from collections import OrderedDict
from collections.abc import Callable

import mlx.core as mx

Text = tuple[mx.array, ...]
"""An encoded prompt: what the family's transformer takes, a few megabytes."""

KEPT = 8


class Prompts:
    """Encodes prompts and keeps the last few."""

    def __init__(self, encode: Callable[[str], Text], kept: int = KEPT) -> None:
        self._encode = encode
        self._kept = kept
        self._texts: OrderedDict[str, Text] = OrderedDict()

    def read(self, prompt: str) -> Text:
        """Return the encoded prompt, computed."""
        if prompt not in self._texts:
            text = self._encode(prompt)
            mx.eval(text)
            self._texts[prompt] = text
        self._texts.move_to_end(prompt)
        if len(self._texts) > self._kept:
            self._texts.popitem(last=False)
        return self._texts[prompt]
