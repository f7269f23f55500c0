"""Gemma 3 with and without vision as mlx-community publishes them (4-bit), and Gemma 4 with vision."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlx_lm.models.gemma3_text import Model as TextModel
from mlx_lm.models.gemma3_text import ModelArgs
from mlx_vlm.models import gemma3, gemma4

from tests.checkpoints.weights import quantise, randomise, save_weights
from tests.checkpoints.words import id_of, save_tokenizer, train_tokenizer, write_json

COMMON = ("<pad>", "<eos>", "<bos>", "<unk>")
GEMMA3 = ("<start_of_turn>", "<end_of_turn>", "<start_of_image>", "<end_of_image>", "<image_soft_token>")
GEMMA4 = ("<|turn>", "<turn|>", "<|image>", "<image|>", "<|image|>", "<|audio|>", "<|audio>", "<audio|>", "<|video|>")
TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{% set role = 'model' if message['role'] == 'assistant' else 'user' %}START{{ role }}\n"
    "{% if message['content'] is string %}{{ message['content'] | trim }}"
    "{% else %}{% for item in message['content'] %}{% if item['type'] == 'image' %}IMAGE"
    "{% elif item['type'] == 'text' %}{{ item['text'] | trim }}{% endif %}{% endfor %}{% endif %}END\n{% endfor %}"
    "{% if add_generation_prompt %}STARTmodel\n{% endif %}"
)
NAMES3 = {"image_token": "<image_soft_token>", "boi_token": "<start_of_image>", "eoi_token": "<end_of_image>"}
NAMES4 = {
    "image_token": "<|image|>",
    "boi_token": "<|image>",
    "eoi_token": "<image|>",
    "audio_token": "<|audio|>",
    "boa_token": "<|audio>",
    "eoa_token": "<audio|>",
    "video_token": "<|video|>",
}
VOCABULARY_SIZE = 600
TEXT = {
    "hidden_size": 64,
    "num_hidden_layers": 6,
    "intermediate_size": 128,
    "num_attention_heads": 4,
    "head_dim": 16,
    "vocab_size": VOCABULARY_SIZE,
    "sliding_window": 64,
    "rms_norm_eps": 1e-6,
    "max_position_embeddings": 4096,
}
VISION = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}


def build_gemma3(folder: Path) -> Path:
    """Write a tiny random Gemma 3 that sees and return its folder."""
    ids = _save_tokenizer(folder, GEMMA3, {"processor_class": "Gemma3Processor", **NAMES3}, NAMES3, "<start_of_image>")
    config = {
        "architectures": ["Gemma3ForConditionalGeneration"],
        "model_type": "gemma3",
        "boi_token_index": ids["<start_of_image>"],
        "eoi_token_index": ids["<end_of_image>"],
        "image_token_index": ids["<image_soft_token>"],
        "eos_token_id": [ids["<eos>"], ids["<end_of_turn>"]],
        "pad_token_id": 0,
        "mm_tokens_per_image": 16,
        "hidden_size": 64,
        "vocab_size": VOCABULARY_SIZE,
        "text_config": {**_gemma3_text(), "mm_tokens_per_image": 16},
        "vision_config": {**VISION, "model_type": "siglip_vision_model", "patch_size": 14, "image_size": 56},
    }
    _save_model(folder, gemma3, config, keep=("vision", "multi_modal"))
    write_json(folder / "preprocessor_config.json", _siglip_preprocessor())
    write_json(folder / "processor_config.json", {"image_seq_length": 16, "processor_class": "Gemma3Processor"})
    return folder


def build_gemma3_text(folder: Path) -> Path:
    """Write a tiny random Gemma 3 that reads text only and return its folder."""
    ids = _save_tokenizer(folder, GEMMA3, NAMES3, NAMES3, "<start_of_image>")
    config = {
        "architectures": ["Gemma3ForCausalLM"],
        **_gemma3_text(),
        "rope_theta": 1e6,
        "rope_local_base_freq": 1e4,
        "eos_token_id": [ids["<eos>"], ids["<end_of_turn>"]],
        "bos_token_id": ids["<bos>"],
        "pad_token_id": 0,
    }
    model = randomise(TextModel(ModelArgs.from_dict(config)))
    write_json(folder / "config.json", {**config, **quantise(model)})
    save_weights(model, folder)
    return folder


def build_gemma4(folder: Path) -> Path:
    """Write a tiny random Gemma 4 that sees and return its folder."""
    ids = _save_tokenizer(folder, GEMMA4, NAMES4, NAMES4, "<|image|>")
    config = {
        "architectures": ["Gemma4ForConditionalGeneration"],
        "model_type": "gemma4",
        "audio_config": None,
        "image_token_id": ids["<|image|>"],
        "audio_token_id": ids["<|audio|>"],
        "video_token_id": ids["<|video|>"],
        "boi_token_id": ids["<|image>"],
        "eoi_token_id": ids["<image|>"],
        "boa_token_id": ids["<|audio>"],
        "eoa_token_id": ids["<audio|>"],
        "eos_token_id": [ids["<eos>"], ids["<turn|>"]],
        "pad_token_id": 0,
        "hidden_size": 64,
        "vocab_size": VOCABULARY_SIZE,
        "vision_soft_tokens_per_image": 70,
        "tie_word_embeddings": True,
        "text_config": _gemma4_text(),
        "vision_config": _gemma4_vision(),
    }
    _save_model(folder, gemma4, config, keep=("vision", "embed_vision"))
    write_json(folder / "processor_config.json", _gemma4_processor())
    return folder


def _save_tokenizer(
    folder: Path, special: Sequence[str], extra: Mapping[str, str], named: Mapping[str, str], image: str
) -> dict[str, int]:
    tokens = (*COMMON, *special)
    tokenizer = train_tokenizer(VOCABULARY_SIZE, tokens)
    names = {"eos_token": "<eos>", "bos_token": "<bos>", "pad_token": "<pad>", "unk_token": "<unk>"}
    save_tokenizer(tokenizer, folder, **names, **extra, extra_special_tokens=dict(named))
    template = TEMPLATE.replace("START", special[0]).replace("END", special[1]).replace("IMAGE", image)
    (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    return {token: id_of(tokenizer, token) for token in tokens}


def _save_model(folder: Path, family: Any, config: dict[str, Any], keep: Sequence[str]) -> None:
    sizes = family.ModelConfig.from_dict(dict(config))
    sizes.text_config = family.TextConfig.from_dict(config["text_config"])
    sizes.vision_config = family.VisionConfig.from_dict(config["vision_config"])
    model = randomise(family.Model(sizes))
    write_json(folder / "config.json", {**config, **quantise(model, keep=keep)})
    save_weights(model, folder)


def _gemma3_text() -> dict[str, Any]:
    own = {"num_key_value_heads": 2, "query_pre_attn_scalar": 16, "sliding_window_pattern": 6}
    return {"model_type": "gemma3_text", **TEXT, **own}


def _siglip_preprocessor() -> dict[str, Any]:
    return {
        "image_processor_type": "Gemma3ImageProcessor",
        "processor_class": "Gemma3Processor",
        "do_resize": True,
        "do_rescale": True,
        "do_normalize": True,
        "do_convert_rgb": None,
        "image_mean": [0.5] * 3,
        "image_std": [0.5] * 3,
        "image_seq_length": 16,
        "resample": 2,
        "rescale_factor": 1 / 255,
        "size": {"height": 56, "width": 56},
    }


def _gemma4_text() -> dict[str, Any]:
    return {
        "model_type": "gemma4_text",
        **TEXT,
        "num_key_value_heads": 1,
        "global_head_dim": 32,
        "vocab_size_per_layer_input": VOCABULARY_SIZE,
        "hidden_size_per_layer_input": 16,
        "num_kv_shared_layers": 2,
        "sliding_window_pattern": 3,
        "layer_types": ["sliding_attention", "sliding_attention", "full_attention"] * 2,
    }


def _gemma4_vision() -> dict[str, Any]:
    return {
        "model_type": "gemma4_vision",
        **VISION,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "global_head_dim": 16,
        "patch_size": 16,
        "position_embedding_size": 1024,
        "pooling_kernel_size": 3,
        "default_output_length": 70,
    }


def _gemma4_processor() -> dict[str, Any]:
    pictures = {
        "image_processor_type": "Gemma4ImageProcessor",
        "patch_size": 16,
        "max_soft_tokens": 70,
        "pooling_kernel_size": 3,
        "do_resize": True,
        "do_rescale": True,
        "do_normalize": False,
        "rescale_factor": 1 / 255,
        "image_mean": [0.0] * 3,
        "image_std": [1.0] * 3,
    }
    return {"processor_class": "Gemma4Processor", "image_seq_length": 70, "image_processor": pictures}
