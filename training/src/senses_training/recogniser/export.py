"""Write the trained network as mlx-whisper reads it.

`python -m senses_training.recogniser.export --folder run --out DIR`.
"""

import argparse
import json
import logging
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file

from senses_training.recogniser import vocabulary as v
from senses_training.recogniser.network import GUIDED_HEADS, NEVER, Recogniser, Size
from senses_training.recogniser.spectrogram import MELS

logger = logging.getLogger(__name__)

GROUP, STEPS = 32, 255
"""The token table is stored in 8 bits, with a scale for every 32 numbers."""


def dimensions(size: Size) -> dict[str, int | str | dict[str, int]]:
    """Give the library's config.json."""
    return {
        "model_type": "whisper",
        "n_mels": MELS,
        "n_audio_ctx": size.audio_context,
        "n_audio_state": size.state,
        "n_audio_head": size.heads,
        "n_audio_layer": size.audio_layers,
        "n_vocab": v.N_VOCAB,
        "n_text_ctx": size.text_context,
        "n_text_state": size.state,
        "n_text_head": size.heads,
        "n_text_layer": size.text_layers,
        "quantization": {"group_size": GROUP, "bits": 8},
    }


def embedding(trained: np.ndarray) -> np.ndarray:
    """Spread the trained rows over the whole vocabulary; all others can never win."""
    table = np.zeros((v.N_VOCAB, trained.shape[1]), trained.dtype)
    table[:, 0] = NEVER
    table[list(v.TOKENS)] = trained
    return table


def quantised(table: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give MLX's affine form of rows of numbers: four 8-bit steps a word, and the groups' scales and biases.

    Only layers that have scales are read so; all others stay as they are.
    """
    groups = table.reshape(len(table), -1, GROUP).astype(np.float32)
    low, high = groups.min(-1), groups.max(-1)
    biases, scales = low.astype(np.float16), (np.maximum(high - low, 1e-4) / STEPS).astype(np.float16)
    steps = np.round((groups - biases[..., None].astype(np.float32)) / scales[..., None].astype(np.float32))
    packed = steps.clip(0, STEPS).astype(np.uint8).reshape(len(table), -1).view(np.uint32)
    return packed, scales, biases


def weights(network: Recogniser) -> dict[str, np.ndarray]:
    """Give all weights in the library's names and layouts, the token table in 8 bits, the rest in half precision."""
    found = {name: value.detach().numpy() for name, value in network.state_dict().items()}
    for name in ("encoder.conv1.weight", "encoder.conv2.weight"):
        found[name] = found[name].transpose(0, 2, 1)
    norm = network.decoder.pinned_norm()
    found["decoder.ln.weight"], found["decoder.ln.bias"] = (part.detach().numpy() for part in norm)
    table = quantised(embedding(found.pop("decoder.token_embedding.weight")))
    halves = {name: np.ascontiguousarray(value, dtype=np.float16) for name, value in found.items()}
    heads = np.array([(network.size.text_layers - 1, head) for head in GUIDED_HEADS], dtype=np.int32)
    names = (f"decoder.token_embedding.{part}" for part in ("weight", "scales", "biases"))
    return {**halves, **dict(zip(names, table, strict=True)), "alignment_heads": heads}


def main() -> None:
    """Export the running mean of the newest state."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    state = torch.load(asked.folder / "state.pt", map_location="cpu")
    network = Recogniser(Size())
    network.load_state_dict(state["mean"])
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / "config.json").write_text(json.dumps(dimensions(network.size), indent=2) + "\n")
    file = asked.out / "weights.safetensors"
    save_file(weights(network), file, metadata={"format": "mlx"})
    file.chmod(0o644)
    logger.info("step %d, %.0f s trained, %.1f MB", state["step"], state["seconds"], file.stat().st_size / 1e6)


if __name__ == "__main__":
    main()
