"""Vision towers by family, run for one picture at a time, so that the features of each picture can be cached.

These models take features as `cached_image_features`. Other families encode all pictures of every prompt.
"""

import math
from collections.abc import Callable, Mapping
from functools import partial
from itertools import accumulate, pairwise
from typing import Any

import mlx.core as mx

EncodeImage = Callable[[], mx.array]
"""encode() → the features of one picture, (tokens, width) or (1, tokens, width)."""
ImageEncoder = Callable[[Any, Mapping[str, Any]], list[EncodeImage]]
"""encoder(model, processed inputs) → one `EncodeImage` per picture."""


def encode_qwen2_5_vl(model: Any, inputs: Mapping[str, Any]) -> list[EncodeImage]:
    """Return the encoders of Qwen2.5-VL's pictures.

    `pixel_values` (patches, values) concatenates the patches of all pictures; `image_grid_thw` (pictures, 3) has the
    frames, rows and columns of each.
    """
    grids = inputs["image_grid_thw"]
    pixels = inputs["pixel_values"].astype(model.vision_tower.patch_embed.proj.weight.dtype)
    patch_counts: list[int] = [math.prod(grid) for grid in grids.tolist()]
    spans = enumerate(pairwise(accumulate(patch_counts, initial=0)))
    return [
        partial(model.vision_tower, pixels[start:end], grids[index : index + 1], output_hidden_states=False)
        for index, (start, end) in spans
    ]


def encode_gemma3(model: Any, inputs: Mapping[str, Any]) -> list[EncodeImage]:
    """Return the encoders of Gemma 3's pictures; `pixel_values` are (pictures, channels, rows, columns)."""
    pixels = inputs["pixel_values"]
    return [partial(_encode_gemma3_image, model, pixels[index : index + 1]) for index in range(pixels.shape[0])]


def encode_gemma4(model: Any, inputs: Mapping[str, Any]) -> list[EncodeImage]:
    """Return the encoders of Gemma 4's pictures; `pixel_values` has one array (channels, rows, columns) for each.

    The processor stacks them if all have the same size.
    """
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
"""`model_type` of config.json → encoder."""
