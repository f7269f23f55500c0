"""Prefix cache of a text model: a chat that starts like an earlier one is prefilled only from where they differ.

It stores the keys and values of finished sequences and evicts the least recently used. Only mlx-lm's plain KVCache can
be cut at any token, so models with a sliding window or a state (Gemma 3, Mamba) always prefill the whole prompt.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import numpy as np
from mlx_lm.models.cache import KVCache, make_prompt_cache

MIN_CACHE_BYTES, MAX_CACHE_BYTES = 64_000_000, 1_000_000_000
"""Bounds of the cache's size limit, whatever the size of the weights."""
MAX_SHARE_OF_WEIGHTS = 0.5
"""The cache's size limit as a share of the weights."""
MAX_ENTRIES = 24
"""Each lookup compares the prompt with all entries."""
MIN_PREFIX_TOKENS = 8
"""A shorter match is not worth the copy of its keys and values."""

TokenArray = np.ndarray[tuple[int], np.dtype[np.int64]]


@dataclass(frozen=True, slots=True, eq=False)
class _CachedPrefix:
    tokens: TokenArray
    layer_caches: list[KVCache]
    nbytes: int


class PrefixCache:
    """Keys and values of finished sequences by their tokens: at most `limit_bytes` and `MAX_ENTRIES` sequences."""

    def __init__(self, model: Any, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes if is_trimmable(model) else 0
        self._entries: list[_CachedPrefix] = []

    @property
    def is_enabled(self) -> bool:
        """Whether this model's cache can be stored. If not, do not extract finished sequences."""
        return self._limit_bytes > 0

    @property
    def total_bytes(self) -> int:
        """Memory of the stored keys and values, in bytes."""
        return sum(prefix.nbytes for prefix in self._entries)

    def store(self, tokens: Sequence[int], layer_caches: list[Any]) -> None:
        """Store the caches of a finished sequence, one per layer, and drop the entries that it extends.

        `tokens` may be longer than the caches: the last generated token is not in them.
        """
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
        """Return how many of the first tokens are stored, and their caches, one per layer; (0, []) if too few are."""
        query = np.array(tokens[:-1], np.int64)  # the last token is always computed: its logits are needed
        shared_lengths = [_shared_prefix_length(cached.tokens, query) for cached in self._entries]
        cached_tokens = max(shared_lengths, default=0)
        if cached_tokens < MIN_PREFIX_TOKENS:
            return 0, []
        match = self._entries.pop(shared_lengths.index(cached_tokens))
        self._entries.append(match)
        return cached_tokens, [_trimmed(layer, cached_tokens) for layer in match.layer_caches]


def prefix_cache_limit_bytes(weights_bytes: int) -> int:
    """Return the cache's size limit in bytes for weights of this size."""
    return min(MAX_CACHE_BYTES, max(MIN_CACHE_BYTES, int(MAX_SHARE_OF_WEIGHTS * weights_bytes)))


def is_trimmable(model: Any) -> bool:
    """Return whether all layers have a plain KVCache, which can be cut at any token."""
    return all(type(layer) is KVCache for layer in make_prompt_cache(model))


def _shared_prefix_length(first: TokenArray, second: TokenArray) -> int:
    """Return the number of equal tokens at the start."""
    count = min(len(first), len(second))
    differs = first[:count] != second[:count]
    return int(differs.argmax()) if differs.any() else count


def _trimmed_to_length(layer: KVCache) -> KVCache:
    """Return a copy without the spare capacity, which mlx-lm allocates in steps of 256 tokens."""
    trimmed = _trimmed(layer, layer.offset)
    trimmed.keys, trimmed.values = mx.contiguous(trimmed.keys), mx.contiguous(trimmed.values)
    return trimmed


def _trimmed(layer: KVCache, token_count: int) -> KVCache:
    """Return a cache of the first tokens. It shares memory with `layer` until it grows, which copies it."""
    trimmed = KVCache()
    trimmed.keys, trimmed.values = layer.keys[..., :token_count, :], layer.values[..., :token_count, :]
    trimmed.offset = token_count
    return trimmed
