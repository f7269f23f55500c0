"""However a prompt is read, alone or with others, in one go or in pieces, its answer begins with the same logits."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx_lm
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlx_lm.models.cache import make_prompt_cache

from model_runtime.engines.dtype import evaluate_weights
from model_runtime.engines.text.kv_cache import BatchPromptCache
from model_runtime.engines.text.prefill import MIN_SINGLE_PASS_TOKENS, PrefillBatch, single_pass_tokens
from tests.checkpoints import gemma, llama
from tests.model_runtime.engines.conftest import CheckpointBuilder

pytestmark = pytest.mark.engines

PROMPTS = st.lists(st.lists(st.integers(5, 500), min_size=1, max_size=30), min_size=1, max_size=4)


@pytest.fixture(scope="module", params=[llama.build, gemma.build_gemma3_text], ids=["llama", "gemma3"])
def model(request: pytest.FixtureRequest, checkpoint: Callable[[CheckpointBuilder], Path]) -> Any:
    """A model with plain caches, and one with windows."""
    return evaluate_weights(mlx_lm.load(str(checkpoint(request.param)), lazy=True)[0])


def begun(model: Any, prompts: list[list[int]], chunk: int, whole: int) -> tuple[BatchPromptCache, mx.array]:
    """Read to the end."""
    caches = BatchPromptCache.merge([make_prompt_cache(model) for _ in prompts])
    reading = PrefillBatch(model, [*prompts], caches, prefill_chunk_tokens=chunk, single_pass_tokens=whole)
    for _ in range(100):
        logits = reading.advance()
        if logits is not None:
            return caches, logits
    raise AssertionError("reading does not end")


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(prompts=PROMPTS, chunk=st.integers(1, 40), whole=st.integers(1, 130), following=st.integers(5, 500))
def test_every_way_of_reading_leads_to_the_same_logits(
    model: Any, prompts: list[list[int]], chunk: int, whole: int, following: int
) -> None:
    caches, first = begun(model, prompts, chunk, whole)
    second = model(mx.full((len(prompts), 1), following, mx.int32), cache=caches.layers)[:, -1]

    for row, prompt in enumerate(prompts):
        expected = np.array(model(mx.array([[*prompt, following]]))[0, -2:].astype(mx.float32))
        for logits, wanted in zip((first, second), expected, strict=True):
            np.testing.assert_allclose(np.array(logits[row].astype(mx.float32)), wanted, atol=2e-3)


class Flat:
    """A model of equal matrices, and of experts that do not count."""

    def __init__(self, matrices: int) -> None:
        self._matrices = matrices

    def parameters(self) -> dict[str, mx.array]:
        """What a model of MLX holds."""
        return {"experts": mx.zeros((100, 8, 8))} | {f"w{number}": mx.zeros((8, 8)) for number in range(self._matrices)}


@pytest.mark.parametrize(("matrices", "tokens"), [(0, MIN_SINGLE_PASS_TOKENS), (1, MIN_SINGLE_PASS_TOKENS), (90, 720)])
def test_the_smaller_the_head_the_more_is_read_together_with_the_last_token(matrices: int, tokens: int) -> None:
    assert single_pass_tokens(Flat(matrices)) == tokens
