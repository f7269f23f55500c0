"""Random weights for a model class of the libraries, saved under the names of the published checkpoint."""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import mlx.core as mx
from mlx import nn
from mlx.utils import tree_flatten, tree_map_with_path

from tests.checkpoints.words import write_json

GROUP_SIZE = 64
BITS = 4


def randomise(model: nn.Module, *, seed: int = 0, spread: float = 0.05, dtype: Any = mx.float32) -> nn.Module:
    """Give every matrix and every bias normal random values, the same for a seed; norms stay as they are."""
    mx.random.seed(seed)

    def random_parameter(name: str, parameter: mx.array) -> mx.array:
        if not mx.issubdtype(parameter.dtype, mx.floating):
            return parameter
        is_random = parameter.ndim > 1 or name.endswith("bias")
        return (mx.random.normal(parameter.shape) * spread if is_random else parameter).astype(dtype)

    model.update(tree_map_with_path(random_parameter, model.parameters()))
    mx.eval(model.parameters())
    return model


def quantise(model: nn.Module, *, keep: Sequence[str] = ("vision",)) -> dict[str, Any]:
    """Quantise all linear layers and embeddings but those whose path has a word of `keep`; return config entries."""

    def should_quantise(path: str, module: nn.Module) -> bool:
        able = hasattr(module, "to_quantized") and module.weight.shape[-1] % GROUP_SIZE == 0
        return able and not any(word in path for word in keep)

    nn.quantize(model, group_size=GROUP_SIZE, bits=BITS, class_predicate=should_quantise)
    entry = {"group_size": GROUP_SIZE, "bits": BITS}
    return {"quantization": entry, "quantization_config": entry}


def save_weights(
    model: nn.Module, folder: Path, *, rename: Callable[[str], str] = str, shards: int = 1, index: bool = True
) -> None:
    """Write safetensors files and, as published repositories of several files do, their index."""
    tensors = {rename(name): mx.contiguous(value) for name, value in tree_flatten(model.parameters())}
    names = sorted(tensors)
    size = -(-len(names) // shards)
    file_of_tensor: dict[str, str] = {}
    for number in range(shards):
        file = "model.safetensors" if shards == 1 else f"model-{number + 1:05d}-of-{shards:05d}.safetensors"
        part = names[number * size : (number + 1) * size]
        save_tensors(folder / file, {name: tensors[name] for name in part})
        file_of_tensor |= dict.fromkeys(part, file)
    if index:
        total = sum(tensor.nbytes for tensor in tensors.values())
        write_json(
            folder / "model.safetensors.index.json", {"metadata": {"total_size": total}, "weight_map": file_of_tensor}
        )


def copy_with(source: Path, target: Path, *, config: Mapping[str, Any] | None = None, drop: str = "") -> Path:
    """Copy a checkpoint with entries of config.json changed and tensors whose name has `drop` left out."""
    shutil.copytree(source, target)
    path = target / "config.json"
    write_json(path, json.loads(path.read_text(encoding="utf-8")) | dict(config or {}))
    if drop:
        (target / "model.safetensors.index.json").unlink(missing_ok=True)
        for file in target.glob("*.safetensors"):
            save_tensors(file, {name: tensor for name, tensor in load_tensors(file).items() if drop not in name})
    return target


def to_half_precision(folder: Path, dtype: mx.Dtype) -> Path:
    """Store a checkpoint's floats in half precision, as most are published."""
    for file in folder.glob("*.safetensors"):
        stored, metadata = cast("tuple[dict[str, mx.array], dict[str, str]]", mx.load(str(file), return_metadata=True))
        halved = {name: t.astype(dtype) if mx.issubdtype(t.dtype, mx.floating) else t for name, t in stored.items()}
        mx.eval(halved)
        mx.save_safetensors(str(file), halved, metadata=metadata)
    return folder


def load_tensors(file: Path) -> dict[str, mx.array]:
    """Read all tensors of a safetensors file into memory."""
    tensors = cast("dict[str, mx.array]", mx.load(str(file)))
    mx.eval(tensors)
    return tensors


def save_tensors(file: Path, tensors: dict[str, mx.array]) -> None:
    """Write a safetensors file."""
    mx.save_safetensors(str(file), tensors, metadata={"format": "mlx"})
