"""A tiny Qwen3-TTS 0.6B CustomVoice in 8 bits, with its codec in the PyTorch layout in which the repository has it.

Load it under `narrow_speech.narrow_widths`.
"""

from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx import nn
from mlx.utils import tree_flatten
from mlx_audio.tts.models.qwen3_tts import Model, ModelConfig
from mlx_audio.tts.models.qwen3_tts.config import Qwen3TTSTokenizerDecoderConfig
from mlx_audio.tts.models.qwen3_tts.speech_tokenizer import Qwen3TTSSpeechTokenizer, Qwen3TTSSpeechTokenizerDecoder

from tests.checkpoints.narrow_speech import patched_widths
from tests.checkpoints.weights import randomise, save_tensors
from tests.checkpoints.words import id_of, save_tokenizer, train_tokenizer, write_json

VOICES = ("serena", "vivian", "uncle_fu", "ryan", "aiden", "ono_anna", "sohee", "eric", "dylan")
LANGUAGES = (
    "chinese", "english", "german", "italian", "portuguese", "spanish", "japanese", "korean", "french", "russian",
    "beijing_dialect", "sichuan_dialect",
)  # fmt: skip
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<tts_pad>", "<tts_text_bos>", "<tts_text_eod>")
WORDS, GROUPS, CODES = 400, 4, 2048
DECODER: dict[str, Any] = {
    "codebook_dim": 32, "codebook_size": CODES, "decoder_dim": 64, "latent_dim": 32, "hidden_size": 32,
    "intermediate_size": 32, "num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 16,
    "num_hidden_layers": 1, "num_quantizers": GROUPS, "sliding_window": 72, "upsample_rates": [8, 5, 4, 3],
    "upsampling_ratios": [2, 2],
}  # fmt: skip
QUANTISATION = {"group_size": 64, "bits": 8, "mode": "affine"}


def build(folder: Path) -> Path:
    """Write the whole repository."""
    tokenizer = train_tokenizer(WORDS, SPECIAL)
    save_tokenizer(tokenizer, folder, eos_token=SPECIAL[2], pad_token=SPECIAL[0])
    pad, begin, end = (id_of(tokenizer, token) for token in SPECIAL[3:])
    config = {
        "model_type": "qwen3_tts", "tts_model_type": "custom_voice", "tts_model_size": "0b6",
        "tokenizer_type": "qwen3_tts_tokenizer_12hz", "tts_pad_token_id": pad, "tts_bos_token_id": begin,
        "tts_eos_token_id": end, "im_start_token_id": 1, "im_end_token_id": 2, "talker_config": _talker(),
    }  # fmt: skip
    model = randomise(Model(ModelConfig.from_dict(config)))
    nn.quantize(model, **QUANTISATION, class_predicate=lambda path, layer: _is_quantised(model, path, layer))
    save_tensors(folder / "model.safetensors", dict(tree_flatten(model.parameters())))
    write_json(folder / "config.json", {**config, "quantization": QUANTISATION, "quantization_config": QUANTISATION})
    write_json(folder / "generation_config.json", {"temperature": 0.9, "top_k": 50, "repetition_penalty": 1.05})
    _build_codec(folder / "speech_tokenizer")
    return folder


def _talker() -> dict[str, Any]:
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 32, "num_hidden_layers": 1}
    languages = {name: 2050 + number for number, name in enumerate(LANGUAGES)}
    return {
        **heads, "hidden_size": 64, "intermediate_size": 64, "text_hidden_size": 64, "text_vocab_size": WORDS,
        "vocab_size": 3072, "num_code_groups": GROUPS, "codec_language_id": languages,
        "rope_scaling": {"interleaved": True, "mrope_section": [6, 5, 5], "rope_type": "default"},
        "spk_id": {name: 3000 + number for number, name in enumerate(VOICES)},
        "spk_is_dialect": {name: False for name in VOICES} | {"dylan": "beijing_dialect"},
        "code_predictor_config": {
            **heads, "hidden_size": 64, "intermediate_size": 64, "vocab_size": CODES, "num_code_groups": GROUPS,
        },
    }  # fmt: skip


def _is_quantised(model: Model, path: str, layer: nn.Module) -> bool:
    able = hasattr(layer, "to_quantized") and layer.weight.shape[-1] % QUANTISATION["group_size"] == 0
    return able and model.model_quant_predicate(path, layer)


def _build_codec(folder: Path) -> None:
    folder.mkdir(parents=True)
    decoder = randomise(Qwen3TTSSpeechTokenizerDecoder(Qwen3TTSTokenizerDecoderConfig(**DECODER)), spread=0.2)
    weights = {f"decoder.{name}": value for name, value in tree_flatten(decoder.parameters())}
    stored: dict[str, mx.array] = {}
    for name, value in weights.items():
        stored |= _as_published(name, value)
    with patched_widths():
        read = Qwen3TTSSpeechTokenizer.sanitize(stored)
    assert {name: value.shape for name, value in read.items()} == {name: value.shape for name, value in weights.items()}
    save_tensors(folder / "model.safetensors", {name: mx.contiguous(value) for name, value in stored.items()})
    write_json(folder / "config.json", {"model_type": "qwen3_tts_tokenizer_12hz", "decoder_config": DECODER})


def _as_published(name: str, value: mx.array) -> dict[str, mx.array]:
    """Undo what the library does to names and layouts of PyTorch."""
    place, found, _ = name.partition(".codebook.embed.weight")
    if found:
        usage = mx.ones((value.shape[0],))
        return {f"{place}._codebook.embedding_sum": value, f"{place}._codebook.cluster_usage": usage}
    if value.ndim != 3:
        return {name: value}
    is_upsampling = ("upsample" in name and ".0.conv." in name) or (
        "decoder.decoder" in name and "block.1.conv" in name
    )
    return {name: value.transpose(2, 0, 1) if is_upsampling else value.swapaxes(1, 2)}
