"""Validate requests for image generation. The rules are the same for every model."""

from collections.abc import Mapping
from pathlib import Path

from model_runtime.catalog.model import Model
from model_runtime.drawing_size import MAX_SIDE, MIN_SIDE
from model_runtime.errors import InvalidInput
from model_runtime.requests import GenerateImage

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
    for param, side in (("width", request.width), ("height", request.height)):
        _check_range(param, side, MIN_SIDE, MAX_SIDE, "pixels", code="invalid_size")
    _check_range("steps", request.steps, 0, MAX_STEPS, "0 means the model's own number")
    _check_range("seed", request.seed, 0, MAX_SEED, "the same seed generates the same image")
    _check_range("strength", request.strength, 0, 1, "0 keeps the source image, 1 ignores it")
    _check_range("preview_every", request.preview_every, 0, MAX_STEPS, "0 sends no previews")


def _check_prompt(prompt: str) -> None:
    if not prompt.strip():
        raise InvalidInput("The prompt is empty. Describe the image.", param="prompt", code="empty_prompt")
    if len(prompt) > MAX_PROMPT_CHARACTERS:
        raise InvalidInput(
            f"The prompt has {len(prompt)} characters; at most {MAX_PROMPT_CHARACTERS} are accepted. Shorten it.",
            param="prompt",
            code="prompt_too_long",
        )


def _check_range(
    param: str, value: float, minimum: int, maximum: int, meaning: str, *, code: str = InvalidInput.code
) -> None:
    if not minimum <= value <= maximum:
        message = f"{param} is {value:g}; it must be from {minimum} to {maximum} ({meaning})."
        raise InvalidInput(message, param=param, code=code)
