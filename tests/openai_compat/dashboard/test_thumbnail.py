"""Unfinished pictures on the page."""

import io

import httpx2
import pytest
from PIL import Image

from model_runtime.events import Preview
from model_runtime.media.types import ImageData
from openai_compat.dashboard.thumbnail import MAX_SIDE, thumbnail
from tests.fakes import FakeService


def gradient(width: int, height: int) -> ImageData:
    """Return a picture in which each pixel has its place as its colour."""
    return ImageData(width, height, bytes(value for y in range(height) for x in range(width) for value in (x, y, 7)))


@pytest.mark.promise("status:preview")
@pytest.mark.parametrize(
    ("width", "height", "step"), [(1, 1, 1), (5, 3, 1), (MAX_SIDE, 10, 1), (250, 99, 2), (99, 250, 2)]
)
def test_a_thumbnail_is_a_png_of_every_nth_pixel(width: int, height: int, step: int) -> None:
    with Image.open(io.BytesIO(thumbnail(gradient(width, height)))) as image:
        image.load()

    assert image.size == (-(-width // step), -(-height // step))
    assert max(image.size) <= MAX_SIDE
    last = image.width - 1, image.height - 1
    assert [image.getpixel(place) for place in ((0, 0), last)] == [(0, 0, 7), (last[0] * step, last[1] * step, 7)]


@pytest.mark.promise("status:preview")
async def test_the_page_gets_the_picture_of_a_request(http: httpx2.AsyncClient, service: FakeService) -> None:
    service.previews[3] = Preview(gradient(4, 4), 2, 8)

    shown = await http.get("/api/jobs/3/preview")
    none = await http.get("/api/jobs/4/preview")

    assert (shown.headers["content-type"], shown.headers["cache-control"]) == ("image/png", "no-store")
    assert shown.content.startswith(b"\x89PNG")
    assert (none.status_code, none.json()["error"]["message"]) == (404, "Job 4 has no picture to show, or has ended.")
