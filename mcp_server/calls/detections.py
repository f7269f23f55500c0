"""Places in a picture, read from what a vision model wrote.

Qwen's vision models answer with JSON: `{"bbox_2d": [x1, y1, x2, y2], "label": "…"}` or `{"point_2d": [x, y], …}`, in
pixels of the picture as they saw it (Qwen2.5-VL technical report, 2.1), often in a code fence and sometimes cut off.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, Field

OBJECT = re.compile(r"\{[^{}]*\}")
SHOWN = 100

Extent = tuple[int, int]
"""Width and height in pixels."""


class Box(BaseModel):
    """Where something is, in pixels of the picture; (x, y) is its upper left corner."""

    label: str
    x: int
    y: int
    width: int = Field(ge=1)
    height: int = Field(ge=1)


class Point(BaseModel):
    """The middle of something, in pixels of the picture."""

    label: str
    x: int
    y: int


def read_boxes(text: str, seen: Extent, picture: Extent) -> list[Box]:
    """Return the boxes an answer names, from pixels as `seen` to pixels of the picture; what is none is left out."""
    boxes = []
    for found in _objects(text):
        if (corners := _numbers(found.get("bbox_2d"), 4)) is not None:
            left, right = sorted(_scaled(corners[::2], seen[0], picture[0]))
            top, bottom = sorted(_scaled(corners[1::2], seen[1], picture[1]))
            if left < right and top < bottom:
                boxes.append(Box(label=_label(found), x=left, y=top, width=right - left, height=bottom - top))
    return boxes[:SHOWN]


def read_points(text: str, seen: Extent, picture: Extent) -> list[Point]:
    """Return the points an answer names, as `read_boxes` does."""
    points = []
    for found in _objects(text):
        if (place := _numbers(found.get("point_2d"), 2)) is not None:
            (x,), (y,) = _scaled(place[:1], seen[0], picture[0]), _scaled(place[1:], seen[1], picture[1])
            points.append(Point(label=_label(found), x=x, y=y))
    return points[:SHOWN]


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """Every complete object in the answer, so that one that was cut off loses only its last."""
    for match in OBJECT.finditer(text):
        try:
            found = json.loads(match[0])
        except ValueError:
            continue
        yield found


def _numbers(value: object, count: int) -> list[float] | None:
    if not isinstance(value, list) or len(value) != count:
        return None
    if not all(isinstance(number, int | float) and abs(number) < 1e6 for number in value):
        return None
    return [float(number) for number in value]


def _scaled(numbers: list[float], seen: int, picture: int) -> list[int]:
    return [round(min(max(number * picture / seen, 0), picture)) for number in numbers]


def _label(found: dict[str, Any]) -> str:
    return str(found.get("label", ""))[:200]
