"""How every speech model is loaded: strictly, quietly, and in a precision that suits the machine."""

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx_audio.tts.utils import load_model


def read_model(folder: Path) -> Any:
    """Build the library's model with its weights, all of them there, but not yet in memory."""
    with redirect_stdout(sys.stderr):
        return load_model(folder, lazy=True, strict=True)


def evaluate(model: Any) -> Any:
    """Bring all weights into memory; in full precision without a GPU, where half of it is some fifty times slower."""
    if not mx.metal.is_available():
        model.set_dtype(mx.float32)
    mx.eval(model.parameters())
    model.eval()
    return model
