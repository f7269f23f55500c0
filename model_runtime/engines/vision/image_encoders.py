"""Vision towers that can be run for one picture of several, by family.

Their models take what comes out as `cached_image_features`; the others see all pictures of a prompt anew each time.
"""

import math
from collections.abc import Callable, Mapping
from functools import partial
from itertools import accumulate, pairwise
from typing import Any

import mlx.core as mx

EncodeImage = Callable[[], mx.array]
ImageEncoder = Callable[[Any, Mapping[str, Any]], list[EncodeImage]]
"""encoder(model, processed inputs) → one call per picture, which returns its features, (1 x) tokens x width."""


def encode_qwen2_5_vl(model: Any, inputs: Mapping[str, Any]) -> list[EncodeImage]:
    """Qwen2.5-VL: patches of all pictures follow one another, as many as their grids (frames x rows x columns) hold."""
    grids = inputs["image_grid_thw"]
    pixels = inputs["pixel_values"].astype(model.vision_tower.patch_embed.proj.weight.dtype)
    patch_counts: list[int] = [math.prod(grid) for grid in grids.tolist()]
    spans = enumerate(pairwise(accumulate(patch_counts, initial=0)))
    return [
        partial(model.vision_tower, pixels[start:end], grids[index : index + 1], output_hidden_states=False)
        for index, (start, end) in spans
    ]


def encode_gemma3(model: Any, inputs: Mapping[str, Any]) -> list[EncodeImage]:
    """Gemma 3: pictures x channels x rows x columns."""
    pixels = inputs["pixel_values"]
    return [partial(_encode_gemma3_image, model, pixels[index : index + 1]) for index in range(pixels.shape[0])]


def encode_gemma4(model: Any, inputs: Mapping[str, Any]) -> list[EncodeImage]:
    """Gemma 4: one array of channels x rows x columns per picture, stacked only where all have one size."""
    return [partial(model.encode_image, mx.array(pixels)[None]) for pixels in inputs["pixel_values"]]


def _encode_gemma3_image(model: Any, pixels: mx.array) -> mx.array:
    dtype = model.multi_modal_projector.mm_input_projection_weight.dtype
    features, _, _ = model.vision_tower(pixels.transpose(0, 2, 3, 1).astype(dtype), output_hidden_states=True)
    return model.multi_modal_projector(features)


IMAGE_ENCODERS: Mapping[str, ImageEncoder] = {
    "qwen2_5_vl": encode_qwen2_5_vl,
    "gemma3": encode_gemma3,
    "gemma4": encode_gemma4,
}
