"""Any size can be asked of a model that draws one size only."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from model_runtime.engines.image.canvas import OutputCanvas
from model_runtime.media.types import ImageData

RED, BLUE = (255, 0, 0), (0, 0, 255)


def test_a_model_of_any_size_draws_the_size_asked_for() -> None:
    canvas = OutputCanvas(512, 256)
    image = Image.new("RGB", (512, 256))

    assert canvas.generated_size == (512, 256)
    assert canvas.size_warning == ""
    assert canvas.fit_output(image) is image


@pytest.mark.promise("image:web-sizes")
@pytest.mark.parametrize(
    ("width", "height", "drawn", "change"),
    [
        (1920, 1080, (1920, 1088), "cropped to 1920x1080."),
        (180, 180, (192, 192), "scaled to 180x180."),
        (600, 315, (608, 320), "scaled and cropped to 600x315."),
        (4096, 4096, (2000, 2000), "scaled to 4096x4096 and shows no more detail than that."),
        (16, 64, (64, 256), "scaled to 16x64."),
    ],
)
def test_a_size_that_no_model_draws_is_drawn_larger_and_brought_to_it(
    width: int, height: int, drawn: tuple[int, int], change: str
) -> None:
    canvas = OutputCanvas(width, height)

    assert canvas.generated_size == drawn
    assert canvas.fit_output(Image.new("RGB", drawn)).size == (width, height)
    assert canvas.size_warning.startswith("This model generates {}x{} pixels".format(*drawn))
    assert canvas.size_warning.endswith(change)


def test_cropping_keeps_the_middle_and_every_pixel_of_it() -> None:
    drawn = Image.new("RGB", (1200, 640), RED)
    drawn.paste(BLUE, (0, 5, 1200, 635))

    finished = OutputCanvas(1200, 630).fit_output(drawn)

    assert finished.getcolors() == [(1200 * 630, BLUE)]


def test_a_model_that_draws_large_pictures_only_is_asked_for_a_large_one() -> None:
    canvas = OutputCanvas(32, 32, min_pixels=100_000)

    assert canvas.generated_size == (320, 320)
    assert canvas.fit_output(Image.new("RGB", (320, 320))).size == (32, 32)


@given(st.integers(64, 600), st.integers(64, 600))
def test_a_small_drawing_fills_any_size(width: int, height: int) -> None:
    canvas = OutputCanvas(width, height, 64)

    assert canvas.generated_size == (64, 64)
    assert canvas.fit_output(Image.new("RGB", (64, 64))).size == (width, height)


@pytest.mark.parametrize(("width", "height"), [(192, 64), (64, 192), (256, 128)])
def test_a_drawing_keeps_its_shape_and_its_edges_reach_the_border(width: int, height: int) -> None:
    drawn = Image.new("RGB", (64, 64), RED)
    drawn.paste(BLUE, (16, 16, 48, 48))

    finished = OutputCanvas(width, height, 64).fit_output(drawn)

    middle = (width // 2, height // 2)
    assert finished.getpixel((0, 0)) == finished.getpixel((width - 1, height - 1)) == RED
    assert finished.getpixel(middle) == BLUE
    blue = sum(count for count, colour in finished.getcolors(width * height) or [] if colour == BLUE)
    assert abs(blue - (min(width, height) / 2) ** 2) < 0.1 * blue


def test_the_warning_names_both_sizes() -> None:
    warning = OutputCanvas(512, 768, 64).size_warning

    assert "64x64" in warning
    assert "512x768" in warning


def test_a_source_is_cropped_to_the_drawn_shape_instead_of_squeezed() -> None:
    left, middle = bytes(BLUE) * 32, bytes(RED) * 64
    source = ImageData(128, 64, (left + middle + left) * 64)

    taken = OutputCanvas(512, 512, 64).fit_source(source)

    assert taken.size == (64, 64)
    assert {taken.getpixel((0, 0)), taken.getpixel((63, 63))} == {RED}
