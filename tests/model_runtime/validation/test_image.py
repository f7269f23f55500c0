"""What cannot be drawn is refused before anything is loaded, with a value that can be."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from model_runtime.catalog.model import Model
from model_runtime.errors import InvalidInput
from model_runtime.media.types import ImageData
from model_runtime.requests import GenerateImage, Task
from model_runtime.validation.image import (
    MAX_PROMPT_CHARACTERS,
    as_served,
    validate,
    validate_parameters,
)

SQUARE = ImageData(64, 64, b"")
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
        replace(GOOD, references=(SQUARE,) * 4, mask=SQUARE),
        replace(GOOD, source_image=replace(SQUARE, file_width=99, file_height=99), mask=ImageData(99, 99, b"")),
    ],
)
def test_what_can_be_drawn_passes(request_: GenerateImage) -> None:
    validate(request_, MODEL, {"model": Path("nowhere")})


@pytest.mark.promise("image:bad-values-refused")
@pytest.mark.parametrize(
    ("request_", "param", "words"),
    [
        (replace(GOOD, prompt=" \n"), "prompt", "Describe the image"),
        (replace(GOOD, references=(SQUARE,) * 5), "references", "5 pictures were sent; at most 4"),
        (replace(GOOD, references=(ImageData(15, 90, b""),)), "references", "15x90 pixels"),
        (replace(GOOD, references=(ImageData(6401, 100, b""),)), "references", "at most 64 times"),
        (replace(GOOD, mask=SQUARE), "mask", "a mask but no picture"),
        (
            replace(GOOD, references=(ImageData(64, 65, b""),), mask=SQUARE),
            "mask",
            "has 64x64 pixels and its picture 64x65",
        ),
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


def transformer(folder: Path, tensor: str) -> dict[str, Path]:
    """Write a transformer with one tensor and return the model's folders."""
    header = json.dumps({f"{tensor}.weight": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    (folder / "transformer").mkdir()
    file = folder / "transformer" / "0.safetensors"
    file.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    return {"model": folder}


EDIT = replace(GOOD, references=(SQUARE,), mask=SQUARE, strength=0.8)


@pytest.mark.promise("image:edits")
def test_an_edit_reaches_a_model_that_edits_as_it_is(tmp_path: Path) -> None:
    assert as_served(EDIT, MODEL, transformer(tmp_path, "double_stream_modulation_img")) == (EDIT, ())


@pytest.mark.promise("image:edits")
@pytest.mark.parametrize(
    ("module", "is_starter"),
    [("noise_refiner", False), ("time_text_embed", False), ("double_stream_modulation_img", True)],
)
def test_a_model_that_follows_no_instruction_starts_from_the_picture_and_says_so(
    tmp_path: Path, module: str, *, is_starter: bool
) -> None:
    model = replace(MODEL, name="other", starter=is_starter)

    served, (warning,) = as_served(EDIT, model, transformer(tmp_path, module))

    assert served == replace(EDIT, references=(), source_image=SQUARE)
    assert "other follows no instruction about a picture" in warning
    assert "strength 0.8" in warning
    assert "senses pull image-fast" in warning


def test_such_a_model_refuses_several_pictures(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="image-fast starts from one picture; 2 were sent"):
        as_served(replace(EDIT, references=(SQUARE, SQUARE)), MODEL, transformer(tmp_path, "noise_refiner"))


def test_a_drawing_without_references_is_not_looked_at() -> None:
    assert as_served(GOOD, MODEL, {}) == (GOOD, ())
