"""Pictures that are edited."""

import base64
import io

from PIL import Image

from tests.clients.given import MEDIA
from tests.clients.openai_python.sdk import client

ASK = {"model": "painter", "prompt": "a red circle", "size": "64x64", "extra_body": {"seed": 1, "steps": 2}}


def opened(b64: str) -> Image.Image:
    """Return the picture of an answer."""
    return Image.open(io.BytesIO(base64.b64decode(b64)))


def test_a_picture_is_edited() -> None:
    edited = client.images.edit(**ASK, image=MEDIA / "small.png")

    assert opened(edited.data[0].b64_json).size == (64, 64)


def test_an_edit_leaves_what_the_mask_covers() -> None:
    edited = client.images.edit(
        **{**ASK, "size": "auto"}, image=MEDIA / "small.png", mask=MEDIA / "mask.png", output_format="png"
    )

    with Image.open(MEDIA / "small.png") as original:
        kept = (40, 0, 64, 64)  # the mask is opaque there
        whole = opened(edited.data[0].b64_json).convert("RGB")
        assert whole.size == original.size
        assert whole.crop(kept).tobytes() == original.convert("RGB").crop(kept).tobytes()


def test_several_pictures_are_sent_as_a_list() -> None:
    files = [(MEDIA / name).open("rb") for name in ("small.png", "other.png")]

    assert client.images.edit(**ASK, image=files).data[0].b64_json


def test_an_edit_is_streamed() -> None:
    events = list(client.images.edit(**ASK, image=MEDIA / "small.png", stream=True, partial_images=1))

    assert [event.type for event in events] == ["image_edit.partial_image", "image_edit.completed"]
