"""FLUX.1-schnell as mflux 4-bit repositories publish it: four parts, both tokenizers, shards with an index."""

from pathlib import Path

from mflux.models.common.config import ModelConfig
from mflux.models.flux.model.flux_text_encoder.clip_encoder.clip_encoder import CLIPEncoder
from mflux.models.flux.model.flux_text_encoder.t5_encoder.t5_encoder import T5Encoder
from mflux.models.flux.model.flux_transformer.transformer import Transformer
from mflux.models.flux.model.flux_vae.vae import VAE
from mflux.models.flux.weights.flux_weight_definition import FluxWeightDefinition
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

from tests.checkpoints.narrow import Shape, narrow_vae, save_mflux_model, with_narrow_weights
from tests.checkpoints.words import save_tokenizer, write_json

WIDTH = 64
"""Of everything that is not fixed by the code: 24 heads of 128, T5 with 64 heads of 64, CLIP with 12 heads of 64."""
T5_WORDS, CLIP_WORDS = 300, 600
PROMPT_TOKENS = 16


def build(folder: Path, *, four_bit: bool = True) -> Path:
    """Write a tiny random checkpoint without transformer blocks, whose width is fixed, and return its folder."""
    _save_clip_tokenizer(folder / "tokenizer")
    _save_t5_tokenizer(folder / "tokenizer_2")
    transformer = Transformer(ModelConfig.schnell(), num_transformer_blocks=0, num_single_transformer_blocks=0)
    return save_mflux_model(
        folder,
        FluxWeightDefinition,
        four_bit=four_bit,
        vae=with_narrow_weights(VAE(), narrow_vae),
        transformer=with_narrow_weights(transformer, _transformer_shape),
        t5_text_encoder=with_narrow_weights(T5Encoder(), _t5_shape),
        clip_text_encoder=with_narrow_weights(CLIPEncoder(), _clip_shape),
    )


def _transformer_shape(name: str, full: Shape) -> Shape:
    if name.endswith("text_embedder.linear_1.weight"):
        return WIDTH, WIDTH
    if name.startswith("time_text_embed"):
        return tuple(WIDTH if side == 3072 else side for side in full)
    if name == "context_embedder.weight" or (name.startswith("norm_out") and name.endswith("linear.weight")):
        return full[0], WIDTH
    return full


def _t5_shape(name: str, full: Shape) -> Shape:
    layer = name.split(".")[-2:][0]
    if "SelfAttention" in name and layer in ("q", "k", "v"):
        return full[0], WIDTH
    if "SelfAttention" in name and layer == "o":
        return WIDTH, full[1]
    return _replaced(full, {4096: WIDTH, 10240: WIDTH, 32128: T5_WORDS})


def _clip_shape(name: str, full: Shape) -> Shape:
    layer = name.split(".")[-2:][0]
    if layer in ("q_proj", "k_proj", "v_proj"):
        return (full[0], WIDTH) if len(full) == 2 else full
    if layer == "out_proj":
        return (WIDTH, full[1]) if len(full) == 2 else (WIDTH,)
    return _replaced(full, {768: WIDTH, 3072: WIDTH, 49408: CLIP_WORDS})


def _replaced(full: Shape, narrower: dict[int, int]) -> Shape:
    return tuple(narrower.get(side, side) for side in full)


def _save_clip_tokenizer(folder: Path) -> None:
    """Letters only, as vocab.json and merges.txt; pooling looks for the largest id, the end of the text."""
    folder.mkdir(parents=True)
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    write_json(folder / "vocab.json", {word: number for number, word in enumerate(words)})
    (folder / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    names = dict.fromkeys(("eos_token", "pad_token", "unk_token"), "<|endoftext|>")
    config = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "bos_token": "<|startoftext|>", **names}
    write_json(folder / "tokenizer_config.json", config)


def _save_t5_tokenizer(folder: Path) -> None:
    """Letters only, as the unigram model that sentencepiece files become."""
    special = ["<pad>", "</s>", "<unk>"]
    letters = ["▁", *map(chr, range(33, 127))]
    words = [(word, 0.0) for word in special] + [(letter, -2.0) for letter in letters]
    tokenizer = Tokenizer(models.Unigram(words, unk_id=2))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.add_special_tokens(special)
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    names = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>", "extra_ids": 0}
    save_tokenizer(tokenizer, folder, "T5Tokenizer", **{**names, "model_max_length": PROMPT_TOKENS})
