"""Attention of one new token without a GPU: queries that share keys and values are multiplied with them at once.

MLX's CPU path multiplies every query head with keys and values by itself. Grouped, as the model means them, the same
attention takes half the time: eight rows of 256 tokens in nine layers 4.2 ms a token instead of 8.2.
"""

from collections.abc import Callable
from typing import Any

import mlx.core as mx

Mask = mx.array | str | None

whole: Callable[..., mx.array] = mx.fast.scaled_dot_product_attention
"""The library's own."""


def group_queries() -> None:
    """Let every model of this process attend so, where there is no GPU: models look the function up by its name."""
    if not mx.metal.is_available():
        mx.fast.scaled_dot_product_attention = attend


def attend(q: mx.array, k: mx.array, v: mx.array, *, scale: float, mask: Mask = None, **others: Any) -> mx.array:
    """Attention of queries (rows x heads x tokens x size) over keys and values, which may have fewer heads.

    `others` and whatever else is not grouped here goes to the library.
    """
    rows, heads, tokens, size = q.shape
    shared = k.shape[1]
    is_plain = all(value is None for value in others.values()) and _is_flat(mask)
    if not (tokens == 1 and shared < heads and q.dtype == mx.float32 and is_plain):
        return whole(q, k, v, scale=scale, mask=mask, **others)
    scores = (q * scale).reshape(rows, shared, heads // shared, size) @ k.swapaxes(-1, -2)
    weights = mx.softmax(_masked(scores, mask), axis=-1, precise=True)
    return (weights @ v).reshape(rows, heads, 1, v.shape[-1])


def _is_flat(mask: Mask) -> bool:
    """Whether a mask says the same for all heads. The only new token is the last: "causal" hides nothing from it."""
    return not isinstance(mask, mx.array) or mask.ndim < 3 or mask.shape[-3] == 1


def _masked(scores: mx.array, mask: Mask) -> mx.array:
    if not isinstance(mask, mx.array):
        return scores
    if mask.dtype == mx.bool_:
        return mx.where(mask, scores, mx.finfo(scores.dtype).min)
    return scores + mask
