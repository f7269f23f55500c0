"""What an image checkpoint is: its family, the sizes of its parts and what it lacks, from the headers of its files.

Checkpoints that mflux saved carry no configuration, and mflux itself loads them without noticing that tensors are
missing or belong to another architecture; so all of that is found out here.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx import nn
from mlx.utils import tree_flatten

from model_runtime.catalog.checkpoint_files import Tensor, read_tensors, weight_files
from model_runtime.errors import LoadFailed

FLUX1, FLUX2, Z_IMAGE = "flux1-schnell", "flux2-klein", "z-image"
MARKS = {"double_stream_modulation_img": FLUX2, "noise_refiner": Z_IMAGE, "time_text_embed": FLUX1}
"""A module that only this family's transformer has."""

UNSUPPORTED = {"time_text_embed.guidance_embedder": "FLUX.1-dev or one of its relatives"}
GROUP_SIZE = 64
"""mflux quantises in groups of 64 inputs: one scale for each."""

COMPUTED = ".inv_freq"
"""Not learnt: frequencies of rotary positions, which a model computes when it is built."""

Sizes = dict[str, Any]
Parts = dict[str, dict[str, Tensor]]
"""Folder of a part → its tensors by name."""


def find_family(folder: Path) -> str:
    """Return the family of the checkpoint in `folder`.

    Raises:
        LoadFailed: it is of none that is supported, or its transformer cannot be read.
    """
    tensors = read_tensors(folder / "transformer")
    for mark, name in UNSUPPORTED.items():
        if any(tensor.startswith(mark) for tensor in tensors):
            raise LoadFailed(_unsupported(folder, f"is {name}"))
    for mark, family in MARKS.items():
        if any(tensor.startswith(mark) for tensor in tensors):
            return family
    raise LoadFailed(
        _unsupported(folder, f"has tensors of no known kind, such as {next(iter(tensors), 'none at all')}")
    )


def flux2_sizes(folder: Path) -> tuple[Sizes, Sizes]:
    """Return the constructor arguments of mflux's FLUX.2 transformer and text encoder for this checkpoint."""
    transformer, text = read_tensors(folder / "transformer"), read_tensors(folder / "text_encoder")
    try:
        return _transformer_sizes(transformer, _config(folder / "transformer")), _text_sizes(text)
    except KeyError as error:
        raise LoadFailed(f"{folder} is incomplete: {error} is missing. Download the model again.") from error


def read_parts(definition: Any, folder: Path) -> Parts:
    """Return the tensors of every part that `definition`, mflux's list of them, names.

    Raises:
        BrokenCheckpoint: a file is missing, cut short or malformed.
    """
    return {part.hf_subdir: read_tensors(folder / part.hf_subdir) for part in definition.get_components()}


def check_complete(model: nn.Module, definition: Any, folder: Path, parts: Parts) -> None:
    """Compare the parameters of a built model with the files.

    Only what mflux saved needs it: mflux checks the original layout itself.

    Raises:
        LoadFailed: tensors are missing; the message names some.
    """
    missing = [
        f"{part.hf_subdir}/{name}"
        for part in definition.get_components()
        if _is_saved_by_mflux(folder / part.hf_subdir)
        for name, _ in tree_flatten(getattr(model, part.model_attr or part.name).parameters())
        if name not in parts[part.hf_subdir] and not name.endswith(COMPUTED)
    ]
    if missing:
        raise LoadFailed(
            f"{folder} is incomplete: {len(missing)} tensors are missing, such as {', '.join(missing[:3])}. "
            "Download the model again, or remove the folder and pull it anew."
        )


def _transformer_sizes(tensors: Mapping[str, Tensor], config: Mapping[str, Any]) -> Sizes:
    head = _rows(tensors, "transformer_blocks.0.attn.norm_q")
    chosen = {name: config[name] for name in ("mlp_ratio", "axes_dims_rope", "rope_theta") if name in config}
    return {
        "num_layers": _count(tensors, "transformer_blocks"),
        "num_single_layers": _count(tensors, "single_transformer_blocks"),
        "attention_head_dim": head,
        "num_attention_heads": _rows(tensors, "x_embedder") // head,
        "in_channels": _inputs(tensors, "x_embedder"),
        "joint_attention_dim": _inputs(tensors, "context_embedder"),
        "axes_dims_rope": (head // 4,) * 4,
        **chosen,
    }


def _text_sizes(tensors: Mapping[str, Tensor]) -> Sizes:
    prefix = "" if "embed_tokens.weight" in tensors else "model."
    attention = f"{prefix}layers.0.self_attn"
    head = _rows(tensors, f"{attention}.q_norm")
    return {
        "vocab_size": _rows(tensors, f"{prefix}embed_tokens"),
        "hidden_size": _inputs(tensors, f"{prefix}embed_tokens"),
        "num_hidden_layers": _count(tensors, f"{prefix}layers"),
        "num_attention_heads": _rows(tensors, f"{attention}.q_proj") // head,
        "num_key_value_heads": _rows(tensors, f"{attention}.k_proj") // head,
        "head_dim": head,
        "intermediate_size": _rows(tensors, f"{prefix}layers.0.mlp.gate_proj"),
    }


def _rows(tensors: Mapping[str, Tensor], layer: str) -> int:
    return tensors[f"{layer}.weight"].shape[0]


def _inputs(tensors: Mapping[str, Tensor], layer: str) -> int:
    """Width of a layer's input; a quantised weight is packed, its scales are not."""
    scales = tensors.get(f"{layer}.scales")
    return scales.shape[-1] * GROUP_SIZE if scales else tensors[f"{layer}.weight"].shape[-1]


def _count(tensors: Mapping[str, Tensor], blocks: str) -> int:
    numbers = (re.match(rf"{re.escape(blocks)}\.(\d+)\.", name) for name in tensors)
    return 1 + max((int(number[1]) for number in numbers if number), default=-1)


def _is_saved_by_mflux(folder: Path) -> bool:
    _, metadata = mx.load(str(weight_files(folder)[0]), return_metadata=True)
    return "mflux_version" in metadata or "quantization_level" in metadata


def _config(folder: Path) -> Mapping[str, Any]:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return config if isinstance(config, dict) else {}


def _unsupported(folder: Path, problem: str) -> str:
    return f"{folder} {problem}. Image models that can be loaded are FLUX.1-schnell, FLUX.2-klein and Z-Image-Turbo."
