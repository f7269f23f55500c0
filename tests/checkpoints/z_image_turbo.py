"""Z-Image-Turbo as `mflux-save` writes it."""

from pathlib import Path

from mflux.models.z_image.model.z_image_text_encoder.text_encoder import TextEncoder
from mflux.models.z_image.model.z_image_transformer.transformer import ZImageTransformer
from mflux.models.z_image.model.z_image_vae.vae import VAE
from mflux.models.z_image.weights.z_image_weight_definition import ZImageWeightDefinition

from tests.checkpoints.flux2_klein import VOCABULARY_SIZE, save_qwen_tokenizer
from tests.checkpoints.narrow import Shape, narrow_vae, save_mflux_model, with_narrow_weights

PROMPT_TOKENS = 48
WIDTH = 16
"""Of everything that is not fixed by the code: 34 layers with 30 heads of 128, 36 text layers with 32 heads of 128."""


def build(folder: Path) -> Path:
    """Write a tiny random checkpoint and return its folder."""
    save_qwen_tokenizer(folder / "tokenizer", PROMPT_TOKENS)
    return save_mflux_model(
        folder,
        ZImageWeightDefinition,
        vae=with_narrow_weights(VAE(), narrow_vae),
        transformer=with_narrow_weights(ZImageTransformer(), _transformer_shape),
        text_encoder=with_narrow_weights(TextEncoder(), _text_shape),
    )


def _transformer_shape(name: str, full: Shape) -> Shape:
    layer = name.split(".")[-2:][0]
    if layer in ("to_q", "to_k", "to_v"):
        return full[0], WIDTH
    if "to_out" in name:
        return WIDTH, full[-1]
    narrower = {3840: WIDTH, 10240: WIDTH, 15360: 4 * WIDTH, 2560: WIDTH}
    return tuple(narrower.get(side, side) for side in full)


def _text_shape(name: str, full: Shape) -> Shape:
    layer = name.split(".")[-2:][0]
    if layer in ("q_proj", "k_proj", "v_proj"):
        return full[0], WIDTH
    if layer == "o_proj":
        return WIDTH, full[1]
    return tuple({2560: WIDTH, 9728: WIDTH, 151936: VOCABULARY_SIZE}.get(side, side) for side in full)
