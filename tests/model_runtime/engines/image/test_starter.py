"""The built-in painter goes through the same engine as the real models, and is honest about what it is."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from transformers import Qwen2TokenizerFast

from model_runtime.catalog.builtin_models import STARTER_MODELS
from model_runtime.engines.image.engine import ImageEngine
from model_runtime.events import GeneratedImage
from model_runtime.loading import LoadSpec
from model_runtime.requests import GenerateImage
from starter_world import grammar
from starter_world.judge import judge

pytestmark = pytest.mark.engines

SLOT_TOKENS = (
    "<|page|>", "<|first|>", "<|second|>", "<|third|>", "<|corner_a|>", "<|corner_b|>", "<|corner_c|>", "<|corner_d|>",
)  # fmt: skip
"""End every prompt: the text encoder was trained to write there what it understood."""
STARTER = next(model for model in STARTER_MODELS if model.name == "image-starter")


@pytest.fixture(scope="module")
def engine() -> ImageEngine:
    """The starter, loaded as the catalogue says."""
    engine = ImageEngine()
    engine.load(
        LoadSpec(STARTER.name, STARTER.engine, {"model": STARTER.path}, STARTER.options), lambda stage, fraction: None
    )
    return engine


@pytest.mark.promise("image:starter-draws-offline")
@pytest.mark.parametrize(("width", "height"), [(128, 128), (64, 64), (512, 512), (1024, 768)])
def test_the_starter_draws_any_size_without_a_download(engine: ImageEngine, width: int, height: int) -> None:
    *_, drawing = engine.run(GenerateImage("image-starter", "a red circle", width, height, seed=3), lambda: None)

    assert isinstance(drawing, GeneratedImage)
    with Image.open(io.BytesIO(drawing.png)) as image:
        assert image.size == (width, height)
        assert np.asarray(image).std() > 5
    assert bool(drawing.warnings) is ((width, height) != (128, 128))


@pytest.mark.promise("image:starter-draws-what-is-asked")
@pytest.mark.parametrize(
    "prompt",
    [
        "a red circle",
        "Draw a large blue square on a yellow background.",
        "a green triangle above a black heart",
        "two purple diamonds",
    ],
)
def test_the_starter_draws_what_is_asked(engine: ImageEngine, prompt: str) -> None:
    scene = grammar.parse(prompt)

    *_, drawing = engine.run(GenerateImage("image-starter", prompt, 128, 128, seed=7), lambda: None)

    assert isinstance(drawing, GeneratedImage)
    assert scene is not None
    with Image.open(io.BytesIO(drawing.png)) as image:
        assert judge(scene, image).right


@pytest.mark.promise("image:seed-repeats")
def test_the_starter_draws_the_same_bytes_from_the_same_seed(engine: ImageEngine) -> None:
    drawn = [
        event.png
        for seed in (5, 5, 6)
        for event in engine.run(GenerateImage("image-starter", "a pink star", 128, 128, seed=seed), lambda: None)
        if isinstance(event, GeneratedImage)
    ]

    assert drawn[0] == drawn[1] != drawn[2]


def test_its_prompts_end_in_the_tokens_that_it_was_trained_with() -> None:
    words = Qwen2TokenizerFast.from_pretrained(Path(STARTER.path) / "tokenizer")
    turn = [{"role": "user", "content": " A Small red Circle. "}]

    text = words.apply_chat_template(turn, tokenize=False, add_generation_prompt=True, enable_thinking=False)

    assert text == f"<|im_start|>a small red circle.<|im_end|>{''.join(SLOT_TOKENS)}"
    assert words(text)["input_ids"][-len(SLOT_TOKENS) :] == words.convert_tokens_to_ids(list(SLOT_TOKENS))


def test_its_card_tells_its_scores() -> None:
    folder = Path(STARTER.path)
    card = (folder / "README.md").read_text(encoding="utf-8")
    scores = json.loads((folder / "scores.json").read_text(encoding="utf-8"))

    for kind in ("single", "pair", "counted", "triple"):
        assert f"{scores[kind]['right']} %" in card
