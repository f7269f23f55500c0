"""Pictures in both directions, and Gemma 3 read as it was trained."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_runtime.engines.chat.sampling import TokenSampler
from model_runtime.engines.vision.bidirectional import bidirectional_mask, label_image_tokens
from model_runtime.engines.vision.model import VisionEngine, VisionModel
from model_runtime.requests import Chat
from tests.checkpoints import gemma
from tests.model_runtime.engines.conftest import CheckpointBuilder
from tests.model_runtime.engines.step_engine_driver import chat, load, noise_picture

pytestmark = pytest.mark.engines

PICTURE = 9
TOKENS = st.lists(st.sampled_from([1, 2, PICTURE, PICTURE]), max_size=20)


def whole_mask(blocks: Sequence[int]) -> np.ndarray:
    """What each token attends to, the slow way."""
    size = range(len(blocks))
    return np.array([[read <= reader or blocks[read] == blocks[reader] > 0 for read in size] for reader in size], bool)


@given(tokens=TOKENS)
def test_each_run_of_picture_tokens_is_one_picture(tokens: list[int]) -> None:
    blocks = label_image_tokens(tokens, PICTURE)

    assert [block > 0 for block in blocks] == [token == PICTURE for token in tokens]
    numbers = [block for block, before in zip(blocks, (0, *blocks), strict=False) if block and block != before]
    assert numbers == list(range(1, len(numbers) + 1))


@given(tokens=TOKENS.filter(bool), data=st.data())
def test_a_mask_for_the_rest_is_the_rest_of_the_whole_mask(tokens: list[int], data: st.DataObject) -> None:
    blocks = label_image_tokens(tokens, PICTURE)
    start = data.draw(st.integers(0, len(tokens) - 1))

    rest = np.array(bidirectional_mask(blocks, start))

    np.testing.assert_array_equal(rest[0, 0], whole_mask(blocks)[start:])


@pytest.fixture(scope="module")
def model(checkpoint: Callable[[CheckpointBuilder], Path]) -> VisionModel:
    """Gemma 3 inside a loaded engine."""
    engine = load(VisionEngine(), {"model": checkpoint(gemma.build_gemma3)})
    inside: VisionModel = engine._model  # type: ignore[attr-defined]  # noqa: SLF001
    return inside


def first_logits(model: VisionModel, asked: Chat) -> np.ndarray:
    """What the batch lets the sampler choose from."""
    seen: list[mx.array] = []

    def watch(logits: mx.array) -> mx.array:
        seen.append(logits)
        return logits

    batch = model.open_batch()
    batch.insert(model.build_prompt(asked), 1, TokenSampler(watch))
    while not batch.next():
        pass
    return np.array(seen[0][0])


def forward(model: VisionModel, asked: Chat, blocks: Sequence[int]) -> np.ndarray:
    """The same after one pass over the whole prompt."""
    inside: Any = model._model  # noqa: SLF001
    prompt = model.build_prompt(asked)
    embedded = model._embed(prompt)["inputs_embeds"]  # noqa: SLF001
    mask = mx.array(whole_mask(blocks or [0] * len(prompt.token_ids)))
    return np.array(
        inside.language_model(mx.array([prompt.token_ids]), inputs_embeds=embedded, mask=mask).logits[0, -1]
    )


@pytest.mark.promise("vision:gemma-as-trained")
def test_gemma3_reads_each_picture_in_both_directions(model: VisionModel) -> None:
    asked = chat(noise_picture(56, 56), "or", noise_picture(56, 56, 1))
    blocks = label_image_tokens(model.build_prompt(asked).token_ids, model._model.config.image_token_index)  # noqa: SLF001

    logits = first_logits(model, asked)

    assert max(blocks) == 2
    np.testing.assert_allclose(logits, forward(model, asked, blocks), atol=1e-5)
    assert np.abs(logits - forward(model, asked, ())).max() > 1e-4


def test_a_prompt_beyond_the_window_is_read_in_chunks_all_the_same(model: VisionModel) -> None:
    asked = chat(noise_picture(56, 56), "fox " * 60)

    assert np.isfinite(first_logits(model, asked)).all()
