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
MOONDREAM = {
    "num_hidden_layers": 24,
    "num_attention_heads": 32,
    "hidden_size": 2048,
    "intermediate_size": 8192,
    "vocab_size": 51_200,
    "max_position_embeddings": 2048,
}
"""The published config.json of Moondream2 names no sizes."""


@dataclass(frozen=True, slots=True)
class Decoder:
    """A language model's sizes; `window` tokens is all that a layer in `windowed` remembers."""

    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    head_size: int
    vocabulary: int
    context_tokens: int
    windowed: int = 0
    window: int = 0

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "Decoder":
        """Read the sizes from a config.json, nested text_config or not; what it does not say counts as 0."""
        text = {**config, **_text(config)}
        if str(config.get("model_type", "")).startswith("moondream"):
            text = {**MOONDREAM, **text}
        heads = _number(text, "num_attention_heads")
        hidden = _number(text, "hidden_size")
        layers = _number(text, "num_hidden_layers") - _number(text, "num_kv_shared_layers")
        return cls(
            hidden=hidden,
            intermediate=_number(text, "intermediate_size"),
            layers=layers,
            heads=heads,
            kv_heads=_number(text, "num_key_value_heads") or heads,
            head_size=_number(text, "head_dim") or hidden // max(heads, 1),
            vocabulary=_number(text, "vocab_size"),
            context_tokens=_number(text, "max_position_embeddings"),
            windowed=_windowed_layers(text, layers),
            window=_number(text, "sliding_window"),
        )

    def kv_bytes(self, tokens: int, *, rows: int = 1, number_bytes: int = 2) -> int:
        """Keys and values of `rows` answers of `tokens` tokens each, prompt included."""
        blocks = math.ceil(tokens / CACHE_BLOCK_TOKENS) * CACHE_BLOCK_TOKENS
        remembered = (self.layers - self.windowed) * blocks + self.windowed * min(blocks, self.window)
        return 2 * remembered * self.kv_heads * self.head_size * number_bytes * rows

    def prefill_bytes(self, chunk: int, *, context: int = 0, number_bytes: int = 2) -> int:
        """Bound of the activations while `chunk` prompt tokens are read at once.

        `context` is for where attention is not fused (no GPU): the tokens that scores are kept for.
        """
        activations = chunk * (6 * self.hidden + 3 * self.intermediate) * number_bytes
        scores = 2 * self.heads * chunk * context * number_bytes
        return activations + scores + 16 * self.vocabulary


def context_tokens(config: Mapping[str, Any], limit: int = 0) -> int:
    """How many tokens prompt and answer may have together; `limit` 0 means our default."""
    able = Decoder.of(config).context_tokens
    wanted = limit or DEFAULT_CONTEXT_TOKENS
    return min(able, wanted) if able else wanted


def _text(config: Mapping[str, Any]) -> Mapping[str, Any]:
    nested = config.get("text_config") or config.get("llm_config")
    return nested if isinstance(nested, dict) else {}


def _number(config: Mapping[str, Any], key: str) -> int:
    value = config.get(key)
    return int(value) if isinstance(value, int | float) and value > 0 else 0


def _windowed_layers(text: Mapping[str, Any], layers: int) -> int:
    """Gemma's layers that look back only a window; Qwen names a window, too, but its code never uses it."""
    if not str(text.get("model_type", "")).startswith("gemma") or not _number(text, "sliding_window"):
        return 0
    kinds = text.get("layer_types")
    if isinstance(kinds, list):
        return sum(kind == "sliding_attention" for kind in kinds[:layers])
    pattern = _number(text, "sliding_window_pattern") or 6
    return layers - layers // pattern
