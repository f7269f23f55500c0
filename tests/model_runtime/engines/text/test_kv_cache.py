"""Caches of one row and of many: what joins, leaves and is padded stays what it was alone."""

import mlx.core as mx
import pytest
from mlx_lm.models.cache import BatchKVCache, KVCache

from model_runtime.engines.text.kv_cache import BatchPromptCache

pytestmark = pytest.mark.engines


def read(caches: BatchPromptCache, *rows: list[float]) -> None:
    """Take in so many tokens of every row; a token's key is its number."""
    keys = mx.array(rows)[:, None, :, None]
    for layer in caches.layers:
        layer.update_and_fetch(keys, keys)


def held(layer: KVCache) -> list[float]:
    """The tokens of a plain cache."""
    tokens: list[float] = layer.keys[0, 0, : layer.offset, 0].tolist()
    return tokens


def test_a_row_alone_keeps_the_plain_kind_which_needs_no_mask() -> None:
    caches = BatchPromptCache.merge([[KVCache()]])
    read(caches, [1, 2, 3])

    caches.filter([0])

    assert type(caches.layers[0]) is KVCache
    assert held(caches.extract(0)[0]) == [1, 2, 3]


def test_padding_is_masked_while_rows_of_different_lengths_are_together() -> None:
    caches, shorter = BatchPromptCache.merge([[KVCache()]]), BatchPromptCache.merge([[KVCache()]])
    read(caches, [1, 2, 3])
    read(shorter, [8, 9])

    caches.extend(shorter)

    assert isinstance(caches.layers[0], BatchKVCache)
    assert caches.layers[0].make_mask(1).reshape(2, 4).tolist() == [[True] * 4, [False, True, True, True]]


def test_every_row_can_be_taken_out_as_it_was() -> None:
    caches = BatchPromptCache.merge([[KVCache()], [KVCache()]])
    with caches.right_padded([3, 1]):
        read(caches, [1, 2, 3], [7, 0, 0])
    more = BatchPromptCache.merge([[KVCache()]])
    read(more, [4, 5])

    caches.extend(more)

    assert [held(caches.extract(row)[0]) for row in range(3)] == [[1, 2, 3], [7], [4, 5]]


def test_the_rows_that_are_kept_move_up() -> None:
    caches = BatchPromptCache.merge([[KVCache()], [KVCache()], [KVCache()]])
    read(caches, [1, 1], [2, 2], [3, 3])

    caches.filter([0, 2])

    assert [held(caches.extract(row)[0]) for row in range(2)] == [[1, 1], [3, 3]]
