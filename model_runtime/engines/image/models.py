"""The three families of image models behind one interface, each around mflux's own class.

mflux generates a picture in one call with callbacks. The engine stops and yields events between steps, so each family
has the parts of that call as methods, and the engine has the loop.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import mlx.core as mx
from mflux.models.common.config import ModelConfig
from mflux.models.common.config.config import Config
from mflux.models.common.latent_creator.latent_creator import Img2Img, LatentCreator
from mflux.models.common.vae.tiling_config import TilingConfig
from mflux.models.common.vae.vae_util import VAEUtil
from mflux.models.flux.latent_creator.flux_latent_creator import FluxLatentCreator
from mflux.models.flux.model.flux_text_encoder.prompt_encoder import PromptEncoder
from mflux.models.flux.variants.txt2img.flux import Flux1
from mflux.models.flux.weights.flux_weight_definition import FluxWeightDefinition
from mflux.models.flux2 import Flux2Klein
from mflux.models.flux2.latent_creator.flux2_latent_creator import Flux2LatentCreator
from mflux.models.flux2.variants.edit.flux2_klein_edit_helpers import _Flux2KleinEditHelpers
from mflux.models.flux2.weights.flux2_weight_definition import Flux2KleinWeightDefinition
from mflux.models.z_image import ZImage
from mflux.models.z_image.latent_creator import ZImageLatentCreator
from mflux.models.z_image.weights.z_image_weight_definition import ZImageWeightDefinition
from PIL import Image

from model_runtime.catalog.image_families import FLUX1, FLUX2, Z_IMAGE
from model_runtime.engines.image.checkpoint_layout import flux2_overrides
from model_runtime.engines.image.prompt_cache import PromptEmbedding
from model_runtime.engines.template_limit import limit_template

VelocityFunction = Callable[[mx.array, int], mx.array]
"""velocity(latents, step) → the predicted direction from clean latents to noise, in the shape of `latents`."""

REFERENCE_TIME_STEP = 10
"""FLUX.2 tells pictures apart by a time coordinate of their tokens: 0 for the drawing, 10, 20 … for its references."""
STRENGTH_ROUNDING = 1e-6
"""Added to the share of steps that mflux skips: it truncates steps * share, so 2.9999 of 5 would become 2, not 3."""


class ImageModel(ABC):
    """A loaded image model. Latents have the shape that its family says; heights and widths are in pixels."""

    weight_definition: ClassVar[Any]
    """mflux's list of the model's components and files."""
    default_steps: ClassVar[int]
    scheduler_name: ClassVar[str]
    """mflux's name of the noise schedule."""
    tokenizer_name: ClassVar[str]
    """mflux's name of the tokenizer that limits the length of a prompt."""
    edits: ClassVar[bool] = False
    """Whether it looks at references."""

    model: Any

    def create_config(self, width: int, height: int, steps: int, source: Image.Image | None, strength: float) -> Config:
        """Return mflux's configuration of one picture, in pixels; a strength of 1 ignores the source."""
        image_strength = 1 - strength + STRENGTH_ROUNDING if source is not None and strength < 1 else None
        return Config(
            model_config=self.model.model_config,
            num_inference_steps=steps,
            width=width,
            height=height,
            guidance=0.0,
            image_path=source if image_strength else None,
            image_strength=image_strength,
            scheduler=self.scheduler_name,
        )

    def count_tokens(self, prompt: str) -> tuple[int, int]:
        """Return the number of tokens of `prompt`, and the number that the model reads at most.

        Raises:
            JobFailed: the model's chat template does not end.
        """
        tokenizer = self.model.tokenizers[self.tokenizer_name]
        if tokenizer.use_chat_template:
            messages = [{"role": "user", "content": prompt}]
            with limit_template():
                prompt = tokenizer.tokenizer.apply_chat_template(
                    messages, tokenize=False, add_generation_prompt=True, **tokenizer.chat_template_kwargs
                )
        return len(tokenizer.tokenizer(prompt, verbose=False)["input_ids"]), tokenizer.max_length

    @abstractmethod
    def encode_prompt(self, prompt: str) -> PromptEmbedding:
        """Return the embedding of a prompt, not evaluated."""

    @abstractmethod
    def start_denoising(
        self, config: Config, seed: int, embedding: PromptEmbedding, references: Sequence[Image.Image] = ()
    ) -> tuple[mx.array, VelocityFunction]:
        """Return the initial latents, noise mixed with the source picture if any, and their velocity function.

        `references` are pictures to look at, only of families that edit.
        """

    @abstractmethod
    def decode_latents(self, latents: mx.array, config: Config) -> mx.array:
        """Return pixels (1, 3, height, width) in -1..1."""


class Flux2Model(ImageModel):
    """FLUX.2-klein; the sizes of its parts are read from the checkpoint.

    Latents are (1, height / 16 * width / 16, channels). Those of references are tokens besides them, as in mflux's
    `Flux2KleinEdit`.
    """

    weight_definition = Flux2KleinWeightDefinition
    default_steps = 4
    scheduler_name = "flow_match_euler_discrete"
    tokenizer_name = "qwen3"
    edits = True

    def __init__(self, folder: Path) -> None:
        config = copy.copy(ModelConfig.flux2_klein_4b())
        config.transformer_overrides, config.text_encoder_overrides = flux2_overrides(folder)
        self.model = Flux2Klein(model_path=str(folder), model_config=config)
        self._predict = self.model._predict(self.model.transformer)  # noqa: SLF001 - compiled once, not per picture

    def encode_prompt(self, prompt: str) -> PromptEmbedding:
        embedding, ids, *_ = self.model._encode_prompt_pair(prompt=prompt, negative_prompt=None, guidance=0.0)  # noqa: SLF001
        return embedding, ids

    def start_denoising(
        self, config: Config, seed: int, embedding: PromptEmbedding, references: Sequence[Image.Image] = ()
    ) -> tuple[mx.array, VelocityFunction]:
        latents, grid, _, _ = self.model._prepare_generation_latents(seed=seed, config=config)  # noqa: SLF001
        seen = [self._look_at(picture, number) for number, picture in enumerate(references, 1)]
        seen_latents, seen_grids = [tokens for tokens, _ in seen], [ids for _, ids in seen]

        def velocity(latents: mx.array, step: int) -> mx.array:
            noise = self._predict(
                latents=mx.concatenate([latents, *seen_latents], axis=1),
                latent_ids=mx.concatenate([grid, *seen_grids], axis=1),
                prompt_embeds=embedding[0],
                text_ids=embedding[1],
                negative_prompt_embeds=None,
                negative_text_ids=None,
                guidance=config.guidance,
                timestep=config.scheduler.timesteps[step],
            )
            return noise[:, : latents.shape[1]]

        return latents, velocity

    def _look_at(self, picture: Image.Image, number: int) -> tuple[mx.array, mx.array]:
        """Return the latents and the coordinates of a reference, which counts from 1, evaluated: one picture at a time."""
        latents, ids = _Flux2KleinEditHelpers.prepare_reference_image_conditioning(
            vae=self.model.vae, tiling_config=self.model.tiling_config, image_paths=[picture]
        )
        ids = ids + mx.array([(number - 1) * REFERENCE_TIME_STEP, 0, 0, 0], dtype=ids.dtype)
        mx.eval(latents, ids)
        return latents, ids

    def decode_latents(self, latents: mx.array, config: Config) -> mx.array:
        packed = Flux2LatentCreator.unpack_latents(latents, config.height, config.width)
        return self.model.vae.decode_packed_latents(packed)


class Flux1SchnellModel(ImageModel):
    """FLUX.1-schnell; mflux counts its blocks in the checkpoint. Latents are (1, height / 16 * width / 16, 64)."""

    weight_definition = FluxWeightDefinition
    default_steps = 4
    scheduler_name = "linear"
    tokenizer_name = "t5"

    def __init__(self, folder: Path) -> None:
        self.model = _limit_prompt_lengths(Flux1(model_path=str(folder)))
        self.model.tiling_config = TilingConfig()  # decodes a megapixel with 2.9 GB instead of 7.3

    def encode_prompt(self, prompt: str) -> PromptEmbedding:
        return PromptEncoder.encode_prompt(
            prompt=prompt,
            prompt_cache={},
            t5_tokenizer=self.model.tokenizers["t5"],
            clip_tokenizer=self.model.tokenizers["clip"],
            t5_text_encoder=self.model.t5_text_encoder,
            clip_text_encoder=self.model.clip_text_encoder,
        )

    def start_denoising(
        self, config: Config, seed: int, embedding: PromptEmbedding, references: Sequence[Image.Image] = ()
    ) -> tuple[mx.array, VelocityFunction]:
        def velocity(latents: mx.array, step: int) -> mx.array:
            return self.model.transformer(
                t=step,
                config=config,
                hidden_states=latents,
                prompt_embeds=embedding[0],
                pooled_prompt_embeds=embedding[1],
            )

        return _initial_latents(FluxLatentCreator, self.model, config, seed), velocity

    def decode_latents(self, latents: mx.array, config: Config) -> mx.array:
        unpacked = FluxLatentCreator.unpack_latents(latents, config.height, config.width)
        return VAEUtil.decode(self.model.vae, unpacked, self.model.tiling_config)


class ZImageTurboModel(ImageModel):
    """Z-Image-Turbo. Latents are (16, 1, height / 8, width / 8)."""

    weight_definition = ZImageWeightDefinition
    default_steps = 9
    scheduler_name = "linear"
    tokenizer_name = "z_image"

    def __init__(self, folder: Path) -> None:
        self.model = _limit_prompt_lengths(ZImage(model_path=str(folder)))
        self._predict = self.model._predict(self.model.transformer)  # noqa: SLF001 - compiled once, not per picture

    def encode_prompt(self, prompt: str) -> PromptEmbedding:
        text, _ = self.model._encode_prompts(prompt=prompt, negative_prompt=None, guidance=0.0)  # noqa: SLF001
        return (text,)

    def start_denoising(
        self, config: Config, seed: int, embedding: PromptEmbedding, references: Sequence[Image.Image] = ()
    ) -> tuple[mx.array, VelocityFunction]:
        sigmas = config.scheduler.sigmas

        def velocity(latents: mx.array, step: int) -> mx.array:
            return self._predict(
                latents=latents,
                timestep=1 - sigmas[step].reshape((1,)),
                sigmas=sigmas,
                text_encodings=embedding[0],
                negative_encodings=None,
                guidance=config.guidance,
            )

        return _initial_latents(ZImageLatentCreator, self.model, config, seed), velocity

    def decode_latents(self, latents: mx.array, config: Config) -> mx.array:
        unpacked = ZImageLatentCreator.unpack_latents(latents, config.height, config.width)
        return VAEUtil.decode(self.model.vae, unpacked)


IMAGE_MODELS: dict[str, type[Flux1SchnellModel | Flux2Model | ZImageTurboModel]] = {
    FLUX1: Flux1SchnellModel,
    FLUX2: Flux2Model,
    Z_IMAGE: ZImageTurboModel,
}


def _limit_prompt_lengths(model: Any) -> Any:
    """Limit the padded length of prompts to the tokenizers' own: mflux pads to a fixed length that may exceed it."""
    for tokenizer in model.tokenizers.values():
        tokenizer.max_length = min(tokenizer.max_length, tokenizer.tokenizer.model_max_length)
    return model


def _initial_latents(creator: Any, model: Any, config: Config, seed: int) -> mx.array:
    source = Img2Img(
        vae=model.vae,
        latent_creator=creator,
        sigmas=config.scheduler.sigmas,
        init_time_step=config.init_time_step,
        image_path=config.image_path,
        tiling_config=model.tiling_config,
    )
    return LatentCreator.create_for_txt2img_or_img2img(seed, config.height, config.width, source)
