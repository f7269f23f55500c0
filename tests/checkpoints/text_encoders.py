"""Embedding models as sentence-transformers publishes them: Qwen3-Embedding, and BERT and XLM-R as multilingual E5 has them.

They are made of NumPy alone, so that the reference of `transformers_vectors` is computed from the very same files.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

from tests.checkpoints.words import SENTENCES, save_tokenizer, train_tokenizer, write_json

HIDDEN, HEADS, LAYERS, FEED_FORWARD = 64, 4, 2, 96
QWEN_VOCABULARY, QWEN_END = 320, "<|endoftext|>"
PIECE_SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
MAX_POSITIONS = 48
SPREAD = 0.2

Tensors = dict[str, np.ndarray]


def build_qwen3(folder: Path) -> Path:
    """Write a tiny Qwen3-Embedding and return its folder: causal, the vector of the last token."""
    tokenizer = train_tokenizer(QWEN_VOCABULARY, (QWEN_END, "<|im_start|>", "<|im_end|>"))
    end = tokenizer.token_to_id(QWEN_END)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {QWEN_END}", pair=f"$A {QWEN_END} $B {QWEN_END}", special_tokens=[(QWEN_END, end)]
    )
    config = {
        "architectures": ["Qwen3ForCausalLM"],
        "model_type": "qwen3",
        "hidden_size": HIDDEN,
        "intermediate_size": FEED_FORWARD,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS // 2,
        "head_dim": HIDDEN // HEADS,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-6,
        "vocab_size": QWEN_VOCABULARY,
        "max_position_embeddings": 32_768,
        "rope_theta": 1_000_000,
        "tie_word_embeddings": True,
        "attention_bias": False,
        "eos_token_id": end,
    }
    save_tokenizer(tokenizer, folder, "Qwen2TokenizerFast", eos_token=QWEN_END, pad_token=QWEN_END)
    return _save(folder, config, _qwen3_tensors(), {"pooling_mode_lasttoken": True, "include_prompt": True})


def build_bert(folder: Path) -> Path:
    """Write a tiny model of BERT's family with XLM-R's tokenizer, as multilingual-e5-small is; return its folder."""
    return _build_encoder(folder, "bert", ["BertModel"], pad_token_id=0, type_vocab_size=2, layer_norm_eps=1e-12)


def build_xlm_roberta(folder: Path) -> Path:
    """Write a tiny XLM-R, as multilingual-e5-base is, and return its folder."""
    return _build_encoder(
        folder, "xlm-roberta", ["XLMRobertaModel"], pad_token_id=1, type_vocab_size=1, layer_norm_eps=1e-5
    )


def _build_encoder(folder: Path, model_type: str, architectures: list[str], **fields: Any) -> Path:
    tokenizer = _piece_tokenizer()
    config = {
        "architectures": architectures,
        "model_type": model_type,
        "hidden_size": HIDDEN,
        "intermediate_size": FEED_FORWARD,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "hidden_act": "gelu",
        "vocab_size": tokenizer.get_vocab_size(),
        "max_position_embeddings": MAX_POSITIONS,
        **fields,
    }
    names = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "cls_token": "<s>", "sep_token": "</s>"}
    save_tokenizer(tokenizer, folder, **names, unk_token="<unk>", model_max_length=512)  # noqa: S106 - no password
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": 512, "do_lower_case": False})
    pooling = {"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}
    return _save(folder, config, _encoder_tensors(config), pooling)


def _piece_tokenizer() -> Tokenizer:
    """Return a unigram tokenizer of letters and short words, whose pieces are as XLM-R's."""
    letters = sorted({letter for sentence in SENTENCES for letter in sentence if letter != " "})
    words = sorted({f"▁{word}" for sentence in SENTENCES for word in sentence.split()})
    pieces = [(piece, 0.0) for piece in PIECE_SPECIAL]
    pieces += [("▁", -2.0), *((word, -4.0) for word in words), *((letter, -3.0) for letter in letters)]
    tokenizer = Tokenizer(models.Unigram([*dict(pieces).items()], unk_id=PIECE_SPECIAL.index("<unk>")))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.add_special_tokens([*PIECE_SPECIAL])
    ends = [(piece, PIECE_SPECIAL.index(piece)) for piece in ("<s>", "</s>")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=ends
    )
    tokenizer.enable_truncation(max_length=16)  # published files keep what their training used
    return tokenizer


def _save(folder: Path, config: Mapping[str, Any], tensors: Tensors, pooling: Mapping[str, Any]) -> Path:
    write_json(folder / "config.json", config)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "1_Pooling").mkdir()
    write_json(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": HIDDEN, **pooling})
    return folder


def _qwen3_tensors() -> Tensors:
    source = np.random.RandomState(0)  # its numbers are the same in every version
    head_size = HIDDEN // HEADS
    tensors = {
        "embed_tokens.weight": _random(source, QWEN_VOCABULARY, HIDDEN),
        "norm.weight": _near_one(source, HIDDEN),
    }
    for layer in range(LAYERS):
        tensors |= {
            f"layers.{layer}.{name}.weight": _random(source, *shape)
            for name, shape in {
                "self_attn.q_proj": (HIDDEN, HIDDEN),
                "self_attn.k_proj": (HIDDEN // 2, HIDDEN),
                "self_attn.v_proj": (HIDDEN // 2, HIDDEN),
                "self_attn.o_proj": (HIDDEN, HIDDEN),
                "mlp.gate_proj": (FEED_FORWARD, HIDDEN),
                "mlp.up_proj": (FEED_FORWARD, HIDDEN),
                "mlp.down_proj": (HIDDEN, FEED_FORWARD),
            }.items()
        }
        norms = {"input_layernorm": HIDDEN, "post_attention_layernorm": HIDDEN}
        norms |= {"self_attn.q_norm": head_size, "self_attn.k_norm": head_size}
        tensors |= {f"layers.{layer}.{name}.weight": _near_one(source, size) for name, size in norms.items()}
    return tensors


def _encoder_tensors(config: Mapping[str, Any]) -> Tensors:
    source = np.random.RandomState(1)
    tables = {"word": config["vocab_size"], "position": MAX_POSITIONS, "token_type": config["type_vocab_size"]}
    tensors = {f"embeddings.{name}_embeddings.weight": _random(source, rows, HIDDEN) for name, rows in tables.items()}
    tensors |= _norm(source, "embeddings.LayerNorm")
    for layer in range(LAYERS):
        block = f"encoder.layer.{layer}"
        for name in ("query", "key", "value"):
            tensors |= _linear(source, f"{block}.attention.self.{name}", HIDDEN, HIDDEN)
        tensors |= _linear(source, f"{block}.attention.output.dense", HIDDEN, HIDDEN)
        tensors |= _norm(source, f"{block}.attention.output.LayerNorm")
        tensors |= _linear(source, f"{block}.intermediate.dense", FEED_FORWARD, HIDDEN)
        tensors |= _linear(source, f"{block}.output.dense", HIDDEN, FEED_FORWARD)
        tensors |= _norm(source, f"{block}.output.LayerNorm")
    return tensors | _linear(source, "pooler.dense", HIDDEN, HIDDEN)


def _linear(source: np.random.RandomState, name: str, rows: int, columns: int) -> Tensors:
    return {f"{name}.weight": _random(source, rows, columns), f"{name}.bias": _random(source, rows)}


def _norm(source: np.random.RandomState, name: str) -> Tensors:
    return {f"{name}.weight": _near_one(source, HIDDEN), f"{name}.bias": _random(source, HIDDEN)}


def _random(source: np.random.RandomState, *shape: int) -> np.ndarray:
    return (source.standard_normal(shape) * SPREAD).astype(np.float32)


def _near_one(source: np.random.RandomState, size: int) -> np.ndarray:
    return 1 + _random(source, size)
