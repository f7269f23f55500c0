"""mflux's own model classes with narrow random weights, saved by mflux itself.

Most of its classes have fixed widths, but they take arrays of any shape, and the layers take their size from the
array. So a model becomes tiny by giving it narrow arrays wherever no literal of the forward pass speaks against it.
"""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mlx.core as mx
from mflux.models.common.weights.saving.model_saver import ModelSaver
from mlx import nn
from mlx.utils import tree_flatten, tree_unflatten

from tests.checkpoints.weights import BITS, GROUP_SIZE

Shape = tuple[int, ...]
VAE_CHANNELS = {512: 64, 256: 64, 128: 32}
"""GroupNorm has 32 groups; 4-bit attention needs 64 channels."""


def with_narrow_weights(model: nn.Module, shape_of: Callable[[str, Shape], Shape], *, seed: int = 0) -> nn.Module:
    """Give every weight random values of the shape that `shape_of(name, full shape)` returns."""
    mx.random.seed(seed)
    values = []
    for name, full in tree_flatten(model.parameters()):
        if name.startswith("bn."):  # statistics of the latents, not weights
            continue
        shape = shape_of(name, full.shape)
        is_scale = len(shape) == 1 and "norm" in name and name.endswith("weight")
        values.append((name, mx.ones(shape) if is_scale else mx.random.normal(shape) * 0.05))
    model.update(tree_unflatten(values))
    mx.eval(model.parameters())
    return model


def narrow_vae(name: str, full: Shape) -> Shape:
    """Shapes of a picture decoder with an eighth of the channels."""
    return tuple(VAE_CHANNELS.get(side, side) for side in full)


def save_mflux_model(folder: Path, definition: Any, *, four_bit: bool = False, **parts: nn.Module) -> Path:
    """Write the parts as `mflux-save` does, in float32 or quantised to 4 bits; tokenizers are not among them."""
    if four_bit:
        for part in parts.values():
            nn.quantize(part, group_size=GROUP_SIZE, bits=BITS, class_predicate=definition.quantization_predicate)
    bits = BITS if four_bit else None
    ModelSaver.save_model(SimpleNamespace(**parts), bits=bits, base_path=str(folder), weight_definition=definition)
    return folder
