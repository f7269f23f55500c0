"""Differences are named; copies and JPEGs have none."""

from typing import Any

import numpy as np
import pytest
from PIL import Image

from model_runtime.measuring.colors import delta_e, to_lab
from model_runtime.measuring.comparison import compare
from model_runtime.measuring.difference import find_difference, heat_map
from model_runtime.measuring.results import Change
from tests.layouts.score import as_jpeg
from tests.model_runtime.measuring.drawings import BUTTON, BUTTON_BOX, FIRST, INK, layout, pixels


def named(before: Image.Image, after: Image.Image) -> tuple[float, list[Change]]:
    one, other = pixels(before), pixels(after)
    return compare(one, other, find_difference(one, other))


@pytest.mark.promise("mcp:compare")
@pytest.mark.parametrize(
    ("edit", "change"),
    [
        ({"button": (46, 105, 80, 30)}, Change("moved", "box", BUTTON_BOX, (46, 105, 80, 30))),
        ({"button": None}, Change("missing", "box", BUTTON_BOX, None)),
        ({"button": (36, 110, 110, 30)}, Change("resized", "box", BUTTON_BOX, (36, 110, 110, 30))),
        (
            {"button_color": "#cf222e"},
            Change("recoloured", "box", BUTTON_BOX, BUTTON_BOX, BUTTON, "#cf222e"),
        ),
        ({"first": (20, 60, 160, 120)}, Change("resized", "box", FIRST, (20, 60, 160, 120))),
    ],
    ids=lambda value: getattr(value, "kind", None),
)
def test_an_edit_of_a_box_is_named_alone(edit: dict[str, Any], change: Change) -> None:
    score, changes = named(layout(), layout(**edit))

    assert changes == [change]
    assert 0.5 < score < 1


@pytest.mark.promise("mcp:compare")
@pytest.mark.parametrize(
    ("edit", "kind"),
    [({"title": "Projects"}, "retyped"), ({"title_size": 28}, "resized"), ({"title_color": "#cf222e"}, "recoloured")],
)
def test_an_edit_of_a_text_is_named_alone(edit: dict[str, Any], kind: str) -> None:
    (change,) = named(layout(), layout(**edit))[1]

    assert (change.kind, change.element) == (kind, "text")
    if kind == "recoloured":
        assert (change.color_before, change.color_after) == (INK, "#cf222e")


@pytest.mark.promise("mcp:compare")
def test_what_stands_in_a_box_goes_and_moves_with_it() -> None:
    together = {"first": (24, 70, 160, 100), "button": (40, 120, 80, 30)}

    (moved,) = named(layout(), layout(**together))[1]  # type: ignore[arg-type]

    assert (moved.kind, moved.before, moved.after, moved.count) == ("moved", FIRST, (24, 70, 160, 100), 2)


@pytest.mark.promise("mcp:compare")
def test_what_came_is_named() -> None:
    (change,) = named(layout(button=None), layout())[1]

    assert change == Change("added", "box", None, BUTTON_BOX)


@pytest.mark.promise("mcp:compare")
def test_a_copy_and_a_jpeg_name_nothing() -> None:
    page = pixels(layout())
    jpeg = as_jpeg(page)

    assert (page != jpeg).any()
    for other in (page.copy(), jpeg):
        assert compare(page, other, find_difference(page, other)) == (1.0, [])


def test_an_edit_is_named_in_a_jpeg_too() -> None:
    before, after = pixels(layout()), as_jpeg(pixels(layout(button=None)))
    difference = find_difference(before, after)

    (change,) = compare(before, after, difference)[1]

    assert difference.is_noisy
    assert (change.kind, change.before) == ("missing", BUTTON_BOX)


def test_the_heat_map_is_red_where_pictures_differ_and_pale_elsewhere() -> None:
    before, after = pixels(layout()), pixels(layout(button=None))

    heat = np.asarray(heat_map(before, after, find_difference(before, after)))

    left, top, width, height = BUTTON_BOX
    inside, outside = heat[top + height // 2, left + width // 2], heat[250, 350]
    assert inside[0] > inside[1] + 60
    assert outside.min() > 240


@pytest.mark.parametrize(
    ("first", "second", "distance"),
    [
        ("#ffffff", "#ffffff", 0),
        ("#000000", "#ffffff", 100),
        ("#ff0000", "#00ff00", 170.6),
        ("#1f2328", "#57606a", 26.6),
    ],
)
def test_the_distance_of_colours_is_that_of_the_standard(first: str, second: str, distance: float) -> None:
    assert delta_e(first, second) == pytest.approx(distance, abs=0.6)


def test_the_white_of_srgb_is_the_white_of_lab() -> None:
    assert to_lab(np.array([255, 255, 255], np.uint8)) == pytest.approx([100, 0, 0], abs=1e-6)


def test_pictures_without_elements_in_common_are_compared_too() -> None:
    noise = np.random.default_rng(2).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    score, _ = compare(noise, 255 - noise, find_difference(noise, 255 - noise))

    assert 0 <= score < 0.5
