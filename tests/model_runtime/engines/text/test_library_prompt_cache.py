"""Why the prompt cache is ours: what mlx-lm's own one does. If a test fails here, ours may go (docs/decisions, 14)."""

import mlx.core as mx
import pytest
from mlx_lm.models.cache import KVCache, LRUPromptCache

pytestmark = pytest.mark.engines


def cache_of(tokens: list[int]) -> list[KVCache]:
    """A cache of one layer whose keys are the tokens."""
    cache = KVCache()
    keys = mx.array(tokens, mx.float32)[None, None, :, None]
    cache.update_and_fetch(keys, keys)
    return [cache]


def test_mlx_lm_drops_the_chat_that_was_used_last() -> None:
    store = LRUPromptCache(max_size=2)
    for tokens in ([1] * 10, [2] * 10):
        store.insert_cache(None, tokens, cache_of(tokens))
    used, _ = store.fetch_nearest_cache(None, [1] * 10)

    store.insert_cache(None, [3] * 10, cache_of([3] * 10))

    assert used is not None
    assert store.fetch_nearest_cache(None, [1] * 10)[0] is None
