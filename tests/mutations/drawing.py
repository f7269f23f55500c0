"""Defects between a prompt and the picture drawn from it."""

from typing import Any

import mlx.core as mx
from PIL import Image, ImageOps

from tests.mutations.mutation import Function, Mutation, after, before
from tests.mutations.pictures import blue_first

DRAWING, FLUX = "model_runtime.engines.image.engine", "model_runtime.engines.image.families.Flux2"
SEED, SOURCE, STRENGTH = 2, 4, 5
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


PIXELS = f"{DRAWING}.ImageUtil.to_pil"
MUTATIONS = (
    Mutation("red and blue are swapped", PIXELS, after(blue_first), "a drawn circle"),
    Mutation("upside down", PIXELS, after(ImageOps.flip), "one above the other"),
    Mutation("mirrored", PIXELS, after(ImageOps.mirror), "one left of the other"),
    Mutation("half of the range", PIXELS, before(_half_range), "a drawn square"),
    Mutation(
        "channels of latents are backwards", f"{FLUX}.decode", before(_channels_backwards, at=1), "a drawn circle"
    ),
    Mutation(
        "latents in the order of columns",
        "model_runtime.engines.image.families.Flux2LatentCreator.unpack_latents",
        after(_columns_first),
        "one above the other",
    ),
    Mutation("the prompt is ignored", f"{DRAWING}.Prompts.read", _other_text, "a drawn circle"),
    Mutation("the seed is ignored", f"{FLUX}.begin", before(lambda _: 0, at=SEED), "seeds"),
    Mutation("the source is ignored", f"{FLUX}.config", before(lambda _: None, at=SOURCE), "from a picture"),
    Mutation("the strength is ignored", f"{FLUX}.config", before(lambda _: 0.8, at=STRENGTH), "from a picture"),
    Mutation("the strength is turned over", f"{FLUX}.config", before(lambda s: 1 - s, at=STRENGTH), "from a picture"),
    Mutation("stretched", f"{DRAWING}.Canvas.finish", lambda _: _stretched, "a wide canvas"),
)
