"""Qwen2.5-VL as mlx-community publishes it: 4-bit language model, plain vision tower, two shards with an index."""

from pathlib import Path
from typing import Any

from mlx_vlm.models.qwen2_5_vl import Model, ModelConfig, TextConfig, VisionConfig

from tests.checkpoints.weights import quantise, randomise, save_weights
from tests.checkpoints.words import id_of, save_tokenizer, train_tokenizer, write_json

SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
NAMES = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
TEMPLATE = (
    "{% for message in messages %}"
    "{% if loop.first and message['role'] != 'system' %}"
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}"
    "<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}<|im_end|>\n"
    "{% else %}{% for content in message['content'] %}"
    "{% if content['type'] == 'image' or 'image' in content or 'image_url' in content %}"
    "<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif 'text' in content %}{{ content['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
HEAD_SIZE = 16


def build(folder: Path, *, hidden: int = 64, layers: int = 2, words: int = 600, shards: int = 2) -> Path:
    """Write a tiny random checkpoint and return its folder."""
    tokenizer = train_tokenizer(words, SPECIAL)
    ids = {token: id_of(tokenizer, token) for token in SPECIAL}
    save_tokenizer(tokenizer, folder, "Qwen2Tokenizer", **NAMES)
    write_json(folder / "chat_template.json", {"chat_template": TEMPLATE})
    text, vision = _text_config(ids, hidden, layers, words), _vision_config(hidden)
    config = ModelConfig.from_dict({**text, "vision_config": vision})
    config.text_config, config.vision_config = TextConfig.from_dict(text), VisionConfig.from_dict(vision)
    model = randomise(Model(config))
    write_json(folder / "config.json", {**text, "vision_config": vision, **quantise(model)})
    save_weights(model, folder, shards=shards)
    write_json(folder / "preprocessor_config.json", _preprocessor())
    write_json(
        folder / "generation_config.json",
        {"do_sample": True, "eos_token_id": [ids["<|im_end|>"], ids["<|endoftext|>"]], "temperature": 1e-6},
    )
    return folder


def _text_config(ids: dict[str, int], hidden: int, layers: int, words: int) -> dict[str, Any]:
    return {
        "architectures": ["Qwen2_5_VLForConditionalGeneration"],
        "model_type": "qwen2_5_vl",
        "hidden_size": hidden,
        "intermediate_size": hidden * 2,
        "num_hidden_layers": layers,
        "num_attention_heads": hidden // HEAD_SIZE,
        "num_key_value_heads": 2,
        "rms_norm_eps": 1e-6,
        "vocab_size": words,
        "max_position_embeddings": 4096,
        "rope_theta": 1e6,
        "rope_scaling": {"type": "mrope", "mrope_section": [2, 3, 3]},
        "tie_word_embeddings": False,
        "hidden_act": "silu",
        "bos_token_id": ids["<|endoftext|>"],
        "eos_token_id": ids["<|im_end|>"],
        "vision_start_token_id": ids["<|vision_start|>"],
        "vision_end_token_id": ids["<|vision_end|>"],
        "vision_token_id": ids["<|vision_pad|>"],
        "image_token_id": ids["<|image_pad|>"],
        "video_token_id": ids["<|video_pad|>"],
    }


def _vision_config(hidden: int) -> dict[str, Any]:
    return {
        "model_type": "qwen2_5_vl",
        "depth": 2,
        "hidden_size": 32,
        "intermediate_size": 64,
        "out_hidden_size": hidden,
        "num_heads": 2,
        "in_channels": 3,
        "in_chans": 3,
        "patch_size": 14,
        "spatial_patch_size": 14,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
        "window_size": 112,
        "fullatt_block_indexes": [1],
        "tokens_per_second": 2,
        "hidden_act": "silu",
    }


def _preprocessor() -> dict[str, Any]:
    return {
        "min_pixels": 3136,
        "max_pixels": 12845056,
        "patch_size": 14,
        "temporal_patch_size": 2,
        "merge_size": 2,
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
        "image_processor_type": "Qwen2VLImageProcessor",
        "processor_class": "Qwen2_5_VLProcessor",
    }
