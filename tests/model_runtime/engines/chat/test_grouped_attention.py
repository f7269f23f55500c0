"""Grouped attention gives the results of MLX's own, and is there for the version of MLX that was measured."""

from importlib.metadata import version

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_runtime.engines.chat.grouped_attention import grouped_attention, ungrouped_attention

pytestmark = pytest.mark.engines

MASKS = ("none", "causal", "bool", "bool for all rows", "added", "bool for each head")


@given(
    rows=st.integers(1, 3),
    shared=st.integers(1, 3),
    group=st.integers(1, 4),
    tokens=st.integers(1, 3),
    more=st.integers(0, 20),
    kind=st.sampled_from(MASKS),
    dtype=st.sampled_from([mx.float32, mx.float16]),
    seed=st.integers(0, 99),
)
def test_grouped_attention_is_the_librarys(
    rows: int, shared: int, group: int, tokens: int, more: int, kind: str, dtype: mx.Dtype, seed: int
) -> None:
    length, heads = tokens + more, shared * group
    keys = mx.random.split(mx.random.key(seed), 5)
    q = mx.random.normal((rows, heads, tokens, 8), key=keys[0]).astype(dtype)
    k, v = (mx.random.normal((rows, shared, length, 8), key=key).astype(dtype) for key in keys[1:3])
    seen = mx.random.bernoulli(0.7, (rows, heads, tokens, length), key=keys[3])
    seen[..., 0] = True
    mask = {
        "none": None,
        "causal": "causal",
        "bool": seen[:, :1],
        "bool for all rows": seen[0, 0],
        "added": mx.random.normal((rows, 1, tokens, length), key=keys[4]).astype(dtype),
        "bool for each head": seen,
    }[kind]

    ours = grouped_attention(q, k, v, scale=0.3, mask=mask, sinks=None)

    assert ours.dtype == dtype
    np.testing.assert_allclose(ours, ungrouped_attention(q, k, v, scale=0.3, mask=mask), atol=1e-5)


def test_mlx_is_the_version_whose_attention_was_measured() -> None:
    """How much slower MLX's own is on a CPU is a row of the benchmark, since tests do not measure time."""
    assert version("mlx") == "0.32.4", (
        "Run `python -m benchmarks --only attention`: if MLX's own attention is now as fast as ours, remove "
        "model_runtime/engines/chat/grouped_attention.py; else change the version here."
    )
