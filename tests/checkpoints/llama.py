"""Llama 3.2 as mlx-community publishes it (4-bit), and one whose greedy answer is known in advance."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx_lm.models.llama import Model, ModelArgs
from tokenizers import Tokenizer

from tests.checkpoints.weights import quantise, randomise, save_weights
from tests.checkpoints.words import id_of, save_tokenizer, train_tokenizer, write_json

SPECIAL = (
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
    "<|finetune_right_pad_id|>",
)
TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}<|start_header_id|>{{ message['role'] }}<|end_header_id|>\n\n"
    "{{ message['content'] }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
VOCABULARY_SIZE = 600
SCRIPTED_ANSWER = " Describe the picture: how many objects are in one image? A red square on a white background."


def build(folder: Path) -> Path:
    """Write a tiny random 4-bit checkpoint and return its folder."""
    config = _config(_save_tokenizer(folder), hidden=64, rope_scaling=_rope())
    model = randomise(Model(ModelArgs.from_dict(config)), spread=0.2)
    _save_checkpoint(model, folder, {**config, **quantise(model)})
    return folder


def build_scripted(folder: Path, *, endless: bool = False) -> str:
    """Write a checkpoint that answers anything with the same words, and return them.

    The output head holds a chain: the row of each next token is the embedding of the current one, and attention and
    feed-forward layers are too weak to disturb it. The answer ends with the end-of-turn token, or starts again where
    it is `endless`. Every token occurs once.
    """
    tokenizer = _save_tokenizer(folder)
    config = _config(tokenizer, hidden=128, tie_word_embeddings=False)
    model = randomise(Model(ModelArgs.from_dict(config)))
    chain = _chain(tokenizer, endless)
    _write_chain(model, chain)
    _save_checkpoint(model, folder, config)
    return str(tokenizer.decode(chain[1:-1]))


def build_large(folder: Path, *, words: int = VOCABULARY_SIZE) -> Path:
    """Write a random checkpoint of 30 million parameters in full precision, large enough that weights cost time.

    A vocabulary of more `words` adds its embeddings.
    """
    size = {"hidden": 640, "num_hidden_layers": 9, "head_dim": 64, "num_attention_heads": 10}
    config = _config(_save_tokenizer(folder, words), **size, vocab_size=words)
    _save_checkpoint(randomise(Model(ModelArgs.from_dict(config)), spread=0.02), folder, config)
    return folder


def _save_tokenizer(folder: Path, words: int = VOCABULARY_SIZE) -> Tokenizer:
    tokenizer = train_tokenizer(words, SPECIAL)
    names = {"bos_token": SPECIAL[0], "eos_token": "<|eot_id|>", "pad_token": SPECIAL[-1]}
    save_tokenizer(tokenizer, folder, **names, chat_template=TEMPLATE)
    return tokenizer


def _config(tokenizer: Tokenizer, *, hidden: int, **changes: Any) -> dict[str, Any]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": hidden,
        "intermediate_size": hidden * 2,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": hidden // 4,
        "rms_norm_eps": 1e-5,
        "vocab_size": VOCABULARY_SIZE,
        "max_position_embeddings": 4096,
        "rope_theta": 500000.0,
        "tie_word_embeddings": True,
        "attention_bias": False,
        "mlp_bias": False,
        "bos_token_id": id_of(tokenizer, "<|begin_of_text|>"),
        "eos_token_id": [id_of(tokenizer, "<|end_of_text|>"), id_of(tokenizer, "<|eot_id|>")],
        **changes,
    }


def _rope() -> dict[str, Any]:
    lengths = {"low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 2048}
    return {"rope_type": "llama3", "factor": 32.0, **lengths}


def _chain(tokenizer: Tokenizer, endless: bool) -> list[int]:
    start = tokenizer.encode("\n\n", add_special_tokens=False).ids[-1]
    spoken = [token for token in dict.fromkeys(tokenizer.encode(SCRIPTED_ANSWER).ids) if token != start]
    return [start, *spoken, spoken[0] if endless else id_of(tokenizer, "<|eot_id|>")]


def _write_chain(model: Model, chain: list[int]) -> None:
    shape = model.model.embed_tokens.weight.shape
    embeddings = mx.random.normal(shape)
    embeddings = embeddings / mx.linalg.norm(embeddings, axis=1, keepdims=True) * shape[1] ** 0.5
    head = mx.random.normal(shape) * 1e-3
    for current, following in pairwise(chain):
        head[following] += embeddings[current]
    model.model.embed_tokens.weight, model.lm_head.weight = embeddings, head
    for layer in model.model.layers:
        layer.self_attn.o_proj.weight *= 0.02
        layer.mlp.down_proj.weight *= 0.02


def _save_checkpoint(model: Model, folder: Path, config: dict[str, Any]) -> None:
    write_json(folder / "config.json", config)
    write_json(folder / "generation_config.json", {"eos_token_id": config["eos_token_id"], "do_sample": False})
    save_weights(model, folder)
