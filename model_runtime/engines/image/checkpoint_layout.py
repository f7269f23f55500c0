"""Read an image checkpoint's family, sizes and missing tensors from the headers of its files.

Checkpoints that mflux saved have no configuration, and mflux loads them without checking that tensors are missing or
belong to another architecture.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx import nn
from mlx.utils import tree_flatten

from model_runtime.catalog.checkpoint_files import read_config_or_empty, read_tensors, weight_files
from model_runtime.catalog.foreign_files import TensorInfo
from model_runtime.catalog.image_families import family_of
from model_runtime.errors import LoadFailed

UNSUPPORTED_MODULES = {"time_text_embed.guidance_embedder": "FLUX.1-dev or one of its relatives"}
"""A module that only an unsupported family's transformer has → its name."""
QUANTIZATION_GROUP_SIZE = 64
"""mflux quantizes weights in groups of 64 inputs with one scale each."""

COMPUTED_SUFFIX = ".inv_freq"
"""Name suffix of rotary embedding frequencies, which a model computes itself."""

ConfigOverrides = dict[str, Any]
"""Constructor arguments of one of mflux's modules."""
ComponentTensors = dict[str, dict[str, TensorInfo]]
"""Folder of a component → its tensors by name."""


def detect_family(folder: Path) -> str:
    """Return the family of the checkpoint in `folder`.

    Raises:
        InvalidCheckpoint: the transformer cannot be read.
        LoadFailed: the family is not supported.
    """
    tensors = read_tensors(folder / "transformer")
    for module, name in UNSUPPORTED_MODULES.items():
        if any(tensor.startswith(module) for tensor in tensors):
            raise LoadFailed(_unsupported_message(folder, f"is {name}"))
    if family := family_of(tensors):
        return family
    raise LoadFailed(
        _unsupported_message(folder, f"has tensors of an unknown family, such as {next(iter(tensors), 'none at all')}")
    )


def flux2_overrides(folder: Path) -> tuple[ConfigOverrides, ConfigOverrides]:
    """Return the constructor arguments of mflux's FLUX.2 transformer and text encoder for this checkpoint.

    Raises:
        InvalidCheckpoint: a file is missing, cut short or malformed.
        LoadFailed: a tensor that shows a size is missing.
    """
    transformer, text_encoder = read_tensors(folder / "transformer"), read_tensors(folder / "text_encoder")
    config = read_config_or_empty(folder / "transformer")
    try:
        return _transformer_overrides(transformer, config), _text_encoder_overrides(text_encoder)
    except KeyError as error:
        raise LoadFailed(f"{folder} is incomplete: {error} is missing. Download the model again.") from error


def read_components(weight_definition: Any, folder: Path) -> ComponentTensors:
    """Return the tensors of every component in `weight_definition`, mflux's list of a model's files.

    Raises:
        InvalidCheckpoint: a file is missing, cut short or malformed.
    """
    return {part.hf_subdir: read_tensors(folder / part.hf_subdir) for part in weight_definition.get_components()}


def check_complete(model: nn.Module, weight_definition: Any, folder: Path, component_tensors: ComponentTensors) -> None:
    """Check that the files have all parameters of a built model.

    Only components that mflux saved are checked: mflux checks the original layout itself.

    Raises:
        LoadFailed: tensors are missing; the message names up to three.
    """
    missing = [
        f"{part.hf_subdir}/{name}"
        for part in weight_definition.get_components()
        if _is_saved_by_mflux(folder / part.hf_subdir)
        for name, _ in tree_flatten(getattr(model, part.model_attr or part.name).parameters())
        if name not in component_tensors[part.hf_subdir] and not name.endswith(COMPUTED_SUFFIX)
    ]
    if missing:
        raise LoadFailed(
            f"{folder} is incomplete: {len(missing)} tensors are missing, such as {', '.join(missing[:3])}. "
            "Download the model again."
        )


def _transformer_overrides(tensors: Mapping[str, TensorInfo], config: Mapping[str, Any]) -> ConfigOverrides:
    head_dim = _output_width(tensors, "transformer_blocks.0.attn.norm_q")
    configured = {name: config[name] for name in ("mlp_ratio", "axes_dims_rope", "rope_theta") if name in config}
    return {
        "num_layers": _count_blocks(tensors, "transformer_blocks"),
        "num_single_layers": _count_blocks(tensors, "single_transformer_blocks"),
        "attention_head_dim": head_dim,
        "num_attention_heads": _output_width(tensors, "x_embedder") // head_dim,
        "in_channels": _input_width(tensors, "x_embedder"),
        "joint_attention_dim": _input_width(tensors, "context_embedder"),
        "axes_dims_rope": (head_dim // 4,) * 4,
        **configured,
    }


def _text_encoder_overrides(tensors: Mapping[str, TensorInfo]) -> ConfigOverrides:
    prefix = "" if "embed_tokens.weight" in tensors else "model."
    attention = f"{prefix}layers.0.self_attn"
    head_dim = _output_width(tensors, f"{attention}.q_norm")
    return {
        "vocab_size": _output_width(tensors, f"{prefix}embed_tokens"),
        "hidden_size": _input_width(tensors, f"{prefix}embed_tokens"),
        "num_hidden_layers": _count_blocks(tensors, f"{prefix}layers"),
        "num_attention_heads": _output_width(tensors, f"{attention}.q_proj") // head_dim,
        "num_key_value_heads": _output_width(tensors, f"{attention}.k_proj") // head_dim,
        "head_dim": head_dim,
        "intermediate_size": _output_width(tensors, f"{prefix}layers.0.mlp.gate_proj"),
    }


def _output_width(tensors: Mapping[str, TensorInfo], layer: str) -> int:
    return tensors[f"{layer}.weight"].shape[0]


def _input_width(tensors: Mapping[str, TensorInfo], layer: str) -> int:
    """Return the input width of a layer; a quantized weight is packed, so its width comes from the scales."""
    scales = tensors.get(f"{layer}.scales")
    return scales.shape[-1] * QUANTIZATION_GROUP_SIZE if scales else tensors[f"{layer}.weight"].shape[-1]


def _count_blocks(tensors: Mapping[str, TensorInfo], blocks: str) -> int:
    matches = (re.match(rf"{re.escape(blocks)}\.(\d+)\.", name) for name in tensors)
    return 1 + max((int(number[1]) for number in matches if number), default=-1)


def _is_saved_by_mflux(folder: Path) -> bool:
    _, metadata = mx.load(str(weight_files(folder)[0]), return_metadata=True)
    return "mflux_version" in metadata or "quantization_level" in metadata


def _unsupported_message(folder: Path, problem: str) -> str:
    return f"{folder} {problem}. Senses supports FLUX.1-schnell, FLUX.2-klein and Z-Image-Turbo; choose one of them."
