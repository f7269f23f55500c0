"""The sizes of a language model that decide how much memory its answers take, read from config.json.

Formulas were compared with MLX's own count on Qwen2.5-VL 7B and Moondream2: keys and values exact, activations an
upper bound that was at most half too high.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

CACHE_BLOCK_TOKENS = 256
"""The libraries' caches grow by this many tokens."""
DEFAULT_CONTEXT_TOKENS = 16_384
"""What we serve where a model could take more: keys and values of 128 000 tokens would crowd out other models."""
MOONDREAM2_CONFIG = {
    "num_hidden_layers": 24,
    "num_attention_heads": 32,
    "hidden_size": 2048,
    "intermediate_size": 8192,
    "vocab_size": 51_200,
    "max_position_embeddings": 2048,
}
"""The published config.json of Moondream2 names no sizes."""


@dataclass(frozen=True, slots=True)
class TransformerDims:
    """A language model's sizes; `window` tokens is all that a layer in `windowed` remembers."""

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
        """Read the sizes from a config.json, nested text_config or not; what it does not say counts as 0."""
        text_config = {**config, **_nested_text_config(config)}
        if str(config.get("model_type", "")).startswith("moondream"):
            text_config = {**MOONDREAM2_CONFIG, **text_config}
        attention_heads = _positive_int(text_config, "num_attention_heads")
        hidden_size = _positive_int(text_config, "hidden_size")
        layers = _positive_int(text_config, "num_hidden_layers") - _positive_int(text_config, "num_kv_shared_layers")
        return cls(
            hidden_size=hidden_size,
            intermediate_size=_positive_int(text_config, "intermediate_size"),
            layers=layers,
            attention_heads=attention_heads,
            kv_heads=_positive_int(text_config, "num_key_value_heads") or attention_heads,
            head_dim=_positive_int(text_config, "head_dim") or hidden_size // max(attention_heads, 1),
            vocab_size=_positive_int(text_config, "vocab_size"),
            context_tokens=_positive_int(text_config, "max_position_embeddings"),
            sliding_window_layers=_count_sliding_window_layers(text_config, layers),
            sliding_window=_positive_int(text_config, "sliding_window"),
        )

    def kv_bytes(self, tokens: int, *, batch_size: int = 1, dtype_bytes: int = 2) -> int:
        """Keys and values of `rows` answers of `tokens` tokens each, prompt included."""
        padded_tokens = math.ceil(tokens / CACHE_BLOCK_TOKENS) * CACHE_BLOCK_TOKENS
        cached_tokens = (self.layers - self.sliding_window_layers) * padded_tokens + self.sliding_window_layers * min(
            padded_tokens, self.sliding_window
        )
        return 2 * cached_tokens * self.kv_heads * self.head_dim * dtype_bytes * batch_size

    def prefill_bytes(self, chunk_tokens: int, *, score_tokens: int = 0, dtype_bytes: int = 2) -> int:
        """Bound of the activations while `chunk` prompt tokens are read at once.

        `context` is for where attention is not fused (no GPU): the tokens that scores are kept for.
        """
        activation_bytes = chunk_tokens * (6 * self.hidden_size + 3 * self.intermediate_size) * dtype_bytes
        score_bytes = 2 * self.attention_heads * chunk_tokens * score_tokens * dtype_bytes
        return activation_bytes + score_bytes + 16 * self.vocab_size


def context_tokens(config: Mapping[str, Any], limit: int = 0) -> int:
    """How many tokens prompt and answer may have together; `limit` 0 means our default."""
    model_limit = TransformerDims.from_config(config).context_tokens
    served_limit = limit or DEFAULT_CONTEXT_TOKENS
    return min(model_limit, served_limit) if model_limit else served_limit


def _nested_text_config(config: Mapping[str, Any]) -> Mapping[str, Any]:
    nested = config.get("text_config") or config.get("llm_config")
    return nested if isinstance(nested, dict) else {}


def _positive_int(config: Mapping[str, Any], key: str) -> int:
    value = config.get(key)
    return int(value) if isinstance(value, int | float) and value > 0 else 0


def _count_sliding_window_layers(text_config: Mapping[str, Any], layers: int) -> int:
    """Gemma's layers that look back only a window; Qwen names a window, too, but its code never uses it."""
    if not str(text_config.get("model_type", "")).startswith("gemma") or not _positive_int(
        text_config, "sliding_window"
    ):
        return 0
    layer_types = text_config.get("layer_types")
    if isinstance(layer_types, list):
        return sum(kind == "sliding_attention" for kind in layer_types[:layers])
    pattern = _positive_int(text_config, "sliding_window_pattern") or 6
    return layers - layers // pattern
