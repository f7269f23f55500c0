"""FLUX.2-klein as `mflux-save` writes it: parts in folders, shards with an index, no configuration."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import mlx.core as mx
from mflux.models.flux2.model.flux2_text_encoder.qwen3_text_encoder import Qwen3TextEncoder
from mflux.models.flux2.model.flux2_transformer.transformer import Flux2Transformer
from mflux.models.flux2.model.flux2_vae.vae import Flux2VAE
from mflux.models.flux2.weights.flux2_weight_definition import Flux2KleinWeightDefinition

from tests.checkpoints.narrow import narrow_vae, save_mflux_model, with_narrow_weights
from tests.checkpoints.weights import load_tensors, randomise, save_tensors
from tests.checkpoints.words import save_tokenizer, train_tokenizer

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
NAMES = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
VOCABULARY_SIZE = 320
HIDDEN, HEAD = 64, 32


def build(folder: Path, *, four_bit: bool = False) -> Path:
    """Write a tiny random checkpoint and return its folder."""
    transformer = Flux2Transformer(
        num_layers=1,
        num_single_layers=2,
        attention_head_dim=HEAD,
        num_attention_heads=HIDDEN // HEAD,
        joint_attention_dim=3 * HIDDEN,
        axes_dims_rope=(HEAD // 4,) * 4,
    )
    text_encoder = Qwen3TextEncoder(
        vocab_size=VOCABULARY_SIZE,
        hidden_size=HIDDEN,
        num_hidden_layers=27,
        num_attention_heads=HIDDEN // HEAD,
        num_key_value_heads=1,
        intermediate_size=HIDDEN,
        head_dim=HEAD,
    )
    save_qwen_tokenizer(folder / "tokenizer")
    return save_mflux_model(
        folder,
        Flux2KleinWeightDefinition,
        four_bit=four_bit,
        vae=with_narrow_weights(Flux2VAE(), narrow_vae),
        transformer=randomise(transformer),
        text_encoder=randomise(text_encoder),
    )


def build_original(folder: Path) -> Path:
    """Write the same checkpoint under the names and axes of the original repository and return its folder."""
    build(folder)
    for part in Flux2KleinWeightDefinition.get_components():
        place = folder / part.hf_subdir
        (place / "model.safetensors.index.json").unlink()
        learnt = {
            name: tensor for name, tensor in load_tensors(place / "0.safetensors").items() if "inv_freq" not in name
        }
        save_tensors(place / "0.safetensors", dict(_original(part.mapping_getter(), *item) for item in learnt.items()))
    return folder


def _original(targets: Iterable[Any], name: str, tensor: mx.array) -> tuple[str, mx.array]:
    """Follow mflux's own mapping backwards; its one transform moves the channels of a convolution to the end."""
    for target in targets:
        pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>\\d+)", re.escape(target.to_pattern))
        if numbers := re.fullmatch(pattern, name):
            turned = target.transform is not None and tensor.ndim == 4
            original = target.from_pattern[0].format(**numbers.groupdict())
            return original, mx.contiguous(tensor.transpose(0, 3, 1, 2)) if turned else tensor
    raise KeyError(name)


def save_qwen_tokenizer(folder: Path, prompt_tokens: int = 512) -> None:
    """Write a small tokenizer of Qwen's kind."""
    names = {**NAMES, "model_max_length": prompt_tokens}
    save_tokenizer(
        train_tokenizer(VOCABULARY_SIZE, SPECIAL), folder, "Qwen2TokenizerFast", chat_template=TEMPLATE, **names
    )
