"""Validate requests for image generation, and serve edits with models that only start from a picture."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from model_runtime.catalog.builtin_models import ALIASES_BY_TIER, EDIT_TIER
from model_runtime.catalog.image_families import can_edit
from model_runtime.catalog.model import Model
from model_runtime.drawing_size import MAX_SIDE, MIN_SIDE
from model_runtime.errors import InvalidInput
from model_runtime.media.types import ImageData
from model_runtime.requests import GenerateImage, Task

MAX_STEPS = 50
MAX_SEED = 2**32 - 1
MAX_PROMPT_CHARACTERS = 10_000
"""About five times the text that the longest text encoder reads. The result warns about text that was cut off."""
MAX_REFERENCES = 4
"""Each costs as many tokens as the drawing itself; FLUX.2-klein is offered with at most four (https://docs.bfl.ai)."""
MAX_REFERENCE_ASPECT = 64
"""Longer side over shorter side: at one megapixel, to which references are shrunk, the shorter one keeps 128 pixels."""


def validate(request: GenerateImage, model: Model, folders: Mapping[str, Path]) -> None:
    """Check the parameters of a request; `model` and `folders` do not matter.

    Raises:
        InvalidInput: a value cannot be used; the message says which values can.
    """
    validate_parameters(request)


def validate_parameters(request: GenerateImage) -> None:
    """Check prompt, size, steps, seed, strength, previews, references and mask.

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
    _check_references(request.references)
    if request.mask is not None:
        _check_mask(request.mask, request.base)


def as_served(
    request: GenerateImage, model: Model, folders: Mapping[str, Path]
) -> tuple[GenerateImage, tuple[str, ...]]:
    """Return the request as `model` can serve it, and a warning if that is less than was asked for.

    A model that follows no instruction about a picture draws the prompt anew and starts from the picture.

    Raises:
        InvalidInput: there are several pictures, and such a model starts from one.
    """
    if not request.references or can_edit(model, folders["model"]):
        return request, ()
    editor = ALIASES_BY_TIER[Task.IMAGE][EDIT_TIER][0]
    advice = f"{editor} edits: senses pull {editor}"
    if len(request.references) > 1:
        raise InvalidInput(
            f"{model.name} starts from one picture; {len(request.references)} were sent. Send one. {advice}",
            param="references",
        )
    warning = (
        f"{model.name} follows no instruction about a picture: it drew the prompt anew and started from the picture "
        f"(strength {request.strength:g}). {advice}"
    )
    return replace(request, references=(), source_image=request.references[0]), (warning,)


def _check_references(references: tuple[ImageData, ...]) -> None:
    if len(references) > MAX_REFERENCES:
        raise InvalidInput(
            f"{len(references)} pictures were sent; at most {MAX_REFERENCES} are accepted.", param="references"
        )
    for picture in references:
        shorter, longer = sorted((picture.width, picture.height))
        if shorter < MIN_SIDE or longer > MAX_REFERENCE_ASPECT * shorter:
            raise InvalidInput(
                f"A picture has {picture.width}x{picture.height} pixels; each side must have at least {MIN_SIDE}, and the "
                f"longer one at most {MAX_REFERENCE_ASPECT} times the shorter one.",
                param="references",
            )


def _check_mask(mask: ImageData, base: ImageData | None) -> None:
    if base is None:
        raise InvalidInput("There is a mask but no picture. Send the picture that it belongs to.", param="mask")
    if mask.file_size != base.file_size:
        sizes = ["x".join(map(str, picture.file_size)) for picture in (mask, base)]
        raise InvalidInput(
            f"The mask has {sizes[0]} pixels and its picture {sizes[1]}. Send a mask of the picture's size.",
            param="mask",
        )


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
