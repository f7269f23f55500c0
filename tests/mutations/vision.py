"""Defects between pixels and the answer about them."""

from collections.abc import Mapping, Sequence
from typing import Any

import mlx.core as mx

from tests.mutations.mutation import Mutation, always_return, change_result

VISION = "model_runtime.engines.vision.model"
TEMPLATE = f"{VISION}.mlx_vlm.apply_chat_template"
CHANNELS, MERGE_SIZE = 3, 2
"""Colours of a pixel, and patches of the square that the tower merges into one token."""
MEAN, STANDARD_DEVIATION = (0.48145467, 0.45782751, 0.40821072), (0.26862955, 0.26130259, 0.2757771)
"""What Qwen's processor takes from a colour, and divides it by."""

Inputs = dict[str, Any]


def _columns_first(inputs: Inputs) -> Inputs:
    """Squares of patches in the order of columns instead of rows."""
    _, rows, columns = inputs["image_grid_thw"][0].tolist()
    patches = inputs["pixel_values"].reshape(rows // MERGE_SIZE, columns // MERGE_SIZE, MERGE_SIZE**2, -1)
    return inputs | {"pixel_values": patches.transpose(1, 0, 2, 3).reshape(rows * columns, -1)}


def _split_channels(inputs: Inputs) -> mx.array:
    pixels: mx.array = inputs["pixel_values"]
    return pixels.reshape(len(pixels), CHANNELS, -1)


def _other_colors(inputs: Inputs) -> Inputs:
    return inputs | {"pixel_values": _split_channels(inputs)[:, ::-1].reshape(inputs["pixel_values"].shape)}


def _not_normalised(inputs: Inputs) -> Inputs:
    colors = _split_channels(inputs) * mx.array(STANDARD_DEVIATION)[:, None] + mx.array(MEAN)[:, None]
    return inputs | {"pixel_values": colors.reshape(inputs["pixel_values"].shape)}


def _grid_swapped(inputs: Inputs) -> Inputs:
    return inputs | {"image_grid_thw": inputs["image_grid_thw"][:, mx.array([0, 2, 1])]}


def _without_question(parts: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [part for part in parts if part["type"] == "image"]


def _without_assistant_turn(prompt: str) -> str:
    """Without the turn that the model is to fill."""
    return prompt.removesuffix("<|im_start|>assistant\n")


def _without_turn_end(prompt: str) -> str:
    """Without the end of the question, and with no turn after it."""
    return _without_assistant_turn(prompt).removesuffix("<|im_end|>\n")


def _without_turn_markers(prompt: str) -> str:
    """Without the marks between who says what."""
    return prompt.replace("<|im_start|>", "").replace("<|im_end|>", "")


MUTATIONS = (
    Mutation("patches in the order of columns", f"{VISION}.prepare_inputs", change_result(_columns_first), "left of"),
    Mutation("a patch's colours are swapped", f"{VISION}.prepare_inputs", change_result(_other_colors), "a red circle"),
    Mutation("colours are not normalised", f"{VISION}.prepare_inputs", change_result(_not_normalised), "a red circle"),
    Mutation("the grid is turned", f"{VISION}.prepare_inputs", change_result(_grid_swapped), "a wide picture"),
    Mutation(
        "the question is lost", f"{VISION}.VisionModel._template_content", change_result(_without_question), "how many"
    ),
    Mutation("no turn to answer in", TEMPLATE, change_result(_without_assistant_turn), "a number"),
    Mutation("the question's turn has no end", TEMPLATE, change_result(_without_turn_end), "a red circle"),
    Mutation("turns run into each other", TEMPLATE, change_result(_without_turn_markers), "three of a kind"),
    Mutation(
        "all pictures are one",
        "model_runtime.engines.vision.feature_cache._picture_key",
        always_return(b""),
        "one after the other",
    ),
)
