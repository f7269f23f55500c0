"""Dimensions of a language model, read from its config.json, and the memory that its KV cache and prefill take.

Compared with MLX's allocations for Qwen2.5-VL 7B and Moondream2, `kv_bytes` is exact and `prefill_bytes` is an upper
bound, up to 1.5 times too high.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from model_runtime.catalog.checkpoint_files import CONFIG_FILE, read_config
from model_runtime.catalog.foreign_files import count_at, object_at, signature, string_at

CACHE_BLOCK_TOKENS = 256
"""Tokens by which the KV caches of mlx-lm and mlx-vlm grow (`KVCache.step`)."""
UNKNOWN_CONTEXT_TOKENS = 16_384
"""Context of a model whose config.json names none."""
MOONDREAM2_CONFIG = {
    "num_hidden_layers": 24,
    "num_attention_heads": 32,
    "hidden_size": 2048,
    "intermediate_size": 8192,
    "vocab_size": 51_200,
    "max_position_embeddings": 2048,
}
"""Dimensions of Moondream2, whose published config.json has none."""


@dataclass(frozen=True, slots=True)
class TransformerDims:
    """Dimensions of a language model. 0 means that config.json does not give one.

    `layers` counts the layers with a KV cache of their own. Of these, `sliding_window_layers` keep at most
    `sliding_window` tokens.
    """

    hidden_size: int
    intermediate_size: int
    layers: int
    attention_heads: int
    kv_heads: int
    head_dim: int
    vocab_size: int
    context_tokens: int
    sliding_window_layers: int = 0
    sliding_window: int = 0

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "TransformerDims":
        """Return the dimensions in a config.json, which may nest them in `text_config` or `llm_config`."""
        text_config = {**config, **(object_at(config, "text_config") or object_at(config, "llm_config"))}
        if string_at(config, "model_type").startswith("moondream"):
            text_config = {**MOONDREAM2_CONFIG, **text_config}
        attention_heads = count_at(text_config, "num_attention_heads")
        hidden_size = count_at(text_config, "hidden_size")
        layers = count_at(text_config, "num_hidden_layers") - count_at(text_config, "num_kv_shared_layers")
        return cls(
            hidden_size=hidden_size,
            intermediate_size=count_at(text_config, "intermediate_size"),
            layers=layers,
            attention_heads=attention_heads,
            kv_heads=count_at(text_config, "num_key_value_heads") or attention_heads,
            head_dim=count_at(text_config, "head_dim") or hidden_size // max(attention_heads, 1),
            vocab_size=count_at(text_config, "vocab_size"),
            context_tokens=count_at(text_config, "max_position_embeddings"),
            sliding_window_layers=_count_sliding_window_layers(text_config, layers),
            sliding_window=count_at(text_config, "sliding_window"),
        )

    def served_tokens(self, limit: int = 0) -> int:
        """Return the most tokens that prompt and answer may have together; see `context_tokens`."""
        own_tokens = self.context_tokens or limit or UNKNOWN_CONTEXT_TOKENS
        return min(own_tokens, limit or own_tokens)

    def kv_bytes(self, tokens: int, *, batch_size: int = 1, dtype_bytes: int = 2) -> int:
        """Return the size of the KV cache of `batch_size` sequences of `tokens` tokens each, prompt included.

        A layer stores keys and values of shape (batch_size, kv_heads, tokens, head_dim).
        """
        padded_tokens = math.ceil(tokens / CACHE_BLOCK_TOKENS) * CACHE_BLOCK_TOKENS
        window_tokens = min(padded_tokens, self.sliding_window)
        full_layers = self.layers - self.sliding_window_layers
        cached_tokens = full_layers * padded_tokens + self.sliding_window_layers * window_tokens
        return 2 * cached_tokens * self.kv_heads * self.head_dim * dtype_bytes * batch_size

    def prefill_bytes(self, chunk_tokens: int, *, score_tokens: int = 0, dtype_bytes: int = 2) -> int:
        """Return an upper bound of the activations, in bytes, while `chunk_tokens` prompt tokens are processed at once.

        `score_tokens` is the length of the context if attention is not fused (on a CPU): it then stores scores of shape
        (attention_heads, chunk_tokens, score_tokens).
        """
        activation_bytes = chunk_tokens * (6 * self.hidden_size + 3 * self.intermediate_size) * dtype_bytes
        score_bytes = 2 * self.attention_heads * chunk_tokens * score_tokens * dtype_bytes
        return activation_bytes + score_bytes + 16 * self.vocab_size


def read_dims(folder: Path) -> TransformerDims:
    """Return the dimensions in the config.json of a folder, which is read again only when it has changed.

    Raises:
        InvalidCheckpoint: the file cannot be read.
    """
    return _read_dims(folder, signature(folder / CONFIG_FILE))


@lru_cache(maxsize=64)
def _read_dims(folder: Path, _signature: tuple[int, int, int]) -> TransformerDims:
    return TransformerDims.from_config(read_config(folder))


def context_tokens(config: Mapping[str, Any], limit: int = 0) -> int:
    """Return the most tokens that prompt and answer may have together. `limit` 0 means the model's own."""
    return TransformerDims.from_config(config).served_tokens(limit)


def _count_sliding_window_layers(text_config: Mapping[str, Any], layers: int) -> int:
    # only Gemma uses its window: the config.json of Qwen has one, but its code ignores it
    is_gemma = string_at(text_config, "model_type").startswith("gemma")
    if not is_gemma or not count_at(text_config, "sliding_window"):
        return 0
    if isinstance(layer_types := text_config.get("layer_types"), list):
        return sum(layer_type == "sliding_attention" for layer_type in layer_types[:layers])
    pattern = count_at(text_config, "sliding_window_pattern") or 6
    return layers - layers // pattern
