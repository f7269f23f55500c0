"""Validate requests for image generation. The rules are the same for every model."""

import math
from collections.abc import Mapping
from pathlib import Path

from model_runtime.catalog.model import Model
from model_runtime.errors import InvalidInput
from model_runtime.requests import GenerateImage

SIDE_STEP = 16
"""Pixels. The VAE and the transformer of every family together reduce a side by 16."""
MIN_SIDE, MAX_SIDE = 64, 2048
"""Pixels."""
MAX_PIXELS = 4_000_000
MAX_STEPS = 50
MAX_SEED = 2**32 - 1
MAX_PROMPT_CHARACTERS = 10_000
"""About five times the text that the longest text encoder reads. The result warns about text that was cut off."""


def validate(request: GenerateImage, model: Model, folders: Mapping[str, Path]) -> None:
    """Check the parameters of a request; `model` and `folders` do not matter.

    Raises:
        InvalidInput: a value cannot be used; the message says which values can.
    """
    validate_parameters(request)


def validate_parameters(request: GenerateImage) -> None:
    """Check prompt, size, steps, seed, strength and previews.

    Raises:
        InvalidInput: a value cannot be used; the message says which values can.
    """
    _check_prompt(request.prompt)
    _check_size(request.width, request.height)
    _check_range("steps", request.steps, 0, MAX_STEPS, "0 means the model's own number")
    _check_range("seed", request.seed, 0, MAX_SEED, "the same seed generates the same image")
    _check_range("strength", request.strength, 0, 1, "0 keeps the source image, 1 ignores it")
    _check_range("preview_every", request.preview_every, 0, MAX_STEPS, "0 sends no previews")


def nearest_size(width: int, height: int) -> tuple[int, int]:
    """Return the valid size in pixels that is nearest to `width` x `height`. Too large a size keeps its aspect ratio."""
    width, height = _nearest_side(width), _nearest_side(height)
    scale = math.sqrt(MAX_PIXELS / (width * height))
    if scale >= 1:
        return width, height
    return int(width * scale) // SIDE_STEP * SIDE_STEP, int(height * scale) // SIDE_STEP * SIDE_STEP


def _check_prompt(prompt: str) -> None:
    if not prompt.strip():
        raise InvalidInput("The prompt is empty. Describe the image.", param="prompt", code="empty_prompt")
    if len(prompt) > MAX_PROMPT_CHARACTERS:
        raise InvalidInput(
            f"The prompt has {len(prompt)} characters; at most {MAX_PROMPT_CHARACTERS} are accepted. Shorten it.",
            param="prompt",
            code="prompt_too_long",
        )


def _check_size(width: int, height: int) -> None:
    for param, side in (("width", width), ("height", height)):
        if side % SIDE_STEP or not MIN_SIDE <= side <= MAX_SIDE:
            rule = f"sides are multiples of {SIDE_STEP} from {MIN_SIDE} to {MAX_SIDE} pixels"
            raise _invalid_size(f"{param} is {side}; {rule}", width, height, param)
    if width * height > MAX_PIXELS:
        megapixels = f"{width}x{height} has {width * height / 1e6:.1f} megapixels"
        raise _invalid_size(f"{megapixels}; at most {MAX_PIXELS / 1e6:.0f} are accepted", width, height, "width")


def _invalid_size(problem: str, width: int, height: int, param: str) -> InvalidInput:
    nearest = "{}x{}".format(*nearest_size(width, height))
    return InvalidInput(f"{problem}. The nearest size is {nearest}.", param=param, code="invalid_size")


def _check_range(param: str, value: float, minimum: int, maximum: int, meaning: str) -> None:
    if not minimum <= value <= maximum:
        raise InvalidInput(f"{param} is {value:g}; it must be from {minimum} to {maximum} ({meaning}).", param=param)


def _nearest_side(side: int) -> int:
    rounded = round(side / SIDE_STEP) * SIDE_STEP
    return min(max(rounded, MIN_SIDE), MAX_SIDE)
