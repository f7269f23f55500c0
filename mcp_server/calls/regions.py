"""A part of an image that a tool looks closer at: checked before any work, its results in pixels of the whole image."""

from collections.abc import Sequence
from typing import Annotated, TypeVar

from pydantic import AfterValidator, Field

from mcp_server.calls.detections import BoundingBox, Point
from mcp_server.calls.result_types import ImageLine
from model_runtime.errors import InvalidInput
from model_runtime.media.types import PixelBox

PlacedT = TypeVar("PlacedT", BoundingBox, Point, ImageLine)


def _require_box(numbers: list[int]) -> list[int]:
    if numbers and (len(numbers) != 4 or min(numbers) < 0 or min(numbers[2:]) < 1):
        raise ValueError(f"it is {numbers} and must be [x, y, width, height] in pixels of the image, y down")
    return numbers


RegionArgument = Annotated[list[int], AfterValidator(_require_box), Field(description="[x, y, width, height]")]
"""The argument of a tool; empty means the whole image."""


def parse_region(numbers: Sequence[int]) -> PixelBox | None:
    """Return left, top, width and height of a valid `RegionArgument`; None if it is empty."""
    if not numbers:
        return None
    left, top, width, height = numbers
    return left, top, width, height


def require_within(region: PixelBox, size: tuple[int, int]) -> None:
    """Check that a region lies within an image of this width and height.

    Raises:
        InvalidInput: it does not.
    """
    left, top, width, height = region
    if left + width > size[0] or top + height > size[1]:
        raise InvalidInput(
            f"region is {list(region)}, but the image has {size[0]}x{size[1]} pixels. Pass [x, y, width, height] with "
            f"x + width up to {size[0]} and y + height up to {size[1]}.",
        )


def to_whole(placed: Sequence[PlacedT], region: PixelBox | None) -> list[PlacedT]:
    """Return what was found in a region with its place in the whole image; None is the whole."""
    left, top = region[:2] if region else (0, 0)
    return [_shifted(one, left, top) for one in placed]


def _shifted(one: PlacedT, left: int, top: int) -> PlacedT:
    """Return a moved copy."""
    if isinstance(one, ImageLine):
        x, y, width, height = one.box
        return one.model_copy(update={"box": (x + left, y + top, width, height)})
    return one.model_copy(update={"x": one.x + left, "y": one.y + top})
