"""Real engines on tiny checkpoints. The environment is set here, before anything imports MLX."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

os.environ |= {"HF_HUB_OFFLINE": "1", "MLX_DISABLE_COMPILE": "1", "TOKENIZERS_PARALLELISM": "false"}

CheckpointBuilder = Callable[[Path], object]


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[CheckpointBuilder], Path]:
    """Return the folder that a builder of `tests.checkpoints` wrote; it is built once a session."""
    built: dict[CheckpointBuilder, Path] = {}

    def folder(build: CheckpointBuilder) -> Path:
        if build not in built:
            built[build] = tmp_path_factory.mktemp("checkpoint") / "model"
            build(built[build])
        return built[build]

    return folder
