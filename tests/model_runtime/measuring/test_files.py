"""Files are measured in their own pixels, however they were shrunk, turned or cut."""

import io

import pytest
from PIL import Image

from model_runtime.errors import InvalidMedia
from model_runtime.measuring import files
from model_runtime.measuring.files import compare_files, measure_file
from model_runtime.measuring.results import Comparison
from model_runtime.measuring.type_size import type_size
from tests.model_runtime.measuring.drawings import BUTTON_BOX, FIRST, HEIGHT, SECOND, WIDTH, layout


def file_of(image: Image.Image, kind: str = "PNG", **options: object) -> io.BytesIO:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file


def compared(first: Image.Image, second: Image.Image) -> Comparison:
    return compare_files(file_of(first), file_of(second), io.BytesIO(), params=("a", "b"))


def test_a_shrunk_picture_is_measured_in_pixels_of_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MEASURED_PIXELS", WIDTH * HEIGHT)
    large = layout().resize((2 * WIDTH, 2 * HEIGHT), Image.Resampling.NEAREST)

    measured = measure_file(file_of(large), param="image")

    assert (measured.width, measured.height, measured.scale) == (2 * WIDTH, 2 * HEIGHT, 2)
    boxes = [element.box for element in measured.elements]
    for box in (FIRST, SECOND, BUTTON_BOX):
        assert any(max(abs(2 * a - b) for a, b in zip(box, found, strict=True)) <= 4 for found in boxes)


@pytest.mark.promise("mcp:measure")
def test_the_transparency_of_an_icon_is_measured() -> None:
    icon = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    icon.paste((255, 0, 0, 255), (10, 5, 30, 25))
    icon.paste((255, 0, 0, 128), (10, 25, 30, 30))

    found = measure_file(file_of(icon), param="image").transparency

    assert found is not None
    assert found.content == (10, 5, 20, 25)
    assert (found.transparent_share, found.translucent_share) == (0.6875, 0.0625)
    assert measure_file(file_of(layout()), param="image").transparency is None


def test_a_turned_photo_is_measured_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = file_of(Image.new("RGB", (60, 30), "red"), "PNG", exif=exif)

    measured = measure_file(turned, param="image")

    assert (measured.width, measured.height) == (30, 60)


@pytest.mark.promise("mcp:compare")
def test_a_rendering_in_twice_the_density_is_compared_in_pixels_of_the_design() -> None:
    found = compared(layout(), layout(button=None).resize((2 * WIDTH, 2 * HEIGHT), Image.Resampling.BICUBIC))

    assert (found.first_size, found.second_size) == ((WIDTH, HEIGHT), (2 * WIDTH, 2 * HEIGHT))
    assert (found.compared, found.is_resized) == ((WIDTH, HEIGHT), True)
    assert [(change.kind, change.before) for change in found.changes] == [("missing", BUTTON_BOX)]


@pytest.mark.promise("mcp:compare")
def test_of_pictures_of_other_shapes_the_common_part_is_compared() -> None:
    found = compared(layout(), layout().crop((0, 0, WIDTH, HEIGHT - 50)))

    assert (found.compared, found.score, found.changes) == ((WIDTH, HEIGHT - 50), 1.0, ())
    assert not found.is_resized


def test_a_damaged_file_is_refused_by_its_name() -> None:
    cut = io.BytesIO(file_of(layout()).getvalue()[:-300])

    with pytest.raises(InvalidMedia) as refused:
        compare_files(file_of(layout()), cut, io.BytesIO(), params=("a", "b"))

    assert refused.value.param == "b"


@pytest.mark.parametrize(
    ("text", "ink_height", "size"),
    [("Settings", 13, 14), ("Overview", 10, 14), ("now", 7.5, 14), ("API", 10, 14), ("设置", 13, 14)],
)
def test_the_size_of_type_follows_from_the_letters(text: str, ink_height: float, size: int) -> None:
    assert type_size(text, ink_height) == pytest.approx(size, rel=0.15)
