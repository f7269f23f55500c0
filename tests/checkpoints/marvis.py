"""A tiny Marvis: transformer, tokenizer and voice prompt in one folder, the Mimi codec in another.

Load it under `narrow_speech.narrow_widths`.
"""

import re
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
from mlx.utils import tree_flatten
from mlx_audio.codec.models.mimi import mimi
from mlx_audio.tts.models.sesame.sesame import SesameModel

from model_runtime.engines.speech.marvis import CODEBOOKS, CODEC_FILE
from model_runtime.media.speech_encoder import encode_speech
from tests.checkpoints.narrow_speech import narrow_codec
from tests.checkpoints.words import save_tokenizer, train_tokenizer, write_json

VOICE, RATE = "conversational_a", 24_000
TEXT_VOCABULARY = 300
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
SHARED: dict[str, Any] = {
    "attention_bias": False, "attention_dropout": 0.0, "hidden_act": "silu", "initializer_range": 0.02,
    "mlp_bias": False, "rms_norm_eps": 1e-5, "rope_theta": 500_000, "use_cache": True,
    "rope_scaling": {
        "factor": 32.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0, "original_max_position_embeddings": 8192,
        "rope_type": "llama3",
    },
}  # fmt: skip
DECODER: dict[str, Any] = {
    "model_type": "csm_depth_decoder_model", "backbone_hidden_size": 64, "max_position_embeddings": 33,
    "num_codebooks": CODEBOOKS, "vocab_size": 2051, "hidden_size": 32, "num_hidden_layers": 1, "intermediate_size": 32,
    "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16,
}  # fmt: skip
CONFIG: dict[str, Any] = {
    "model_type": "csm", "architectures": ["CsmForConditionalGeneration"], "backbone_flavor": "llama-250M",
    "decoder_flavor": "llama-60M", "text_vocab_size": TEXT_VOCABULARY, "audio_vocab_size": 2051,
    "audio_num_codebooks": CODEBOOKS, "num_codebooks": CODEBOOKS, "vocab_size": 2051, "audio_eos_token_id": 0,
    "audio_token_id": 0, "bos_token_id": 1, "pad_token_id": 2, "codebook_eos_token_id": 0,
    "codebook_pad_token_id": 2050, "max_position_embeddings": 2048, "tie_codebooks_embeddings": True,
    "tie_word_embeddings": False, "hidden_size": 64, "num_hidden_layers": 1, "intermediate_size": 64,
    "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 32, **SHARED,
    "depth_decoder_config": {**DECODER, **SHARED}, "text_tokenizer": "Marvis-AI/marvis-tts-250m-v0.2",
}  # fmt: skip


def build(folder: Path) -> Path:
    """Write the repository of the model: `text_tokenizer` names a repository, as it does on the hub."""
    special = {"bos_token": SPECIAL[1], "eos_token": SPECIAL[2], "pad_token": SPECIAL[2], "unk_token": SPECIAL[0]}
    save_tokenizer(train_tokenizer(TEXT_VOCABULARY, SPECIAL), folder, **special)
    _write_prompt(folder / "prompts")
    mx.random.seed(0)
    weights = {
        f"model.{name}": (mx.random.normal(value.shape) * 0.05 if value.ndim > 1 else value).astype(mx.bfloat16)
        for name, value in tree_flatten(SesameModel(CONFIG).parameters())
    }
    mx.save_safetensors(str(folder / "model.safetensors"), weights, metadata={"format": "mlx"})
    write_json(folder / "config.json", CONFIG)
    return folder


def build_codec(folder: Path) -> Path:
    """Write the codec's file of kyutai/moshiko-pytorch-bf16, with PyTorch's names and layouts."""
    mx.random.seed(0)
    codec = mimi.Mimi(narrow_codec(CODEBOOKS))
    stored = dict(_as_published(name, _value(name, value)) for name, value in tree_flatten(codec.parameters()))
    folder.mkdir(parents=True, exist_ok=True)
    file = str(folder / CODEC_FILE)
    mx.save_safetensors(file, {name: mx.contiguous(value) for name, value in stored.items()})
    mimi.Mimi(narrow_codec(CODEBOOKS)).load_pytorch_weights(file, strict=True)
    return folder


def _write_prompt(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    times = np.arange(RATE) / RATE
    hum = (8000 * np.sin(2 * np.pi * 220 * times)).astype("<i2").tobytes()
    (folder / f"{VOICE}.wav").write_bytes(encode_speech(hum, RATE, "wav"))
    (folder / f"{VOICE}.txt").write_text("A short prompt.", encoding="utf-8")


def _value(name: str, value: mx.array) -> mx.array:
    if name.endswith(("cluster_usage", "initialized")):
        return mx.ones(value.shape)
    fan = int(np.prod(value.shape[1:])) if value.ndim > 1 else 1
    return mx.random.normal(value.shape) / fan**0.5 if value.ndim > 1 else value


def _as_published(name: str, value: mx.array) -> tuple[str, mx.array]:
    """Undo Mimi.load_pytorch_weights."""
    if name.endswith((".conv.weight", ".output_proj.weight", ".input_proj.weight")):
        value = value.swapaxes(1, 2)
    elif name.endswith(".convtr.weight"):
        value = value.transpose(0, 2, 1) if value.shape[-1] == 1 else value.transpose(2, 0, 1)
    if name.startswith(("encoder.", "decoder.")):
        name = _layer_name(name)
    for ours, theirs in ((".gating.linear1.", ".linear1."), (".gating.linear2.", ".linear2.")):
        name = name.replace(ours, theirs)
    return name.replace(".in_proj.weight", ".in_proj_weight"), value


def _layer_name(name: str) -> str:
    """Number the layers of the convolutional nets as PyTorch's Sequential does."""
    side, _, rest = name.partition(".")
    rest = rest.replace("init_conv1d.", "0.").replace("final_conv1d.", "14.")
    shift = 3 if side == "decoder" else 1

    def numbered(found: re.Match[str]) -> str:
        layer, part = int(found[1]), found[2]
        place = {"upsample": 3 * layer + 2, "downsample": 3 * layer + 3, "residuals.0": 3 * layer + shift}[part]
        return f"{place}."

    rest = re.sub(r"layers\.(\d)\.(upsample|downsample|residuals\.0)\.", numbered, rest)
    return f"{side}.model.{rest.replace('.block.1.', '.block.3.').replace('.block.0.', '.block.1.')}"
