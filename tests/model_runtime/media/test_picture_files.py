"""A finished picture becomes a file of the size and format that a project needs."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from model_runtime.errors import InvalidInput
from model_runtime.media.image_encoding import encode_pillow
from model_runtime.media.image_size_limit import encode_within_bytes
from model_runtime.media.images import read_provenance
from model_runtime.media.picture_files import Picture, encode_icon, flatten, open_picture, resize, resize_warnings

RED = (255, 0, 0)
TEXT = "a red circle\nSteps: 4"


def picture(width: int, height: int) -> Picture:
    return Picture(Image.new("RGB", (width, height), RED), TEXT)


@pytest.mark.parametrize(
    ("asked", "size"),
    [((0, 0), (200, 100)), ((100, 0), (100, 50)), ((0, 25), (50, 25)), ((60, 60), (60, 60)), ((1, 0), (1, 1))],
)
def test_a_missing_side_follows_from_the_other(asked: tuple[int, int], size: tuple[int, int]) -> None:
    assert resize(picture(200, 100), *asked).image.size == size


@given(st.integers(1, 300), st.integers(1, 300), st.integers(0, 300), st.integers(0, 300))
def test_the_size_is_the_one_asked_for(width: int, height: int, new_width: int, new_height: int) -> None:
    resized = resize(picture(width, height), new_width, new_height)

    assert new_width in (0, resized.image.width)
    assert new_height in (0, resized.image.height)
    assert resized.provenance == TEXT


@pytest.mark.parametrize(
    ("size", "words"),
    [
        ((100, 50), ""),
        ((101, 50), ""),
        ((100, 100), "cropped to its shape: draw it at 100x100"),
        ((400, 200), "enlarged from 200x100"),
        ((400, 100), "enlarged from 200x100, so it shows no more detail than that and cropped"),
    ],
)
def test_what_resizing_costs_is_said(size: tuple[int, int], words: str) -> None:
    old = picture(200, 100)

    warnings = resize_warnings(old, resize(old, *size))

    assert [words in warning for warning in warnings] == ([True] if words else [])


@pytest.mark.promise("pictures:icon")
@pytest.mark.parametrize(
    ("largest", "sides"),
    [(0, [16, 32, 48]), (16, [16]), (180, [16, 32, 48, 64, 128, 180]), (256, [16, 32, 48, 64, 128, 256])],
)
def test_an_icon_holds_every_usual_size(largest: int, sides: list[int]) -> None:
    data, held = encode_icon(picture(40, 40), largest)

    with Image.open(io.BytesIO(data), formats=["ICO"]) as icon:
        assert icon.info["sizes"] == {(side, side) for side in sides}
    assert held == sides


@pytest.mark.parametrize("side", [15, 257])
def test_an_icon_of_another_size_is_refused(side: int) -> None:
    with pytest.raises(InvalidInput, match="16 to 256 pixels"):
        encode_icon(picture(40, 40), side)


@pytest.mark.promise("pictures:parameters-kept")
@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_a_smaller_copy_still_says_what_it_was_drawn_from(kind: str) -> None:
    noisy = Picture(Image.effect_noise((600, 600), 90).convert("RGB"), TEXT)

    encoded = encode_within_bytes(noisy, kind, 40_000 if kind != "png" else 300_000)  # type: ignore[arg-type]

    assert encoded.width < 600 or encoded.quality != 90
    assert read_provenance(io.BytesIO(encoded.data)) == TEXT


@pytest.mark.parametrize(("keep", "text"), [(True, TEXT), (False, "")])
def test_a_copy_says_nothing_where_that_is_not_wanted(keep: bool, text: str) -> None:
    png = encode_pillow(Image.new("RGB", (8, 8), RED), "png", provenance=TEXT)

    assert open_picture(png, transparent=False, keep_provenance=keep).provenance == text


def test_a_large_picture_is_cut_out_at_the_size_of_its_drawing() -> None:
    large = Image.new("RGB", (2400, 2400), "white")
    large.paste(RED, (600, 600, 1800, 1800))
    png = encode_pillow(large, "png")

    cut = open_picture(png, transparent=True, keep_provenance=False).image

    assert cut.size == (2400, 2400)
    assert (cut.getpixel((0, 0))[3], cut.getpixel((1200, 1200))) == (0, (*RED, 255))  # type: ignore[index]


def test_transparency_is_laid_on_a_colour() -> None:
    clear = Picture(Image.new("RGBA", (4, 4), (0, 0, 0, 0)))

    assert flatten(clear).image.getpixel((0, 0)) == (255, 255, 255)
