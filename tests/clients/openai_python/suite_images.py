"""Pictures that are drawn."""

import base64
import io
import urllib.request
from typing import Any

import openai
import pytest

from tests.clients.openai_python.sdk import client

ASK = {"model": "dall-e-3", "prompt": "a red circle", "size": "64x64", "extra_body": {"seed": 1, "steps": 2}}
BEGINNINGS = {"png": b"\x89PNG", "jpeg": b"\xff\xd8\xff", "webp": b"RIFF"}


def test_a_picture_is_drawn() -> None:
    drawn = client.images.generate(**ASK)

    assert base64.b64decode(drawn.data[0].b64_json).startswith(BEGINNINGS["png"])
    assert drawn.output_format == "png"
    assert drawn.usage.total_tokens == 0


@pytest.mark.parametrize("kind", BEGINNINGS)
def test_a_picture_comes_in_three_formats(kind: str) -> None:
    drawn = client.images.generate(**ASK, output_format=kind, output_compression=80)

    assert base64.b64decode(drawn.data[0].b64_json).startswith(BEGINNINGS[kind])
    assert drawn.output_format == kind


def test_several_pictures_differ() -> None:
    drawn = client.images.generate(**ASK, n=2, response_format="b64_json")

    assert len({image.b64_json for image in drawn.data}) == 2


def test_a_picture_is_fetched_by_its_address() -> None:
    drawn = client.images.generate(**ASK, response_format="url")

    with urllib.request.urlopen(drawn.data[0].url) as answer:  # noqa: S310 - the daemon's own address
        assert answer.headers["content-type"] == "image/png"
        assert answer.read().startswith(BEGINNINGS["png"])


def test_a_size_that_openai_does_not_have_is_taken() -> None:
    drawn = client.images.generate(**{**ASK, "size": "100x50"})

    assert drawn.data[0].b64_json


def test_a_picture_is_streamed_with_previews() -> None:
    events: list[Any] = list(client.images.generate(**ASK, stream=True, partial_images=1))

    assert [event.type for event in events] == ["image_generation.partial_image", "image_generation.completed"]
    assert events[0].partial_image_index == 0
    assert all(base64.b64decode(event.b64_json).startswith(BEGINNINGS["png"]) for event in events)


def test_what_cannot_be_drawn_is_refused_by_name() -> None:
    for changes in ({"n": 11}, {"output_format": "gif"}, {"background": "transparent"}):
        with pytest.raises(openai.BadRequestError) as refusal:
            client.images.generate(**ASK, **changes)
        assert refusal.value.param == next(iter(changes))


def test_variations_are_refused_with_the_way_out() -> None:
    with pytest.raises(openai.NotFoundError, match="/v1/images/"):
        client.images.create_variation(image=("a.png", io.BytesIO(b"x"), "image/png"))
