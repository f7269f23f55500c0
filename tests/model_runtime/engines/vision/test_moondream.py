"""Moondream2 against its reference implementation: prompt, attention, windows and averages."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlx_vlm.utils import load_model

from model_runtime.engines.chat.sampling import TokenSampler
from model_runtime.engines.vision.model import VisionEngine
from model_runtime.engines.vision.moondream import CAPTION_TEMPLATE, MoondreamModel
from model_runtime.engines.vision.tiling import (
    CropConfig,
    OverlapCrops,
    merge_crop_features,
    overlap_crop_picture,
    select_tiling,
)
from tests.checkpoints import moondream2
from tests.model_runtime.engines.conftest import CheckpointBuilder
from tests.model_runtime.engines.step_engine_driver import chat, load, noise_picture, solid_picture

pytestmark = pytest.mark.engines

PLACES = 730
RED = solid_picture(60, 90, (220, 30, 30))


@pytest.fixture(scope="module")
def folders(checkpoint: Callable[[CheckpointBuilder], Path]) -> dict[str, Path]:
    """Model and tokenizer."""
    return {"model": checkpoint(moondream2.build), "tokenizer": checkpoint(moondream2.build_tokenizer)}


@pytest.fixture(scope="module")
def model(folders: dict[str, Path]) -> MoondreamModel:
    """The model inside a loaded engine."""
    engine = load(VisionEngine(), folders)
    inside: MoondreamModel = engine._model  # type: ignore[attr-defined]  # noqa: SLF001
    return inside


def forward(model: Any, tokens: list[int], embedded: mx.array, places: int) -> np.ndarray:
    """Logits after one pass over a prompt whose first `places` tokens attend in both directions."""
    mask = np.tril(np.ones((len(tokens), len(tokens)), bool))
    mask[:places, :places] = True
    return np.array(model.text(mx.array([tokens]), inputs_embeds=embedded, mask=mx.array(mask)).logits[0, -1])


@pytest.mark.promise("vision:moondream-as-trained")
def test_the_picture_is_attended_in_both_directions(model: MoondreamModel, folders: dict[str, Path]) -> None:
    prompt = model.build_prompt(chat(noise_picture(60, 90), "What is this?"))
    embedded = model._embed(prompt)["inputs_embeds"]  # noqa: SLF001
    reference = load_model(folders["model"])
    seen: list[mx.array] = []

    def watch(logits: mx.array) -> mx.array:
        seen.append(logits)
        return logits

    batch = model.open_batch()
    batch.insert(prompt, 1, TokenSampler(watch))
    while not batch.next():
        pass

    both_ways, causal = (forward(reference, prompt.token_ids, embedded, places) for places in (PLACES, 0))
    np.testing.assert_allclose(np.array(seen[0][0]), both_ways, atol=1e-5)
    assert np.abs(both_ways - causal).max() > 1e-3


def test_the_prompt_is_the_token_template_of_the_checkpoint(model: MoondreamModel) -> None:
    words = model.tokenizer.encode("What is this?").ids

    question = model.build_prompt(chat(RED, "What is this?")).token_ids
    description = model.build_prompt(chat(RED)).token_ids

    assert question == [0] * PLACES + [1, 15381, 2, *words, 3]
    assert description == [0] * PLACES + [*CAPTION_TEMPLATE]


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [
        (378, 378, (1, 1)),
        (300, 2000, (1, 1)),
        (600, 800, (2, 4)),
        (1080, 1920, (2, 4)),
        (3000, 500, (8, 1)),
        (900, 900, (3, 3)),
    ],
)
def test_windows_cover_a_picture_as_in_training(height: int, width: int, expected: tuple[int, int]) -> None:
    assert select_tiling(height, width, CropConfig()) == expected


@given(height=st.integers(1, 6000), width=st.integers(1, 6000))
def test_there_are_never_more_windows_than_the_model_takes(height: int, width: int) -> None:
    rows, columns = select_tiling(height, width, CropConfig())

    assert rows >= 1
    assert columns >= 1
    assert rows * columns <= 12


def test_neighbouring_windows_share_their_margins() -> None:
    eye = CropConfig()

    crops = overlap_crop_picture(noise_picture(900, 600), eye)

    assert crops.pixels.shape == (1 + crops.rows * crops.columns, 378, 378, 3)
    left, right = crops.pixels[1], crops.pixels[2]
    np.testing.assert_array_equal(left[:, eye.stride_pixels :], right[:, : eye.margin_pixels])


def test_windows_are_put_together_without_their_margins_and_averaged_down() -> None:
    eye, rows, columns = CropConfig(crop_size=10, patch_size=1, overlap_margin=2, max_crops=12), 2, 3
    height, width = rows * 6 + 4, columns * 6 + 4
    plane = np.arange(height * width, dtype=np.float32).reshape(height, width, 1)
    windows = [
        plane[6 * row : 6 * row + 10, 6 * column : 6 * column + 10] for row in range(rows) for column in range(columns)
    ]
    whole = np.full((100, 1), -1, np.float32)
    features = np.stack([whole, *(window.reshape(100, 1) for window in windows)])
    crops = OverlapCrops(np.empty(0), rows, columns)

    joined = np.array(merge_crop_features(mx.array(features), crops, eye))

    starts = [(part * height // 10, -(-(part + 1) * height // 10)) for part in range(10)]
    across = [(part * width // 10, -(-(part + 1) * width // 10)) for part in range(10)]
    expected = [plane[top:bottom, left:right].mean() for top, bottom in starts for left, right in across]
    np.testing.assert_array_equal(joined[:, 0], whole[:, 0])
    np.testing.assert_allclose(joined[:, 1], expected, rtol=1e-5)
