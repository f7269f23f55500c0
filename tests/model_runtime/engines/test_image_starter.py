"""The built-in painter goes through the same engine as the real models, and is honest about what it is."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model_runtime.catalog.aliases import STARTER_MODELS
from model_runtime.engines.drawing import DrawingEngine
from model_runtime.engines.engine import LoadSpec
from model_runtime.events import Drawing
from model_runtime.requests import GenerateImage

pytestmark = pytest.mark.engines

STARTER = next(model for model in STARTER_MODELS if model.name == "image-starter")


@pytest.fixture(scope="module")
def engine() -> DrawingEngine:
    """The starter, loaded as the catalogue says."""
    engine = DrawingEngine()
    engine.load(
        LoadSpec(STARTER.name, STARTER.engine, {"model": STARTER.path}, STARTER.options), lambda stage, fraction: None
    )
    return engine


@pytest.mark.promise("image:starter-draws-offline")
@pytest.mark.parametrize(("width", "height"), [(64, 64), (512, 512), (1024, 768)])
def test_the_starter_draws_any_size_without_a_download(engine: DrawingEngine, width: int, height: int) -> None:
    *_, drawing = engine.run(GenerateImage("image-starter", "a red circle", width, height, seed=3), lambda: None)

    assert isinstance(drawing, Drawing)
    with Image.open(io.BytesIO(drawing.png)) as image:
        assert image.size == (width, height)
        assert np.asarray(image).std() > 5
    assert bool(drawing.warnings) is ((width, height) != (64, 64))


def test_its_card_says_that_it_is_not_trained() -> None:
    card = (Path(STARTER.path) / "README.md").read_text(encoding="utf-8")

    assert "untrained" in card
    assert "noise" in card
