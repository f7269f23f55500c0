"""Draws: their distribution, their limits, and whose they are."""

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_runtime.engines.chat.sampling import CategoricalSampler, apply_top_p, greedy, make_sampler

pytestmark = pytest.mark.engines

LOGITS = st.lists(st.floats(-8, 8, width=32), min_size=2, max_size=30)


def row(values: list[float]) -> mx.array:
    """Logits of one row."""
    return mx.array([values], mx.float32)


def draws(draw: CategoricalSampler, logits: mx.array, number: int) -> np.ndarray:
    """Chosen tokens, one after the other."""
    return np.array([np.array(draw(logits)).argmax() for _ in range(number)])


def test_draws_follow_the_probabilities_at_the_temperature() -> None:
    logits = row([2.0, 1.0, 0.0, -1.0])

    chosen = draws(CategoricalSampler(0.7, seed=1), logits, 4000)

    expected = np.exp(np.array([2.0, 1.0, 0.0, -1.0]) / 0.7)
    frequencies = np.bincount(chosen, minlength=4) / 4000
    np.testing.assert_allclose(frequencies, expected / expected.sum(), atol=0.03)


@given(values=LOGITS, top_p=st.floats(0, 1))
def test_top_p_keeps_the_fewest_tokens_that_reach_it(values: list[float], top_p: float) -> None:
    kept = np.isfinite(np.array(apply_top_p(row(values), max(top_p, 1e-6))))[0]

    probabilities = np.exp(np.array(values, np.float64) - max(values))
    probabilities /= probabilities.sum()
    assert kept.any()
    assert probabilities[kept].sum() >= top_p - 1e-4
    assert probabilities[kept].sum() - probabilities[kept].min() <= max(top_p, 1e-6) + 1e-4
    assert probabilities[kept].min() >= probabilities[~kept].max(initial=0) - 1e-6


@given(values=LOGITS, seed=st.integers(-(2**70), 2**70))
def test_top_p_zero_is_greedy(values: list[float], seed: int) -> None:
    chosen = draws(CategoricalSampler(1.0, 0.0, seed), row(values), 1)[0]

    assert values[chosen] == max(values)


@given(seed=st.integers())
def test_a_seed_repeats_its_draws_whatever_its_size(seed: int) -> None:
    logits = mx.zeros((1, 1000))

    assert (
        draws(CategoricalSampler(1.0, seed=seed), logits, 3).tolist()
        == draws(CategoricalSampler(1.0, seed=seed), logits, 3).tolist()
    )


def test_draws_without_a_seed_differ() -> None:
    logits = mx.zeros((1, 1000))

    assert draws(CategoricalSampler(1.0), logits, 5).tolist() != draws(CategoricalSampler(1.0), logits, 5).tolist()


def test_temperature_zero_is_the_likeliest_token_in_full_precision() -> None:
    logits = mx.array([[1.0, 1.5, 0.5]], mx.bfloat16)

    assert make_sampler(0.0, 0.5, 7) is greedy
    assert greedy(logits).dtype == mx.float32
    assert np.array(greedy(logits)).argmax() == 1
