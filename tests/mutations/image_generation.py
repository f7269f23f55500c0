"""Defects between a prompt and the picture drawn from it."""

from typing import Any

import mlx.core as mx
from PIL import Image, ImageOps

from tests.mutations.images import swap_red_and_blue
from tests.mutations.mutation import Function, Mutation, change_argument, change_result

IMAGE_ENGINE, FLUX2 = "model_runtime.engines.image.engine", "model_runtime.engines.image.models.Flux2Model"
SEED_ARGUMENT, SOURCE_ARGUMENT, STRENGTH_ARGUMENT = 2, 4, 5
"""Places of the arguments of a family: of its beginning, and of its plan."""


def _other_text(right: Function) -> Function:
    return lambda prompts, _prompt: right(prompts, "a green star on a black background")


def _stretched(canvas: Any, image: Image.Image) -> Image.Image:
    return image.resize((canvas.width, canvas.height))


def _channels_backwards(latents: mx.array) -> mx.array:
    return latents[..., ::-1]


def _columns_first(latents: mx.array) -> mx.array:
    return latents.swapaxes(-1, -2)


def _half_range(pixels: mx.array) -> mx.array:
    return (pixels + 1) / 2


PIXELS = f"{IMAGE_ENGINE}.ImageUtil.to_pil"
MUTATIONS = (
    Mutation("red and blue are swapped", PIXELS, change_result(swap_red_and_blue), "a drawn circle"),
    Mutation("upside down", PIXELS, change_result(ImageOps.flip), "one above the other"),
    Mutation("mirrored", PIXELS, change_result(ImageOps.mirror), "one left of the other"),
    Mutation("half of the range", PIXELS, change_argument(_half_range), "a drawn square"),
    Mutation(
        "channels of latents are backwards",
        f"{FLUX2}.decode_latents",
        change_argument(_channels_backwards, position=1),
        "a drawn circle",
    ),
    Mutation(
        "latents in the order of columns",
        "model_runtime.engines.image.models.Flux2LatentCreator.unpack_latents",
        change_result(_columns_first),
        "one above the other",
    ),
    Mutation(
        "the prompt is ignored", f"{IMAGE_ENGINE}.PromptEmbeddingCache.get_or_encode", _other_text, "a drawn circle"
    ),
    Mutation(
        "the seed is ignored", f"{FLUX2}.start_denoising", change_argument(lambda _: 0, position=SEED_ARGUMENT), "seeds"
    ),
    Mutation(
        "the source is ignored",
        f"{FLUX2}.create_config",
        change_argument(lambda _: None, position=SOURCE_ARGUMENT),
        "from a picture",
    ),
    Mutation(
        "the strength is ignored",
        f"{FLUX2}.create_config",
        change_argument(lambda _: 0.8, position=STRENGTH_ARGUMENT),
        "from a picture",
    ),
    Mutation(
        "the strength is turned over",
        f"{FLUX2}.create_config",
        change_argument(lambda s: 1 - s, position=STRENGTH_ARGUMENT),
        "from a picture",
    ),
    Mutation("stretched", f"{IMAGE_ENGINE}.OutputCanvas.fit_output", lambda _: _stretched, "a wide canvas"),
)
