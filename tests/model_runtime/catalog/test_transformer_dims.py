"""Memory of answers, against numbers measured on the published models."""

from pathlib import Path
from typing import Any

import pytest

from model_runtime.catalog.memory_estimate import MIN_CONTEXT_TOKENS, affordable_tokens
from model_runtime.catalog.transformer_dims import UNKNOWN_CONTEXT_TOKENS, TransformerDims, context_tokens, read_dims

QWEN_7B = {
    "model_type": "qwen2_5_vl",
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "vocab_size": 152064,
    "max_position_embeddings": 128000,
    "sliding_window": 32768,
    "use_sliding_window": False,
}
GEMMA_3 = {
    "model_type": "gemma3",
    "text_config": {
        "model_type": "gemma3_text",
        "hidden_size": 2560,
        "num_hidden_layers": 34,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "head_dim": 256,
        "sliding_window": 1024,
        "sliding_window_pattern": 6,
    },
}


@pytest.mark.parametrize(("config", "megabytes"), [(QWEN_7B, 235), ({"model_type": "moondream1"}, 805)])
def test_keys_and_values_of_4096_tokens_are_as_measured(config: dict[str, Any], megabytes: int) -> None:
    assert round(TransformerDims.from_config(config).kv_bytes(4096) / 1e6) == megabytes


def test_caches_grow_in_blocks_and_with_every_row() -> None:
    decoder = TransformerDims.from_config(QWEN_7B)

    assert decoder.kv_bytes(1) == decoder.kv_bytes(256) == decoder.kv_bytes(257) / 2
    assert decoder.kv_bytes(256, batch_size=3) == 3 * decoder.kv_bytes(256)


def test_layers_with_a_window_forget_what_is_behind_it() -> None:
    decoder = TransformerDims.from_config(GEMMA_3)

    assert (decoder.layers, decoder.sliding_window_layers) == (34, 29)
    assert decoder.kv_bytes(8192) == 2 * 2 * 4 * 256 * (5 * 8192 + 29 * 1024)


def test_activations_grow_with_the_chunk_and_without_a_gpu_with_the_context() -> None:
    decoder = TransformerDims.from_config(QWEN_7B)

    assert round(decoder.prefill_bytes(512) / 1e6) == 83
    assert round(decoder.prefill_bytes(2048) / 1e6) == 323
    assert decoder.prefill_bytes(512, score_tokens=4096) - decoder.prefill_bytes(512) == 2 * 28 * 512 * 4096 * 2


@pytest.mark.promise("chat:context-length")
def test_the_context_is_the_models_own() -> None:
    assert context_tokens(QWEN_7B) == 128_000
    assert context_tokens(QWEN_7B, 32_000) == 32_000
    assert context_tokens({"model_type": "moondream1"}) == 2048
    assert context_tokens({}) == UNKNOWN_CONTEXT_TOKENS


@pytest.mark.promise("chat:context-length")
@pytest.mark.parametrize("available_gb", [0.5, 2, 4, 8, 100])
def test_a_context_is_as_long_as_the_memory_that_is_left(available_gb: float) -> None:
    dims = TransformerDims.from_config(QWEN_7B)
    available_bytes = int(available_gb * 1e9)

    tokens = affordable_tokens(dims, available_bytes)

    assert needed_bytes(dims, tokens) <= available_bytes
    assert tokens == 128_000 or needed_bytes(dims, tokens + 256) > available_bytes


def needed_bytes(dims: TransformerDims, tokens: int) -> int:
    """Return the cache of so many tokens, and the activations of a chunk of 512."""
    return dims.kv_bytes(tokens) + dims.prefill_bytes(512)


def test_a_context_is_never_shorter_than_a_short_chat() -> None:
    assert affordable_tokens(TransformerDims.from_config(QWEN_7B), -1) == MIN_CONTEXT_TOKENS


def test_a_changed_configuration_is_read_again(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text('{"num_hidden_layers": 3}')
    layers = [read_dims(tmp_path).layers]

    config.write_text('{"num_hidden_layers": 40}')
    layers.append(read_dims(tmp_path).layers)

    assert layers == [3, 40]


def test_moondream_has_the_dimensions_of_its_published_code() -> None:
    dims = TransformerDims.from_config({"model_type": "moondream1"})

    assert dims == TransformerDims(
        hidden_size=2048,
        intermediate_size=8192,
        layers=24,
        attention_heads=32,
        kv_heads=32,
        head_dim=64,
        vocab_size=51_200,
        context_tokens=2048,
    )
    assert TransformerDims.from_config({"model_type": "moondream1", "vocab_size": 7}).vocab_size == 7


@pytest.mark.parametrize("key", ["text_config", "llm_config"])
def test_dimensions_may_be_nested_and_the_inner_ones_count(key: str) -> None:
    dims = TransformerDims.from_config({"vocab_size": 1, "hidden_size": 3, key: {"vocab_size": 2}})

    assert (dims.vocab_size, dims.hidden_size) == (2, 3)


def test_every_dimension_is_read_from_its_field() -> None:
    assert TransformerDims.from_config(QWEN_7B) == TransformerDims(
        hidden_size=3584,
        intermediate_size=18_944,
        layers=28,
        attention_heads=28,
        kv_heads=4,
        head_dim=128,
        vocab_size=152_064,
        context_tokens=128_000,
        sliding_window_layers=0,
        sliding_window=32_768,
    )


def test_layers_that_share_keys_and_values_have_no_cache_of_their_own() -> None:
    assert TransformerDims.from_config({"num_hidden_layers": 30, "num_kv_shared_layers": 10}).layers == 20


def test_one_head_takes_the_whole_width_and_no_head_does_not_divide_by_nothing() -> None:
    assert TransformerDims.from_config({"hidden_size": 64, "num_attention_heads": 1}).head_dim == 64
    assert TransformerDims.from_config({"hidden_size": 64}).head_dim == 64


@pytest.mark.parametrize(
    ("changes", "layers"),
    [
        ({}, 29),
        ({"sliding_window_pattern": 2}, 17),
        ({"sliding_window_pattern": 0}, 29),
        ({"sliding_window": 0}, 0),
        ({"model_type": "llama"}, 0),
        ({"layer_types": ["sliding_attention", "full_attention", "sliding_attention"]}, 2),
        ({"layer_types": ["sliding_attention"] * 40}, 34),
    ],
)
def test_layers_with_a_window_are_those_that_gemma_names_or_all_but_every_sixth(
    changes: dict[str, Any], layers: int
) -> None:
    config = {"text_config": GEMMA_3["text_config"] | changes}  # type: ignore[operator]

    assert TransformerDims.from_config(config).sliding_window_layers == layers


def test_the_most_tokens_are_those_of_the_model_or_of_the_owner() -> None:
    assert UNKNOWN_CONTEXT_TOKENS == 16_384
    assert context_tokens({"max_position_embeddings": 100}, 50) == 50
    assert context_tokens({"max_position_embeddings": 100}, 200) == 100
    assert context_tokens({}, 50) == 50


def test_bytes_are_counted_for_the_stated_type() -> None:
    dims = TransformerDims.from_config(QWEN_7B)

    assert dims.kv_bytes(256, dtype_bytes=4) == 2 * dims.kv_bytes(256) == 2 * 2 * 2 * 28 * 256 * 4 * 128
    assert dims.prefill_bytes(1) == (6 * 3584 + 3 * 18_944) * 2 + 16 * 152_064
    assert dims.prefill_bytes(1, dtype_bytes=4) == (6 * 3584 + 3 * 18_944) * 4 + 16 * 152_064
