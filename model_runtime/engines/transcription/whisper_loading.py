"""Load Whisper checkpoints in the layouts of mlx-whisper and transformers, quantized or not, safetensors or .npz."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import mlx.core as mx
from mlx import nn
from mlx.utils import tree_flatten, tree_unflatten

from model_runtime.catalog.checkpoint_files import read_config
from model_runtime.catalog.foreign_files import is_there, list_files, read_json_object
from model_runtime.engines.checkpoint import open_checkpoint, translate_load_errors
from model_runtime.engines.dtype import computes_on_gpu
from model_runtime.engines.transcription.mlx_whisper_patches import whisper
from model_runtime.errors import LoadFailed
from model_runtime.loading import LoadSpec

TRANSFORMERS_DIMENSIONS: Mapping[str, str] = {
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
"""mlx-whisper's name of a dimension → transformers' name."""
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
"""Part of a tensor's name in transformers → part in mlx-whisper, replaced in this order."""

COMPUTED_PREFIXES = ("encoder.embed_positions", "encoder.positional_embedding", "proj_out", "alignment_heads")
"""Tensors that are computed, copies of others, or not weights."""


def load_whisper(spec: LoadSpec) -> Any:
    """Return mlx-whisper's model of a checkpoint, evaluated, in float16 on a GPU and float32 on a CPU.

    Raises:
        LoadFailed: the checkpoint is not a Whisper model, or incomplete.
    """
    folder = Path(spec.folders["model"])
    config = open_checkpoint(spec)[1] if list_files(folder, (".safetensors",), depth=1) else read_config(folder)
    dtype = mx.float16 if computes_on_gpu() else mx.float32
    with translate_load_errors(spec.model, config):
        model = whisper.Whisper(_dimensions(spec.model, config), dtype)
        stored = _read_weights(spec.model, folder)
        weights = dict(_convert_weights(stored, model, dtype))
        _quantize(model, config, weights)
        _check_complete(spec.model, model, weights)
        model.update(tree_unflatten(list(weights.items())))
        _set_alignment_heads(model, folder, stored)
        # `parameters` does not contain these two tensors; unevaluated, they stay bound to this thread.
        mx.eval(model.parameters(), model.encoder._positional_embedding, model.decoder._mask)  # noqa: SLF001
    return model


def _dimensions(model_name: str, config: Mapping[str, Any]) -> Any:
    try:
        names = TRANSFORMERS_DIMENSIONS if "d_model" in config else {name: name for name in TRANSFORMERS_DIMENSIONS}
        return whisper.ModelDimensions(**{ours: int(config[theirs]) for ours, theirs in names.items()})
    except KeyError as error:
        raise LoadFailed(
            f"{model_name} is not a Whisper model: its config.json has no {error}. Choose another model."
        ) from error


def _read_weights(model_name: str, folder: Path) -> dict[str, mx.array]:
    files = [file for file in (folder / "weights.safetensors", folder / "weights.npz") if file.exists()][:1]
    files = files or list_files(folder, (".safetensors",), depth=1)
    if not files:
        raise LoadFailed(f"{model_name} has no weights in {folder}. Download the model again.")
    stored: dict[str, mx.array] = {}
    for file in files:
        stored |= cast(dict[str, mx.array], mx.load(str(file)))
    return stored


def _convert_weights(stored: Mapping[str, mx.array], model: Any, dtype: mx.Dtype) -> Iterator[tuple[str, mx.array]]:
    """Yield weights with mlx-whisper's names and layout, in `dtype`."""
    shapes = {name: value.shape for name, value in tree_flatten(model.parameters())}
    for key, value in stored.items():
        name = _convert_name(key)
        if name.startswith(COMPUTED_PREFIXES):
            continue
        if value.ndim == 3 and value.shape != shapes.get(name):  # PyTorch's convolutions have the kernel axis last
            value = value.swapaxes(1, 2)
        yield name, value.astype(dtype) if mx.issubdtype(value.dtype, mx.floating) else value


def _convert_name(name: str) -> str:
    name = name.removeprefix("model.")
    for theirs, ours in TRANSFORMERS_NAMES:
        name = name.replace(theirs, ours)
    return name


def _quantize(model: Any, config: Mapping[str, Any], weights: Mapping[str, mx.array]) -> None:
    quantization = config.get("quantization") or config.get("quantization_config")
    if quantization and any(name.endswith(".scales") for name in weights):
        quantization = {key: quantization[key] for key in ("group_size", "bits", "mode") if key in quantization}
        nn.quantize(model, **quantization, class_predicate=lambda path, _: f"{path}.scales" in weights)


def _check_complete(model_name: str, model: Any, weights: Mapping[str, mx.array]) -> None:
    expected_shapes = {key: value.shape for key, value in tree_flatten(model.parameters()) if key != "alignment_heads"}
    missing = sorted(expected_shapes.keys() - weights.keys())
    mismatched = sorted(key for key, shape in expected_shapes.items() if key in weights and weights[key].shape != shape)
    if missing or mismatched:
        problem = f"{len(missing)} tensors are missing" if missing else f"{len(mismatched)} tensors have another shape"
        raise LoadFailed(
            f"{model_name} is incomplete: {problem}, such as {(missing or mismatched)[0]}. Download the model again."
        )


def _set_alignment_heads(model: Any, folder: Path, stored: Mapping[str, mx.array]) -> None:
    """Set the attention heads for word timestamps from the weights or from generation_config.json."""
    file = folder / "generation_config.json"
    if "alignment_heads" in stored:
        model.alignment_heads = stored["alignment_heads"]
    elif is_there(file):
        heads = read_json_object(file).get("alignment_heads")
        model.alignment_heads = mx.array(heads) if heads else model.alignment_heads
    mx.eval(model.alignment_heads)
