"""Boxes, gaps, lines and colours of a layout, to the pixel."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from model_runtime.measuring.boxes import MAX_RECTANGLES
from model_runtime.measuring.elements import find_elements
from model_runtime.measuring.gaps import find_gaps, padding_of, select
from model_runtime.measuring.palette import measure_palette
from model_runtime.measuring.regions import find_regions
from tests.model_runtime.measuring.drawings import (
    BUTTON,
    BUTTON_BOX,
    CARD,
    FIRST,
    HEIGHT,
    INK,
    PAGE,
    SECOND,
    WIDTH,
    layout,
    pixels,
)


@pytest.mark.promise("mcp:measure")
def test_boxes_are_found_to_the_pixel_with_their_colours_and_parents() -> None:
    elements = find_elements(pixels(layout()))

    boxes = [(one.box, one.color, one.parent) for one in elements if one.kind == "box"]
    assert boxes == [
        ((0, 0, WIDTH, HEIGHT), PAGE, None),
        (FIRST, CARD, 0),
        (SECOND, CARD, 0),
        (BUTTON_BOX, BUTTON, 1),
    ]


@pytest.mark.promise("mcp:measure")
def test_a_line_of_text_is_one_element_with_its_colours() -> None:
    (text,) = (one for one in find_elements(pixels(layout())) if one.kind == "text")

    assert (text.color, text.background, text.parent) == (INK, PAGE, 0)
    assert 20 <= text.box[0] <= 22
    assert 20 <= text.box[1] <= 26
    assert 70 <= text.box[2] <= 100


@pytest.mark.promise("mcp:measure")
def test_gaps_and_paddings_are_those_that_were_drawn() -> None:
    elements = select(find_elements(pixels(layout())), 10)
    places = {one.box: index for index, one in enumerate(elements)}

    gaps = {(gap.first, gap.second): gap.pixels for gap in find_gaps(elements) if gap.axis == 0}
    assert gaps[places[FIRST], places[SECOND]] == 24
    assert padding_of(elements, places[FIRST]) == (16, 50, 64, 20)
    assert padding_of(elements, places[SECOND]) is None


def test_the_largest_elements_are_kept_with_their_parents_in_the_order_of_reading() -> None:
    elements = find_elements(pixels(layout()))

    kept = select(elements, 4)

    assert [one.box for one in kept] == [(0, 0, WIDTH, HEIGHT), FIRST, SECOND, BUTTON_BOX]
    assert [one.parent for one in kept] == [None, 0, 0, 1]


@pytest.mark.parametrize(("width", "radius"), [(1, 0), (2, 8), (1, 16)])
def test_a_border_belongs_to_its_box(width: int, radius: int) -> None:
    image = Image.new("RGB", (300, 100), "white")
    ImageDraw.Draw(image).rounded_rectangle((20, 20, 219, 59), radius, fill="white", outline="#57606a", width=width)

    _, field = find_elements(pixels(image))

    assert field.box == (20, 20, 200, 40)
    assert (field.color, field.border, field.border_width) == ("#ffffff", "#57606a", width)


def test_a_rule_is_a_box_and_the_lines_of_a_shadow_are_none() -> None:
    image = Image.new("RGB", (300, 200), "white")
    draw = ImageDraw.Draw(image)
    draw.line((20, 20, 279, 20), fill="#d0d7de")
    for row, level in enumerate((200, 215, 230, 245)):
        draw.line((20, 120 + row, 279, 120 + row), fill=(level, level, level))
    draw.rectangle((20, 60, 279, 119), fill="#eaeef2")

    boxes = [one.box for one in find_elements(pixels(image)) if one.kind == "box"]

    assert boxes == [(0, 0, 300, 200), (20, 60, 260, 60), (20, 20, 260, 1)]


def test_a_line_that_was_read_replaces_its_ink_and_is_cut_to_it() -> None:
    plain = [one for one in find_elements(pixels(layout())) if one.kind == "text"]
    (text,) = (one for one in find_elements(pixels(layout()), [(10, 10, 150, 40)]) if one.kind == "text")

    assert text.line == 0
    assert [text.box] == [one.box for one in plain]


@pytest.mark.parametrize("box", [(-50, -50, 20, 20), (380, 280, 100, 100), (10, 10, 0, 0)])
def test_a_line_outside_of_the_picture_does_no_harm(box: tuple[int, int, int, int]) -> None:
    assert find_elements(pixels(layout()), [box])


def test_a_gradient_is_one_region_and_noise_is_measured_in_bounds() -> None:
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 40, axis=0).repeat(3, axis=2)
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)

    assert len(find_regions(ramp).areas) == 1
    assert len(find_regions(ramp, 0).areas) == 256
    assert len(find_elements(noise)) < 64


@pytest.mark.promise("measuring:bounded")
def test_of_a_picture_full_of_boxes_the_largest_are_measured() -> None:
    squares = (np.indices((50, 50)).sum(axis=0) % 2 * 255).astype(np.uint8)
    board = np.kron(squares, np.ones((12, 12), np.uint8))[:, :, None].repeat(3, axis=2)

    assert MAX_RECTANGLES / 2 < len(find_elements(board)) <= 2 * MAX_RECTANGLES + 1


def test_the_palette_has_what_was_drawn_and_no_blends() -> None:
    page = pixels(layout())

    palette = measure_palette(page, {PAGE, CARD, BUTTON, INK})

    assert [one.color for one in palette] == [PAGE, CARD, BUTTON, INK]
    shares = {one.color: one.share for one in palette}
    assert shares[BUTTON] == pytest.approx(80 * 30 / (WIDTH * HEIGHT), abs=0.002)
    assert sum(shares.values()) <= 1
