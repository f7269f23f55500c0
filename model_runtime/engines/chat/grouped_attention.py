"""Attention of one new token without a GPU: queries that share keys and values are multiplied with them at once.

MLX's CPU path multiplies every query head with keys and values by itself. Grouped, as the model means them, the same
attention takes half the time: eight rows of 256 tokens in nine layers 4.2 ms a token instead of 8.2.
"""

from collections.abc import Callable
from typing import Any

import mlx.core as mx

AttentionMask = mx.array | str | None

ungrouped_attention: Callable[..., mx.array] = mx.fast.scaled_dot_product_attention
"""The library's own."""


def install_grouped_attention() -> None:
    """Let every model of this process attend so, where there is no GPU: models look the function up by its name."""
    if not mx.metal.is_available():
        mx.fast.scaled_dot_product_attention = grouped_attention


def grouped_attention(
    q: mx.array, k: mx.array, v: mx.array, *, scale: float, mask: AttentionMask = None, **options: Any
) -> mx.array:
    """Attention of queries (rows x heads x tokens x size) over keys and values, which may have fewer heads.

    `options` and whatever else is not grouped here goes to the library.
    """
    batch, heads, tokens, size = q.shape
    kv_heads = k.shape[1]
    can_group = (
        tokens == 1
        and kv_heads < heads
        and q.dtype == mx.float32
        and all(value is None for value in options.values())
        and _is_same_for_all_heads(mask)
    )
    if not can_group:
        return ungrouped_attention(q, k, v, scale=scale, mask=mask, **options)
    scores = (q * scale).reshape(batch, kv_heads, heads // kv_heads, size) @ k.swapaxes(-1, -2)
    weights = mx.softmax(_apply_mask(scores, mask), axis=-1, precise=True)
    return (weights @ v).reshape(batch, heads, 1, v.shape[-1])


def _is_same_for_all_heads(mask: AttentionMask) -> bool:
    """Whether a mask says the same for all heads. The only new token is the last: "causal" hides nothing from it."""
    return not isinstance(mask, mx.array) or mask.ndim < 3 or mask.shape[-3] == 1


def _apply_mask(scores: mx.array, mask: AttentionMask) -> mx.array:
    if not isinstance(mask, mx.array):
        return scores
    if mask.dtype == mx.bool_:
        return mx.where(mask, scores, mx.finfo(scores.dtype).min)
    return scores + mask
