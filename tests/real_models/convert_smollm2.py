"""Convert SmolLM2 from GGUF to the layout of transformers, which mlx-lm loads.

GGUF's names of tensors and fields: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. llama.cpp stores the
rotary halves of queries and keys in pairs (`LlamaModel.permute` of its converter); this undoes it.
"""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGUFReader, dequantize
from safetensors.numpy import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from tests.real_models.members import read_members

LAYER_NAMES = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}
CONTROL_TOKEN, USER_TOKEN = 3, 4
"""Kinds of tokens in `tokenizer.ggml.token_type`."""


def convert(archives: Mapping[str, Path], folder: Path) -> None:
    """Write config.json, model.safetensors and the tokenizer into `folder`."""
    (archive,) = archives.values()
    ((_, content),) = read_members(archive, lambda name: name.endswith(".gguf"))
    with tempfile.NamedTemporaryFile(suffix=".gguf") as file:
        file.write(content)
        file.flush()
        reader = GGUFReader(file.name)
        fields = {name: field.contents() for name, field in reader.fields.items()}
        config = llama_config(fields)
        weights = llama_weights(reader.tensors, config)
    save_file(weights, folder / "model.safetensors", metadata={"format": "mlx"})
    _write_json(folder / "config.json", config)
    tokenizer(fields).save(str(folder / "tokenizer.json"))
    _write_json(folder / "tokenizer_config.json", tokenizer_config(fields))


def llama_config(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config.json of a Llama with shared embeddings."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "rope_theta": fields["llama.rope.freq_base"],
        "tie_word_embeddings": True,
        "hidden_size": fields["llama.embedding_length"],
        "intermediate_size": fields["llama.feed_forward_length"],
        "num_hidden_layers": fields["llama.block_count"],
        "num_attention_heads": fields["llama.attention.head_count"],
        "num_key_value_heads": fields["llama.attention.head_count_kv"],
        "rms_norm_eps": float(fields["llama.attention.layer_norm_rms_epsilon"]),
        "max_position_embeddings": fields["llama.context_length"],
        "vocab_size": len(fields["tokenizer.ggml.tokens"]),
        "bos_token_id": fields["tokenizer.ggml.bos_token_id"],
        "eos_token_id": fields["tokenizer.ggml.eos_token_id"],
        "torch_dtype": "float16",
    }


def llama_weights(tensors: Any, config: Mapping[str, Any]) -> dict[str, np.ndarray[Any, Any]]:
    """Return the weights in float16 under the names of transformers."""
    heads = {"attn_q": config["num_attention_heads"], "attn_k": config["num_key_value_heads"]}
    weights = {}
    for tensor in tensors:
        values = dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        name = tensor.name.removesuffix(".weight")
        part = name.rpartition(".")[2]
        if part in heads:
            values = _unpair_rotary_halves(values, heads[part])
        weights[_name_of(name) + ".weight"] = values.astype(np.float16)
    return weights


def tokenizer(fields: Mapping[str, Any]) -> Tokenizer:
    """Return the byte-level BPE tokenizer with the pre-tokenizer that GGUF calls "smollm"."""
    tokens, kinds = fields["tokenizer.ggml.tokens"], fields["tokenizer.ggml.token_type"]
    merges = [tuple(merge.split(" ")) for merge in fields["tokenizer.ggml.merges"]]
    made = Tokenizer(models.BPE(vocab={token: number for number, token in enumerate(tokens)}, merges=merges))
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    made.decoder = decoders.ByteLevel()
    typed = list(zip(tokens, kinds, strict=True))
    made.add_special_tokens([AddedToken(each, special=True) for each, kind in typed if kind == CONTROL_TOKEN])
    made.add_tokens([AddedToken(each, normalized=False) for each, kind in typed if kind == USER_TOKEN])
    return made


def tokenizer_config(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return tokenizer_config.json with the publisher's chat template."""
    tokens = fields["tokenizer.ggml.tokens"]
    named = {"bos": "bos", "eos": "eos", "unk": "unknown", "pad": "padding"}
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": fields["llama.context_length"],
        "clean_up_tokenization_spaces": False,
        "chat_template": fields["tokenizer.chat_template"],
        **{f"{ours}_token": tokens[fields[f"tokenizer.ggml.{theirs}_token_id"]] for ours, theirs in named.items()},
    }


def _name_of(name: str) -> str:
    if name in {"token_embd", "output_norm"}:
        return {"token_embd": "model.embed_tokens", "output_norm": "model.norm"}[name]
    _, layer, part = name.split(".")
    return f"model.layers.{layer}.{LAYER_NAMES[part]}"


def _unpair_rotary_halves(values: np.ndarray[Any, Any], heads: int) -> np.ndarray[Any, Any]:
    return values.reshape(heads, len(values) // heads // 2, 2, -1).swapaxes(1, 2).reshape(values.shape)


def _write_json(file: Path, content: Mapping[str, Any]) -> None:
    file.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")
