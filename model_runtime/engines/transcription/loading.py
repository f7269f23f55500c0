"""Whisper checkpoints as they are found: mlx-whisper's own layout, transformers' layout, quantised or not, old .npz."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import mlx.core as mx
from mlx import nn
from mlx.utils import tree_flatten, tree_unflatten

from model_runtime.catalog.checkpoint_files import read_config
from model_runtime.engines.checkpoint import loading, open_checkpoint
from model_runtime.engines.transcription.mlx_whisper_patches import whisper
from model_runtime.errors import LoadFailed
from model_runtime.loading import LoadSpec

TRANSFORMERS_SIZES: Mapping[str, str] = {
    "n_mels": "num_mel_bins",
    "n_audio_ctx": "max_source_positions",
    "n_audio_state": "d_model",
    "n_audio_head": "encoder_attention_heads",
    "n_audio_layer": "encoder_layers",
    "n_vocab": "vocab_size",
    "n_text_ctx": "max_target_positions",
    "n_text_state": "d_model",
    "n_text_head": "decoder_attention_heads",
    "n_text_layer": "decoder_layers",
}
TRANSFORMERS_NAMES: tuple[tuple[str, str], ...] = (
    ("decoder.embed_positions.weight", "decoder.positional_embedding"),
    ("decoder.embed_tokens.", "decoder.token_embedding."),
    ("encoder.layer_norm.", "encoder.ln_post."),
    ("decoder.layer_norm.", "decoder.ln."),
    (".layers.", ".blocks."),
    (".self_attn_layer_norm.", ".attn_ln."),
    (".encoder_attn_layer_norm.", ".cross_attn_ln."),
    (".final_layer_norm.", ".mlp_ln."),
    (".self_attn.", ".attn."),
    (".encoder_attn.", ".cross_attn."),
    (".q_proj.", ".query."),
    (".k_proj.", ".key."),
    (".v_proj.", ".value."),
    (".out_proj.", ".out."),
    (".fc1.", ".mlp1."),
    (".fc2.", ".mlp2."),
)
"""transformers' part of a name → ours, in this order."""

COMPUTED = ("encoder.embed_positions", "encoder.positional_embedding", "proj_out", "alignment_heads")
"""Tensors that follow from others, or are no weights."""


def load_whisper(spec: LoadSpec) -> Any:
    """Load a checkpoint in half precision on a GPU, else in full, with every tensor in place and evaluated.

    Raises:
        LoadFailed: it is no Whisper model, or incomplete.
    """
    folder = Path(spec.folders["model"])
    config = open_checkpoint(spec)[1] if any(folder.glob("*.safetensors")) else read_config(folder)
    kind = mx.float16 if mx.metal.is_available() else mx.float32
    with loading(spec.model, config):
        model = whisper.Whisper(_dimensions(spec.model, config), kind)
        found = _weights(spec.model, folder)
        weights = dict(_fitting(found, model, kind))
        _quantise(model, config, weights)
        _check_complete(spec.model, model, weights)
        model.update(tree_unflatten(list(weights.items())))
        _set_alignment_heads(model, folder, found)
        # Two tensors have names that hide them from `parameters`; unevaluated, they belong to this thread for ever.
        mx.eval(model.parameters(), model.encoder._positional_embedding, model.decoder._mask)  # noqa: SLF001
    return model


def _dimensions(name: str, config: Mapping[str, Any]) -> Any:
    try:
        if "d_model" in config:
            return whisper.ModelDimensions(**{ours: int(config[theirs]) for ours, theirs in TRANSFORMERS_SIZES.items()})
        return whisper.ModelDimensions(**{ours: int(config[ours]) for ours in TRANSFORMERS_SIZES})
    except KeyError as error:
        raise LoadFailed(
            f"{name} is no Whisper model: its config.json has no {error}. Choose another model."
        ) from error


def _weights(name: str, folder: Path) -> dict[str, mx.array]:
    files = [file for file in (folder / "weights.safetensors", folder / "weights.npz") if file.exists()][:1]
    files = files or sorted(folder.glob("*.safetensors"))
    if not files:
        raise LoadFailed(f"{name} has no weights in {folder}. Download the model again.")
    found: dict[str, mx.array] = {}
    for file in files:
        found |= cast(dict[str, mx.array], mx.load(str(file)))
    return found


def _fitting(found: Mapping[str, mx.array], model: Any, kind: mx.Dtype) -> Iterator[tuple[str, mx.array]]:
    """Give weights under our names, in our layout and precision."""
    shapes = {name: value.shape for name, value in tree_flatten(model.parameters())}
    for key, value in found.items():
        name = _our_name(key)
        if name.startswith(COMPUTED):
            continue
        if value.ndim == 3 and value.shape != shapes.get(name):  # convolutions of PyTorch have the kernel last
            value = value.swapaxes(1, 2)
        yield name, value.astype(kind) if mx.issubdtype(value.dtype, mx.floating) else value


def _our_name(name: str) -> str:
    name = name.removeprefix("model.")
    for theirs, ours in TRANSFORMERS_NAMES:
        name = name.replace(theirs, ours)
    return name


def _quantise(model: Any, config: Mapping[str, Any], weights: Mapping[str, mx.array]) -> None:
    how = config.get("quantization") or config.get("quantization_config")
    if how and any(name.endswith(".scales") for name in weights):
        how = {key: how[key] for key in ("group_size", "bits", "mode") if key in how}
        nn.quantize(model, **how, class_predicate=lambda path, _: f"{path}.scales" in weights)


def _check_complete(name: str, model: Any, weights: Mapping[str, mx.array]) -> None:
    wanted = {key: value.shape for key, value in tree_flatten(model.parameters()) if key != "alignment_heads"}
    missing = sorted(wanted.keys() - weights.keys())
    unlike = sorted(key for key, shape in wanted.items() if key in weights and weights[key].shape != shape)
    if missing or unlike:
        problem = f"{len(missing)} tensors are missing" if missing else f"{len(unlike)} tensors have another shape"
        raise LoadFailed(
            f"{name} is incomplete: {problem}, such as {(missing or unlike)[0]}. Download the model again."
        )


def _set_alignment_heads(model: Any, folder: Path, found: Mapping[str, mx.array]) -> None:
    """Take the attention heads that follow the sound from the weights or from generation_config.json."""
    file = folder / "generation_config.json"
    if "alignment_heads" in found:
        model.alignment_heads = found["alignment_heads"]
    elif file.exists():
        heads = json.loads(file.read_text(encoding="utf-8")).get("alignment_heads")
        model.alignment_heads = mx.array(heads) if heads else model.alignment_heads
    mx.eval(model.alignment_heads)
