"""What a text model has read before: a chat that goes on, or begins like another, is read from where it differs.

Kept are the keys and values of ended rows, the least recently used given up first. Only plain caches can be cut at
any token; a model with a window or a state (Gemma 3, Mamba) reads everything anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import numpy as np
from mlx_lm.models.cache import KVCache, make_prompt_cache

LEAST_LIMIT_BYTES, MOST_LIMIT_BYTES = 64_000_000, 1_000_000_000
WEIGHTS_SHARE = 0.5
"""What is kept takes at most so much of what the weights take, within these limits."""
MOST_CHATS = 24
"""Every one is looked at for every prompt."""
LEAST_TOKENS = 8
"""Less than this is not worth the copy."""

Tokens = np.ndarray[tuple[int], np.dtype[np.int64]]


@dataclass(frozen=True, slots=True, eq=False)
class _Prefix:
    tokens: Tokens
    layers: list[KVCache]
    nbytes: int


class Prefixes:
    """Keys and values with the tokens they stand for, at most `limit_bytes` of them and of `MOST_CHATS` chats."""

    def __init__(self, model: Any, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes if can_be_cut(model) else 0
        self._kept: list[_Prefix] = []

    @property
    def keeps_any(self) -> bool:
        """Whether rows of this model can be kept at all; if not, taking one out of its batch is for nothing."""
        return self._limit_bytes > 0

    @property
    def held_bytes(self) -> int:
        """What is kept takes in memory."""
        return sum(prefix.nbytes for prefix in self._kept)

    def keep(self, tokens: Sequence[int], layers: list[Any]) -> None:
        """Keep what `layers` hold of a row that has ended, in place of what it continues. `tokens` may be more."""
        if not self.keeps_any:
            return
        layers = [_without_room(layer) for layer in layers]
        nbytes = sum(layer.nbytes for layer in layers)
        if nbytes > self._limit_bytes:
            return
        mx.async_eval([(layer.keys, layer.values) for layer in layers])  # type: ignore[no-untyped-call]
        new = _Prefix(np.array(tokens[: layers[0].offset], np.int64), layers, nbytes)
        others = [kept for kept in self._kept if _shared(kept.tokens, new.tokens) < len(kept.tokens)]
        self._kept = [*others, new]
        while len(self._kept) > MOST_CHATS or self.held_bytes > self._limit_bytes:
            del self._kept[0]

    def recall(self, tokens: Sequence[int]) -> tuple[int, list[KVCache]]:
        """Return how many of the first tokens are known, and caches that hold them; at least one is left to read."""
        wanted = np.array(tokens[:-1], np.int64)
        shared = [_shared(kept.tokens, wanted) for kept in self._kept]
        known = max(shared, default=0)
        if known < LEAST_TOKENS:
            return 0, []
        best = self._kept.pop(shared.index(known))
        self._kept.append(best)
        return known, [_cut(layer, known) for layer in best.layers]


def limit_bytes(weights_bytes: int) -> int:
    """Return how much may be kept beside weights of this size."""
    return min(MOST_LIMIT_BYTES, max(LEAST_LIMIT_BYTES, int(WEIGHTS_SHARE * weights_bytes)))


def can_be_cut(model: Any) -> bool:
    """Whether all layers have plain caches, any first part of which is the cache of the first tokens."""
    return all(type(layer) is KVCache for layer in make_prompt_cache(model))


def _shared(one: Tokens, other: Tokens) -> int:
    """How many first tokens are the same."""
    count = min(len(one), len(other))
    differs = one[:count] != other[:count]
    return int(differs.argmax()) if differs.any() else count


def _without_room(layer: KVCache) -> KVCache:
    """The same cache without the room it has for more tokens, which may be more than it holds."""
    cut = _cut(layer, layer.offset)
    cut.keys, cut.values = mx.contiguous(cut.keys), mx.contiguous(cut.values)
    return cut


def _cut(layer: KVCache, tokens: int) -> KVCache:
    """A cache of the first tokens. It shares the memory of what is kept, which is copied as soon as it grows."""
    cut = KVCache()
    cut.keys, cut.values, cut.offset = layer.keys[..., :tokens, :], layer.values[..., :tokens, :], tokens
    return cut
