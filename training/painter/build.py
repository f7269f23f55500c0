"""Write the painter as a FLUX.2-klein checkpoint in the layout of `mflux-save`, with random weights.

`python -m training.painter.build` writes `model_runtime/starter/image-starter/`: the same bytes each time.
"""

import argparse
import json
import os
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

from training.painter import tokenizer as tokenizers
from training.painter.shapes import TEXT, TRANSFORMER, VAE_CHANNELS

STARTER = Path("model_runtime/starter/image-starter")
SEED = 0
SPREAD = 0.08


def build(folder: Path, seed: int = SEED) -> None:
    """Write tokenizer, configuration and random weights in bfloat16."""
    tokenizers.save(tokenizers.train(seed), folder / "tokenizer")
    mx.random.seed(seed)
    parts = SimpleNamespace(
        vae=randomise(Flux2VAE(), VAE_CHANNELS),
        transformer=randomise(Flux2Transformer(**TRANSFORMER)),
        text_encoder=randomise(Qwen3TextEncoder(**TEXT)),
    )
    ModelSaver.save_model(parts, bits=None, base_path=str(folder), weight_definition=Flux2KleinWeightDefinition)
    write(folder / "model_index.json", {"_class_name": "Flux2KleinPipeline"})
    write(folder / "transformer" / "config.json", {"_class_name": "Flux2Transformer2DModel", **TRANSFORMER})
    write(folder / "text_encoder" / "config.json", {"model_type": "qwen3", **TEXT})


def randomise(part: nn.Module, narrower: dict[int, int] | None = None) -> nn.Module:
    """Give every matrix random values, with the widths that `narrower` names; norms start at 1, biases at 0."""
    values: list[tuple[str, Any]] = []
    for name, full in tree_flatten(part.parameters()):
        is_statistic = name.startswith("bn.")
        shape = full.shape if is_statistic else tuple((narrower or {}).get(side, side) for side in full.shape)
        if len(shape) > 1:
            value = mx.random.normal(shape) * SPREAD
        else:
            value = mx.full(shape, float(name.endswith(("weight", "running_var"))))
        values.append((name, value.astype(mx.bfloat16)))
    part.update(tree_unflatten(values))
    return part


def write(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file."""
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=STARTER)
    parser.add_argument("--seed", type=int, default=SEED)
    arguments = parser.parse_args()
    build(arguments.folder, arguments.seed)
