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

MIN_CACHE_BYTES, MAX_CACHE_BYTES = 64_000_000, 1_000_000_000
MAX_SHARE_OF_WEIGHTS = 0.5
"""What is kept takes at most so much of what the weights take, within these limits."""
MAX_ENTRIES = 24
"""Every one is looked at for every prompt."""
MIN_PREFIX_TOKENS = 8
"""Less than this is not worth the copy."""

TokenArray = np.ndarray[tuple[int], np.dtype[np.int64]]


@dataclass(frozen=True, slots=True, eq=False)
class _CachedPrefix:
    tokens: TokenArray
    layer_caches: list[KVCache]
    nbytes: int


class PrefixCache:
    """Keys and values with the tokens they stand for, at most `limit_bytes` of them and of `MAX_ENTRIES` chats."""

    def __init__(self, model: Any, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes if is_trimmable(model) else 0
        self._entries: list[_CachedPrefix] = []

    @property
    def is_enabled(self) -> bool:
        """Whether rows of this model can be kept at all; if not, taking one out of its batch is for nothing."""
        return self._limit_bytes > 0

    @property
    def total_bytes(self) -> int:
        """What is kept takes in memory."""
        return sum(prefix.nbytes for prefix in self._entries)

    def store(self, tokens: Sequence[int], layer_caches: list[Any]) -> None:
        """Keep what `layer_caches` hold of a row that has ended, in place of what it continues. `tokens` may be more."""
        if not self.is_enabled:
            return
        layer_caches = [_trimmed_to_length(layer) for layer in layer_caches]
        nbytes = sum(layer.nbytes for layer in layer_caches)
        if nbytes > self._limit_bytes:
            return
        mx.async_eval([(layer.keys, layer.values) for layer in layer_caches])  # type: ignore[no-untyped-call]
        entry = _CachedPrefix(np.array(tokens[: layer_caches[0].offset], np.int64), layer_caches, nbytes)
        not_extended = [
            cached
            for cached in self._entries
            if _shared_prefix_length(cached.tokens, entry.tokens) < len(cached.tokens)
        ]
        self._entries = [*not_extended, entry]
        while len(self._entries) > MAX_ENTRIES or self.total_bytes > self._limit_bytes:
            del self._entries[0]

    def lookup(self, tokens: Sequence[int]) -> tuple[int, list[KVCache]]:
        """Return how many of the first tokens are known, and caches that hold them; at least one is left to read."""
        query = np.array(tokens[:-1], np.int64)
        shared_lengths = [_shared_prefix_length(cached.tokens, query) for cached in self._entries]
        cached_tokens = max(shared_lengths, default=0)
        if cached_tokens < MIN_PREFIX_TOKENS:
            return 0, []
        match = self._entries.pop(shared_lengths.index(cached_tokens))
        self._entries.append(match)
        return cached_tokens, [_trimmed(layer, cached_tokens) for layer in match.layer_caches]


def prefix_cache_limit_bytes(weights_bytes: int) -> int:
    """Return how much may be kept beside weights of this size."""
    return min(MAX_CACHE_BYTES, max(MIN_CACHE_BYTES, int(MAX_SHARE_OF_WEIGHTS * weights_bytes)))


def is_trimmable(model: Any) -> bool:
    """Whether all layers have plain caches, any first part of which is the cache of the first tokens."""
    return all(type(layer) is KVCache for layer in make_prompt_cache(model))


def _shared_prefix_length(first: TokenArray, second: TokenArray) -> int:
    """How many first tokens are the same."""
    count = min(len(first), len(second))
    differs = first[:count] != second[:count]
    return int(differs.argmax()) if differs.any() else count


def _trimmed_to_length(layer: KVCache) -> KVCache:
    """The same cache without the room it has for more tokens, which may be more than it holds."""
    trimmed = _trimmed(layer, layer.offset)
    trimmed.keys, trimmed.values = mx.contiguous(trimmed.keys), mx.contiguous(trimmed.values)
    return trimmed


def _trimmed(layer: KVCache, token_count: int) -> KVCache:
    """A cache of the first tokens. It shares the memory of what is kept, which is copied as soon as it grows."""
    trimmed = KVCache()
    trimmed.keys, trimmed.values, trimmed.offset = (
        layer.keys[..., :token_count, :],
        layer.values[..., :token_count, :],
        token_count,
    )
    return trimmed
