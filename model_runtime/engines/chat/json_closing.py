"""End JSON in time: of the tokens that a schema allows, keep those that close what is open.

A schema often leaves open how long a string, a list or a number is, and how deep it nests; a small model then writes on
until its tokens run out, and what it wrote is no JSON. The schema itself is not changed: what is kept is always a part
of what it allows, so an answer that ends in time matches it, whatever keywords it has.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model_runtime.engines.chat.json_position import JsonPosition

CLOSING_ORDER = b'}],ntf0123456789-"[{'
"""First bytes outside strings, the one that ends a text soonest first."""
DEPTH_TOKENS = 6
"""What closing one list or object may take, with a required key after it."""
SPARE_TOKENS = 8
MAX_RESERVED_SHARE = 4
"""At most a fourth of the answer's tokens is kept for closing: a longer text would end early for want of use."""

Allowed = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class ClosingRanks:
    """How soon each token ends a text, the soonest first: in a string and outside. Shapes (vocabulary,)."""

    in_string: NDArray[np.uint8]
    outside: NDArray[np.uint8]


def closing_ranks(token_bytes: Sequence[bytes], eos_token_ids: Sequence[int]) -> ClosingRanks:
    """Return the ranks of a vocabulary. Of the tokens with one first byte, that byte alone comes first."""
    in_string, outside = (_ranks(token_bytes, order) for order in (b'"', CLOSING_ORDER))
    for token_id in eos_token_ids:
        in_string[token_id] = outside[token_id] = 0
    return ClosingRanks(in_string, outside)


def _ranks(token_bytes: Sequence[bytes], order: bytes) -> NDArray[np.uint8]:
    ranks = {byte: 1 + 2 * index for index, byte in enumerate(order)}
    worst = 1 + 2 * len(order)
    closing = [(ranks[text[0]] + (len(text) > 1)) if text and text[0] in order else worst for text in token_bytes]
    return np.array(closing, np.uint8)


class JsonCloser:
    """Closes one answer of at most `max_tokens`. `shortest` is `shortest_bytes` of its schema."""

    def __init__(self, max_tokens: int, shortest: int) -> None:
        self.has_closed = False
        """Whether it kept the model from a token that the schema allows."""
        self._position = JsonPosition()
        self._tokens_left = max_tokens
        self._max_reserve = max_tokens // MAX_RESERVED_SHARE
        self._shortest_tokens = shortest // 2 + SPARE_TOKENS

    def advance(self, token: bytes) -> None:
        """Go on by the text of the next token."""
        self._position.advance(token)
        self._tokens_left -= 1

    @property
    def is_closing(self) -> bool:
        """Whether something is too long, or the tokens that are left are needed to close what is open."""
        reserve = self._shortest_tokens + DEPTH_TOKENS * len(self._position.commas)
        return self._tokens_left <= min(reserve, self._max_reserve) or self._position.is_overlong

    def restrict(self, allowed: Allowed, ranks: ClosingRanks) -> Allowed:
        """Return the tokens of `allowed` (vocabulary,) that end the text soonest."""
        own = (ranks.in_string if self._position.in_string else ranks.outside)[: allowed.size]
        kept: Allowed = allowed & (own == own[allowed].min(initial=np.iinfo(np.uint8).max))
        self.has_closed |= bool((kept != allowed).any())
        return kept
