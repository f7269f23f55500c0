"""Write a run's averaged weights as a Qwen2.5-VL checkpoint in the layout mlx-community publishes.

`python -m senses_training.vision.export` writes into `model_runtime/starter/vlm-starter/`.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import Tensor

from senses_training import paths
from senses_training.vision import tokenizer as tokenizers
from senses_training.vision.network import Shape
from senses_training.vision.patches import DEVIATION, MAX_PIXELS, MEAN, MERGE, MIN_PIXELS, PATCH
from senses_training.vision.wordings import wordings
from senses_training.words import write_words

FRAMES = 2  # Qwen shows a still picture twice
CONTEXT = 2048


def weights(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename parameters, give the patch kernel its two frames, and halve their precision."""
    renamed = {}
    for name, value in state.items():
        if name.startswith("visual."):
            renamed[name.replace("visual.", "vision_tower.", 1)] = value.contiguous()
        else:
            renamed[f"language_model.{name}"] = value.contiguous()
    kernel = renamed["vision_tower.patch_embed.proj.weight"]
    frames = kernel.view(-1, 1, 3, PATCH, PATCH).permute(0, 1, 3, 4, 2) / FRAMES
    renamed["vision_tower.patch_embed.proj.weight"] = frames.repeat(1, FRAMES, 1, 1, 1).contiguous()
    return {name: value.half() for name, value in renamed.items()}


def config(shape: Shape) -> dict[str, Any]:
    """Describe the network as Qwen2.5-VL's `config.json` does."""
    return {
        "architectures": ["Qwen2_5_VLForConditionalGeneration"],
        "model_type": "qwen2_5_vl",
        "hidden_size": shape.hidden,
        "intermediate_size": shape.intermediate,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "rms_norm_eps": shape.eps,
        "vocab_size": shape.vocabulary,
        "max_position_embeddings": CONTEXT,
        "rope_theta": shape.rope_theta,
        "rope_scaling": {"type": "mrope", "mrope_section": list(shape.mrope)},
        "tie_word_embeddings": True,
        "hidden_act": "silu",
        "use_cache": True,
        "use_sliding_window": False,
        "torch_dtype": "float16",
        "bos_token_id": tokenizers.END,
        "eos_token_id": tokenizers.STOP,
        "vision_start_token_id": tokenizers.VISION_START,
        "vision_end_token_id": tokenizers.VISION_END,
        "vision_token_id": tokenizers.VISION_PAD,
        "image_token_id": tokenizers.IMAGE,
        "video_token_id": tokenizers.VIDEO,
        "vision_config": {
            "model_type": "qwen2_5_vl",
            "depth": shape.vision_layers,
            "hidden_size": shape.vision_hidden,
            "intermediate_size": shape.vision_intermediate,
            "out_hidden_size": shape.hidden,
            "num_heads": shape.vision_heads,
            "in_channels": 3,
            "in_chans": 3,
            "patch_size": PATCH,
            "spatial_patch_size": PATCH,
            "spatial_merge_size": MERGE,
            "temporal_patch_size": FRAMES,
            "window_size": 112,
            "fullatt_block_indexes": list(range(shape.vision_layers)),
            "tokens_per_second": 2,
            "hidden_act": "silu",
        },
    }


def preprocessor() -> dict[str, Any]:
    """Describe how pictures are brought to the network's size."""
    return {
        "image_processor_type": "Qwen2VLImageProcessor",
        "processor_class": "Qwen2_5_VLProcessor",
        "min_pixels": MIN_PIXELS,
        "max_pixels": MAX_PIXELS,
        "patch_size": PATCH,
        "temporal_patch_size": FRAMES,
        "merge_size": MERGE,
        "image_mean": [round(float(value), 8) for value in MEAN],
        "image_std": [round(float(value), 8) for value in DEVIATION],
    }


def generation() -> dict[str, Any]:
    """Answer greedily and stop at the end of the turn."""
    return {
        "do_sample": False,
        "bos_token_id": tokenizers.END,
        "pad_token_id": tokenizers.END,
        "eos_token_id": [tokenizers.STOP, tokenizers.END],
    }


def write(run: Path, folder: Path) -> None:
    """Write every file of the checkpoint."""
    folder.mkdir(parents=True, exist_ok=True)
    shape = Shape(**json.loads((run / "shape.json").read_text()))
    named = weights(torch.load(run / "state.pt")["average"])
    save_file(named, folder / "model.safetensors", metadata={"format": "mlx"})
    (folder / "model.safetensors").chmod(0o644)
    total = sum(value.numel() * value.element_size() for value in named.values())
    index = {"metadata": {"total_size": total}, "weight_map": dict.fromkeys(sorted(named), "model.safetensors")}
    for name, content in (
        ("model.safetensors.index.json", index),
        ("config.json", config(shape)),
        ("preprocessor_config.json", preprocessor()),
        ("generation_config.json", generation()),
    ):
        (folder / name).write_text(json.dumps(content, indent=2) + "\n")
    write_words(folder, wordings())
    tokenizers.save(Tokenizer.from_file(str(run / "tokenizer.json")), folder)


def main() -> None:
    """Export from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, default=Path("build/vision"), help="the folder train.py wrote")
    parser.add_argument("--to", type=Path, default=paths.VLM)
    options = parser.parse_args()
    write(options.run, options.to)


if __name__ == "__main__":
    main()
