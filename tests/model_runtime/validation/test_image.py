"""What cannot be drawn is refused before anything is loaded, with a value that can be."""

from dataclasses import replace
from pathlib import Path

import pytest

from model_runtime.catalog.model import Model
from model_runtime.errors import InvalidInput
from model_runtime.requests import GenerateImage, Task
from model_runtime.validation.image import (
    MAX_PROMPT_CHARACTERS,
    validate,
    validate_parameters,
)

GOOD = GenerateImage("image-fast", "a red circle", 512, 512, seed=7)
MODEL = Model("image-fast", Task.IMAGE, "mflux", "")


@pytest.mark.parametrize(
    "request_",
    [
        GOOD,
        replace(GOOD, width=16, height=4096),
        replace(GOOD, width=1200, height=630),
        replace(GOOD, width=1536, height=1024, steps=50, seed=2**32 - 1, strength=1.0),
        replace(GOOD, prompt="é" * MAX_PROMPT_CHARACTERS, strength=0.0, seed=0),
    ],
)
def test_what_can_be_drawn_passes(request_: GenerateImage) -> None:
    validate(request_, MODEL, {"model": Path("nowhere")})


@pytest.mark.promise("image:bad-values-refused")
@pytest.mark.parametrize(
    ("request_", "param", "words"),
    [
        (replace(GOOD, prompt=" \n"), "prompt", "Describe the image"),
        (replace(GOOD, prompt="x" * 10_001), "prompt", "at most 10000"),
        (replace(GOOD, width=15), "width", "15; it must be from 16 to 4096"),
        (replace(GOOD, width=-64), "width", "-64; it must be from 16"),
        (replace(GOOD, height=4097), "height", "4097; it must be from 16 to 4096"),
        (replace(GOOD, steps=51), "steps", "from 0 to 50"),
        (replace(GOOD, steps=-1), "steps", "from 0 to 50"),
        (replace(GOOD, seed=-1), "seed", "from 0 to 4294967295"),
        (replace(GOOD, seed=2**32), "seed", "same seed generates the same image"),
        (replace(GOOD, strength=1.5), "strength", "0 keeps the source"),
        (replace(GOOD, strength=float("nan")), "strength", "nan"),
        (replace(GOOD, preview_every=-2), "preview_every", "no previews"),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_a_value_that_can(request_: GenerateImage, param: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words) as refused:
        validate_parameters(request_)

    assert refused.value.param == param


def test_every_model_refuses_what_cannot_be_drawn() -> None:
    with pytest.raises(InvalidInput, match="Describe the image"):
        validate(replace(GOOD, prompt=""), MODEL, {})
