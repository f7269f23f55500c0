"""Real models and recordings, which `make models` brings. The environment is set here, before anything imports MLX."""

import os
from pathlib import Path

import pytest

from model_runtime.engines.blas import load_fast_blas

CHECKOUT = Path(__file__).parents[2]
MODELS, RECORDINGS = CHECKOUT / ".models", CHECKOUT / ".recordings"

os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
load_fast_blas()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test with the mark `real` where the models are not."""
    if item.get_closest_marker("real") and not (MODELS.is_dir() and RECORDINGS.is_dir()):
        pytest.skip("There are no real models. Run: make models")
