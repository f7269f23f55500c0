"""Parse boxes and points from the text of a vision model.

Qwen's vision models answer with JSON: `{"bbox_2d": [x1, y1, x2, y2], "label": "…"}` or `{"point_2d": [x, y], …}`, in
pixels of the processed image (Qwen2.5-VL technical report, 2.1), often in a code fence and sometimes truncated.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, Field

JSON_OBJECT = re.compile(r"\{[^{}]*\}")
MAX_DETECTIONS = 100
MAX_LABEL_CHARS = 200
MAX_COORDINATE = 1e6
"""Larger numbers, infinity and NaN are not coordinates."""

PixelSize = tuple[int, int]
"""Width and height in pixels."""


class BoundingBox(BaseModel):
    """A box in pixels of the image; (x, y) is its upper left corner."""

    label: str
    x: int
    y: int
    width: int = Field(ge=1)
    height: int = Field(ge=1)


class Point(BaseModel):
    """The centre of an object, in pixels of the image."""

    label: str
    x: int
    y: int


def parse_boxes(text: str, processed_size: PixelSize, image_size: PixelSize) -> list[BoundingBox]:
    """Return the boxes of an answer, scaled from `processed_size` to `image_size`.

    Entries that are not boxes are skipped.
    """
    boxes = []
    for detection in _json_objects(text):
        if (corners := _parse_coordinates(detection.get("bbox_2d"), 4)) is None:
            continue
        left, right = sorted(_rescale(corners[::2], processed_size[0], image_size[0]))
        top, bottom = sorted(_rescale(corners[1::2], processed_size[1], image_size[1]))
        if left < right and top < bottom:
            boxes.append(BoundingBox(label=_label(detection), x=left, y=top, width=right - left, height=bottom - top))
    return boxes[:MAX_DETECTIONS]


def parse_points(text: str, processed_size: PixelSize, image_size: PixelSize) -> list[Point]:
    """Return the points of an answer, as `parse_boxes` does."""
    points = []
    for detection in _json_objects(text):
        if (coordinates := _parse_coordinates(detection.get("point_2d"), 2)) is not None:
            (x,) = _rescale(coordinates[:1], processed_size[0], image_size[0])
            (y,) = _rescale(coordinates[1:], processed_size[1], image_size[1])
            points.append(Point(label=_label(detection), x=x, y=y))
    return points[:MAX_DETECTIONS]


def _json_objects(text: str) -> Iterator[dict[str, Any]]:
    """Yield every complete JSON object, so that a truncated answer loses only its last one."""
    for match in JSON_OBJECT.finditer(text):
        try:
            parsed = json.loads(match[0])
        except ValueError:
            continue
        yield parsed


def _parse_coordinates(value: object, count: int) -> list[float] | None:
    if not isinstance(value, list) or len(value) != count:
        return None
    if not all(isinstance(number, int | float) and abs(number) < MAX_COORDINATE for number in value):
        return None
    return [float(number) for number in value]


def _rescale(numbers: list[float], from_size: int, to_size: int) -> list[int]:
    return [round(min(max(number * to_size / from_size, 0), to_size)) for number in numbers]


def _label(detection: dict[str, Any]) -> str:
    return str(detection.get("label", ""))[:MAX_LABEL_CHARS]
