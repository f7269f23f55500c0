"""Defects between pixels and the answer about them."""

from collections.abc import Mapping
from typing import Any

import mlx.core as mx

from tests.mutations.mutation import Mutation, after, fixed

VISION = "model_runtime.engines.vision.model"
TEMPLATE = f"{VISION}.mlx_vlm.apply_chat_template"
CHANNELS, MERGED = 3, 2
"""Colours of a pixel, and patches of the square that the tower merges into one token."""
MEAN, SPREAD = (0.48145467, 0.45782751, 0.40821072), (0.26862955, 0.26130259, 0.2757771)
"""What Qwen's processor takes from a colour, and divides it by."""

Inputs = dict[str, Any]


def _columns_first(inputs: Inputs) -> Inputs:
    """Squares of patches in the order of columns instead of rows."""
    _, rows, columns = inputs["image_grid_thw"][0].tolist()
    patches = inputs["pixel_values"].reshape(rows // MERGED, columns // MERGED, MERGED**2, -1)
    return inputs | {"pixel_values": patches.transpose(1, 0, 2, 3).reshape(rows * columns, -1)}


def _by_color(inputs: Inputs) -> mx.array:
    pixels: mx.array = inputs["pixel_values"]
    return pixels.reshape(len(pixels), CHANNELS, -1)


def _other_colors(inputs: Inputs) -> Inputs:
    return inputs | {"pixel_values": _by_color(inputs)[:, ::-1].reshape(inputs["pixel_values"].shape)}


def _not_normalised(inputs: Inputs) -> Inputs:
    colors = _by_color(inputs) * mx.array(SPREAD)[:, None] + mx.array(MEAN)[:, None]
    return inputs | {"pixel_values": colors.reshape(inputs["pixel_values"].shape)}


def _grid_swapped(inputs: Inputs) -> Inputs:
    return inputs | {"image_grid_thw": inputs["image_grid_thw"][:, mx.array([0, 2, 1])]}


def _without_question(message: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**message, "content": [part for part in message["content"] if part["type"] == "image"]}


def _unanswered(prompt: str) -> str:
    """Without the turn that the model is to fill."""
    return prompt.removesuffix("<|im_start|>assistant\n")


def _open_turn(prompt: str) -> str:
    """Without the end of the question, and with no turn after it."""
    return _unanswered(prompt).removesuffix("<|im_end|>\n")


def _turnless(prompt: str) -> str:
    """Without the marks between who says what."""
    return prompt.replace("<|im_start|>", "").replace("<|im_end|>", "")


MUTATIONS = (
    Mutation("patches in the order of columns", f"{VISION}.prepare_inputs", after(_columns_first), "left of"),
    Mutation("a patch's colours are swapped", f"{VISION}.prepare_inputs", after(_other_colors), "a red circle"),
    Mutation("colours are not normalised", f"{VISION}.prepare_inputs", after(_not_normalised), "a red circle"),
    Mutation("the grid is turned", f"{VISION}.prepare_inputs", after(_grid_swapped), "a wide picture"),
    Mutation("the question is lost", f"{VISION}.VisionModel._message", after(_without_question), "how many"),
    Mutation("no turn to answer in", TEMPLATE, after(_unanswered), "a number"),
    Mutation("the question's turn has no end", TEMPLATE, after(_open_turn), "a red circle"),
    Mutation("turns run into each other", TEMPLATE, after(_turnless), "three of a kind"),
    Mutation(
        "all pictures are one", "model_runtime.engines.vision.feature_cache._key", fixed(b""), "one after the other"
    ),
)
