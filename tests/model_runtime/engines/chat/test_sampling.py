"""Draws: their distribution, their limits, and whose they are."""

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_runtime.engines.chat.penalties import make_penalties
from model_runtime.engines.chat.sampling import (
    CategoricalSampler,
    TokenSampler,
    apply_min_p,
    apply_top_k,
    apply_top_p,
    greedy,
    make_sampler,
    sample,
)
from model_runtime.errors import InvalidInput
from tests.model_runtime.engines.step_engine_driver import chat

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

    assert make_sampler(chat("a", temperature=0.0, top_p=0.5, seed=7, top_k=1)) is greedy
    assert greedy(logits).dtype == mx.float32
    assert np.array(greedy(logits)).argmax() == 1


@given(values=LOGITS, top_k=st.integers(1, 40))
def test_top_k_keeps_the_likeliest_tokens(values: list[float], top_k: int) -> None:
    kept = np.isfinite(np.array(apply_top_k(row(values), min(top_k, len(values)))))[0]

    threshold = sorted(values, reverse=True)[min(top_k, len(values)) - 1]
    assert kept.tolist() == [value >= threshold for value in values]


@given(values=LOGITS, min_p=st.floats(0.001, 1))
def test_min_p_keeps_what_is_likely_enough_beside_the_likeliest(values: list[float], min_p: float) -> None:
    kept = np.isfinite(np.array(apply_min_p(row(values), min_p)))[0]

    ratios = np.exp(np.array(values, np.float64) - max(values))
    assert kept[ratios >= min_p * 1.00001].all()
    assert not kept[ratios < min_p * 0.99999].any()


@pytest.mark.promise("chat:sampling")
@pytest.mark.parametrize(
    ("options", "possible"),
    [
        ({"top_k": 2}, {0, 1}),
        ({"min_p": 0.3}, {0, 1}),
        ({"top_k": 9, "top_p": 0.5}, {0}),
        ({"top_k": 100}, {0, 1, 2, 3}),
    ],
)
def test_only_kept_tokens_are_drawn(options: dict[str, float], possible: set[int]) -> None:
    sampler = make_sampler(chat("a", temperature=1.0, seed=3, **options))

    chosen = {int(np.array(sampler(row([2.0, 1.0, 0.0, -1.0]))).argmax()) for _ in range(300)}

    assert chosen == possible


@pytest.mark.promise("chat:sampling")
def test_penalties_follow_the_formula_of_openai() -> None:
    """logit - count * frequency_penalty - (count > 0) * presence_penalty, of what the model wrote, and the bias."""
    options = {"frequency_penalty": 0.5, "presence_penalty": 1.25, "logit_bias": ((4, 7.0),)}
    penalties = make_penalties(chat("a", **options), [0, 1], 5)
    assert penalties is not None

    logits = mx.zeros((1, 5), mx.bfloat16)
    scores = [np.array(penalties.apply(mx.array([token]), logits))[0].tolist() for token in (1, 2, 2, 3)]

    assert scores == [
        [0, 0, 0, 0, 7],
        [0, 0, -1.75, 0, 7],
        [0, 0, -2.25, 0, 7],
        [0, 0, -2.25, -1.75, 7],
    ]


@pytest.mark.promise("chat:sampling")
def test_a_repetition_penalty_counts_prompt_and_answer_once_each() -> None:
    penalties = make_penalties(chat("a", repetition_penalty=2.0), [0, 1, 1], 4)
    assert penalties is not None

    logits = row([4.0, -4.0, 4.0, 4.0])
    scores = [np.array(penalties.apply(mx.array([token]), logits))[0].tolist() for token in (1, 2, 2)]

    assert scores == [[2, -8, 4, 4], [2, -8, 2, 4], [2, -8, 2, 4]]
    assert np.array(logits).tolist() == [[4, -4, 4, 4]], "the logits of a batch are not changed in place"


def test_a_bias_of_a_token_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InvalidInput, match="logit_bias has the token 5, but the vocabulary of a-model ends at 4"):
        make_penalties(chat("a", logit_bias=((5, 1.0),)), [0], 5)


def test_a_chat_without_penalties_has_none_and_stays_greedy() -> None:
    assert make_penalties(chat("a"), [0], 5) is None
    assert TokenSampler(greedy, None, None).is_greedy


def test_penalties_of_one_answer_leave_the_others_alone() -> None:
    biased = make_penalties(chat("a", logit_bias=((2, 9.0),)), [0], 3)
    samplers = [TokenSampler(greedy), TokenSampler(greedy, None, biased), TokenSampler(greedy)]

    chosen = sample(samplers, mx.array([[1.0, 0.0, 0.0]] * 3), mx.array([0, 0, 0]))

    assert np.array(chosen).tolist() == [0, 2, 0]
