"""In which precision weights are held: as stored on a GPU, in full without one, which computes in half precision slowly."""

from typing import Any

import mlx.core as mx
from mlx.utils import tree_flatten


def widen(model: Any) -> None:
    """Hold weights in full precision where there is no GPU: a CPU computes in half of it some fifty times slower."""
    if not mx.metal.is_available():
        model.set_dtype(mx.float32)


def evaluate(model: Any) -> Any:
    """Bring all weights into memory, in the precision that suits the machine."""
    widen(model)
    mx.eval(model.parameters())
    model.eval()
    return model


def held_bytes(model: Any) -> int:
    """Return what a model's weights take in memory."""
    return sum(array.nbytes for _, array in tree_flatten(model.parameters()))
