import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_server.calls.detections import BoundingBox, Point, parse_boxes, parse_points

ANSWER = """```json
[
	{"bbox_2d": [10, 20, 110, 70], "label": "button"},
	{"bbox_2d": [0, 0, 200, 100], "label": "window"},
	{"bbox_2d": [5, 5"""


def test_boxes_are_told_in_pixels_of_the_picture_that_was_given() -> None:
    assert parse_boxes(ANSWER, processed_size=(200, 100), image_size=(400, 200)) == [
        BoundingBox(label="button", x=20, y=40, width=200, height=100),
        BoundingBox(label="window", x=0, y=0, width=400, height=200),
    ]


def test_points_are_told_in_pixels_of_the_picture_that_was_given() -> None:
    text = json.dumps([{"point_2d": [50, 25], "label": "OK"}])

    assert parse_points(text, processed_size=(100, 100), image_size=(300, 200)) == [Point(label="OK", x=150, y=50)]


@pytest.mark.parametrize(
    "text",
    ["", "There is a cat.", "[]", '{"bbox_2d": [1, 2, 3]}', '{"bbox_2d": [1, 1, 1, 9]}', '{"bbox_2d": "all of it"}'],
)
def test_an_answer_without_places_has_no_boxes(text: str) -> None:
    assert parse_boxes(text, (100, 100), (100, 100)) == []


@given(st.text(), st.lists(st.lists(st.floats() | st.integers() | st.none(), min_size=3, max_size=5), max_size=4))
def test_whatever_a_model_writes_every_box_lies_within_the_picture(prose: str, corners: list[list[float]]) -> None:
    text = prose + json.dumps([{"bbox_2d": four, "label": prose} for four in corners]) + prose

    for box in parse_boxes(text, (333, 77), (640, 480)):
        assert 0 <= box.x < box.x + box.width <= 640
        assert 0 <= box.y < box.y + box.height <= 480
