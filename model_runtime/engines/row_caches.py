"""mlx-lm's keys and values of a batch, without the mask that a single answer does not need.

The library's batch keeps out the padding of shorter rows by a mask that it builds anew for every token. One row has no
padding: attention then runs as it does outside of batches, which for a tiny model saves a tenth of an answer's time.
"""

from typing import Any

import mlx.core as mx
from mlx_lm.models.cache import BatchKVCache, KVCache, make_prompt_cache


class BatchRows(BatchKVCache):
    """Keys and values of all rows of a batch."""

    def make_mask(self, N: int, return_array: bool = False, **limits: Any) -> mx.array | str | None:
        """Return what `N` new tokens of every row must not see; None for nothing, "causal" for each other's future."""
        is_plain = self.offset.shape[0] == 1 and not return_array and not limits.get("window_size")
        if is_plain:
            return None if N == 1 else "causal"
        return super().make_mask(N, return_array, **limits)


class NewRow(KVCache):
    """The empty cache of a prompt that waits for its batch."""

    @classmethod
    def merge(cls, rows: list["NewRow"]) -> BatchRows:
        """Return the cache of a batch of these prompts."""
        return BatchRows([0] * len(rows))


def new_row(model: Any) -> list[Any]:
    """Return the caches of a new prompt, one a layer; kinds other than plain keys and values stay the library's."""
    return [NewRow() if type(cache) is KVCache else cache for cache in make_prompt_cache(model)]
