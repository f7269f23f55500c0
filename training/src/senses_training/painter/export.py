"""Write the painter as a FLUX.2-klein checkpoint in the layout of `mflux-save`, in bfloat16.

`python -m senses_training.painter.export FOLDER` reads FOLDER/weights.safetensors and FOLDER/tokenizer, and fills what
was not trained so that it changes nothing: second residual blocks and attention of the coder, text layers beyond the
first.
"""

import argparse
import json
import os
import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

os.environ |= {"HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1"}

import mlx.core as mx
from mflux.models.common.weights.saving.model_saver import ModelSaver
from mflux.models.flux2.model.flux2_text_encoder.qwen3_text_encoder import Qwen3TextEncoder
from mflux.models.flux2.model.flux2_transformer.transformer import Flux2Transformer
from mflux.models.flux2.model.flux2_vae.vae import Flux2VAE
from mflux.models.flux2.weights.flux2_weight_definition import Flux2KleinWeightDefinition
from mlx import nn
from mlx.utils import tree_flatten, tree_unflatten

from senses_training import paths
from senses_training.painter import prompts
from senses_training.painter.shapes import DECODER_WIDTHS, ENCODER_WIDTHS, TEXT, TEXT_LAYERS, TRANSFORMER
from senses_training.words import write_words

IDLE_CHANNELS = 32
"""Channels inside a residual block that adds nothing: as few as GroupNorm takes."""
IDLE_INNER = 8
"""Inner width of a text layer that adds nothing."""
COMPUTED = "inv_freq"
"""Not learnt: mflux computes it when it builds the model, and would take a rounded one from a file."""

Weights = Mapping[str, mx.array]
Shape = Callable[[str, tuple[int, ...]], tuple[int, ...]]
"""Name and shape of a full-size parameter → its shape here."""


def export(folder: Path, starter: Path) -> None:
    """Write weights, configuration, tokenizer and the words that it knows."""
    trained = mx.load(str(folder / "weights.safetensors"))
    assert isinstance(trained, dict)
    parts = SimpleNamespace(
        vae=_filled(Flux2VAE(), "vae", trained, partial(_coder_shape, trained=trained)),
        transformer=_filled(Flux2Transformer(**TRANSFORMER), "transformer", trained, _same),
        text_encoder=_filled(Qwen3TextEncoder(**TEXT), "text_encoder", trained, _text_shape),
    )
    for part in ("vae", "transformer", "text_encoder", "tokenizer"):
        shutil.rmtree(starter / part, ignore_errors=True)
    ModelSaver.save_model(parts, bits=None, base_path=str(starter), weight_definition=Flux2KleinWeightDefinition)
    shutil.copytree(folder / "tokenizer", starter / "tokenizer", dirs_exist_ok=True)
    write(starter / "model_index.json", {"_class_name": "Flux2KleinPipeline"})
    write(starter / "transformer" / "config.json", {"_class_name": "Flux2Transformer2DModel", **TRANSFORMER})
    write(starter / "text_encoder" / "config.json", {"model_type": "qwen3", **TEXT})
    write_words(starter, prompts.words())


def write(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file."""
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _filled(part: nn.Module, prefix: str, trained: Weights, narrow: Shape) -> nn.Module:
    """Give every parameter of mflux's part its trained values, or values that change nothing."""
    values = []
    for module in part.modules():
        module.pop(COMPUTED, None)
    for name, full in tree_flatten(part.parameters()):
        known = trained.get(f"{prefix}.{name}")
        shape = narrow(name, full.shape)
        value = _idle(name, shape) if known is None else _padded(name, known, shape)
        values.append((name, value.astype(mx.bfloat16)))
    unknown = {name for name in trained if name.startswith(f"{prefix}.")} - {f"{prefix}.{name}" for name, _ in values}
    assert not unknown, f"mflux has no {sorted(unknown)}"
    part.update(tree_unflatten(values))
    return part


def _padded(name: str, value: mx.array, shape: tuple[int, ...]) -> mx.array:
    """Add zeros up to `shape`; statistics of channels that are not alive are those of plain noise."""
    rest = [(0, want - have) for want, have in zip(shape, value.shape, strict=True)]
    return mx.pad(value, rest, constant_values=float(name.endswith("running_var")))


def _idle(name: str, shape: tuple[int, ...]) -> mx.array:
    """Return what changes nothing: norms of 1, one-to-one convolutions, zeros elsewhere."""
    if len(shape) == 4 and name.endswith(("quant_conv.weight", "conv_shortcut.weight")):
        return mx.eye(shape[0]).reshape(shape)
    return mx.full(shape, float(len(shape) == 1 and name.endswith("weight")))


def _same(name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape


def _text_shape(name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Make the inside of untrained layers narrow."""
    if not name.startswith("layers.") or int(name.split(".")[1]) < TEXT_LAYERS or ".mlp." not in name:
        return shape
    return (shape[0], IDLE_INNER) if "down_proj" in name else (IDLE_INNER, shape[1])


def _coder_shape(name: str, shape: tuple[int, ...], trained: Weights) -> tuple[int, ...]:
    """Return how large a parameter of the full-size coder is in ours; residual blocks that do nothing are narrow."""
    if not name.startswith(("encoder.", "decoder.")):
        return shape
    before, after = _block_widths(name)
    *block, module, _ = name.split(".")
    inner = after if f"vae.{'.'.join(block)}.conv1.weight" in trained else IDLE_CHANNELS
    into, out = {
        "conv_in": (shape[-1], after),
        "conv_out": (before, shape[0]),
        "norm1": (before, before),
        "conv1": (before, inner),
        "norm2": (inner, inner),
        "conv2": (inner, after),
        "conv_shortcut": (before, after),
    }.get(module, (after, after))
    return (out, *shape[1:-1], into) if len(shape) > 1 else (out,)


def _block_widths(name: str) -> tuple[int, int]:
    """Return the channels that go into and come out of the module."""
    half, block, *rest = name.split(".")
    widths = ENCODER_WIDTHS if half == "encoder" else DECODER_WIDTHS[::-1]
    if block in ("down_blocks", "up_blocks"):
        number = int(rest[0])
        is_first = rest[1:3] == ["resnets", "0"]
        return widths[max(number - 1, 0)] if is_first else widths[number], widths[number]
    width = widths[0] if block == "conv_in" or (block == "mid_block" and half == "decoder") else widths[-1]
    return width, width


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--starter", type=Path, default=paths.IMAGE)
    arguments = parser.parse_args()
    export(arguments.folder, arguments.starter)
