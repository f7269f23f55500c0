"""Moondream2 as vikhyatk/moondream2 has been since 2025, and its tokenizer as moondream/starmie-v1.

The published config.json names Python files and no sizes; a tiny model needs sizes. Crop and patch are 378 and 14 in
every checkpoint, so a picture always takes 729 tokens.
"""

from pathlib import Path

import mlx.core as mx
from mlx_vlm.models.moondream2 import Model, ModelConfig, TextConfig, VisionConfig

from tests.checkpoints.weights import load_tensors, randomise, save_tensors, save_weights
from tests.checkpoints.words import save_tokenizer, train_tokenizer, write_json

SPECIAL = ("<|endoftext|>", "<|md_reserved_0|>", "<|md_reserved_1|>", "<|md_reserved_2|>", "<|md_reserved_3|>")
RENAMED = {
    "text.model.embed_tokens.weight": "model.text.wte",
    "text.model.layers.": "model.text.blocks.",
    "text.model.post_ln.": "model.text.post_ln.",
    "text.lm_head.": "model.text.lm_head.",
    "vision.proj_mlp.": "model.vision.proj_mlp.",
    "vision.encoder.": "model.vision.",
}
VOCABULARY_SIZE = 33_000
"""The prompt templates use fixed ids up to 32708."""


def build(folder: Path, *, hidden: int = 64, layers: int = 2) -> Path:
    """Write a tiny random checkpoint with a region head, which no engine reads, and return its folder."""
    save_tokenizer(train_tokenizer(300, ()), folder)  # the published repository bundles one that is out of date
    text = {
        "model_type": "moondream2",
        "hidden_size": hidden,
        "intermediate_size": hidden * 2,
        "num_hidden_layers": layers,
        "vocab_size": VOCABULARY_SIZE,
        "max_position_embeddings": 2048,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
    }
    vision = {
        "model_type": "moondream2_vision",
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "proj_inner_dim": 64,
        "proj_out_dim": hidden,
    }
    sizes = ModelConfig(text_config=TextConfig.from_dict(text), vision_config=VisionConfig.from_dict(vision))
    save_weights(randomise(Model(sizes), spread=0.15), _created(folder), rename=published_name, index=False)
    _add_region_head(folder / "model.safetensors")
    write_json(
        folder / "config.json",
        {
            "architectures": ["HfMoondream"],
            "model_type": "moondream1",
            "auto_map": {"AutoConfig": "hf_moondream.HfConfig", "AutoModelForCausalLM": "hf_moondream.HfMoondream"},
            "text_config": text,
            "vision_config": vision,
        },
    )
    return folder


def build_tokenizer(folder: Path) -> Path:
    """Write the tokenizer's own repository and return its folder."""
    names = dict.fromkeys(("eos_token", "bos_token"), SPECIAL[0])
    save_tokenizer(train_tokenizer(VOCABULARY_SIZE, SPECIAL), folder, **names)
    return folder


def published_name(name: str) -> str:
    """Turn a parameter of the library's class into the checkpoint's name for it."""
    for ours, theirs in RENAMED.items():
        if name.startswith(ours):
            return theirs + name.removeprefix(ours)
    return name


def _add_region_head(file: Path) -> None:
    save_tensors(file, load_tensors(file) | {"model.region.coord_decoder.fc1.weight": mx.zeros((8, 8))})


def _created(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
