"""Memory of answers, against numbers measured on the published models."""

from pathlib import Path
from typing import Any

import pytest

from model_runtime.catalog.transformer_dims import DEFAULT_CONTEXT_TOKENS, TransformerDims, context_tokens, read_dims

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


def test_a_context_longer_than_ours_is_cut_to_it_and_a_shorter_one_kept() -> None:
    assert context_tokens(QWEN_7B) == DEFAULT_CONTEXT_TOKENS
    assert context_tokens(QWEN_7B, 32_000) == 32_000
    assert context_tokens({"model_type": "moondream1"}) == 2048
    assert context_tokens({}) == DEFAULT_CONTEXT_TOKENS


def test_a_changed_configuration_is_read_again(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text('{"num_hidden_layers": 3}')
    layers = [read_dims(tmp_path).layers]

    config.write_text('{"num_hidden_layers": 40}')
    layers.append(read_dims(tmp_path).layers)

    assert layers == [3, 40]
