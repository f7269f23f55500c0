"""Image generation, through OpenAI's client."""

import base64
import io
import json
from typing import Any

import httpx2
import openai
import pytest
from openai import AsyncOpenAI
from PIL import Image

from model_runtime.errors import ModelMissing
from model_runtime.events import Preview
from model_runtime.media.types import ImageData
from model_runtime.requests import GenerateImage
from openai_compat.api.image_store import TTL_SECONDS, TemporaryImageStore
from openai_compat.api.images import is_preview_due, preview_interval
from openai_compat.api.schemas import ImagesBody
from tests.fakes import FakeService


def opened(b64: str | None) -> Image.Image:
    """Return the image of an answer."""
    assert b64 is not None
    return Image.open(io.BytesIO(base64.b64decode(b64)))


def received_requests(service: FakeService) -> list[GenerateImage]:
    """Return the image requests that the runtime received."""
    return [request for request in service.requests if isinstance(request, GenerateImage)]


@pytest.mark.promise("openai:images")
async def test_the_official_client_draws(sdk: AsyncOpenAI, service: FakeService) -> None:
    answer = await sdk.images.generate(model="image-starter", prompt="a red circle", size="256x128")

    assert answer.data is not None
    picture = opened(answer.data[0].b64_json)
    assert (picture.format, picture.size) == ("PNG", (256, 128))
    assert (answer.size, answer.output_format) == (None, "png")
    assert (answer.model_extra or {})["senses"]["size"] == "256x128"
    assert received_requests(service)[0].prompt == "a red circle"


async def test_any_size_of_the_web_can_be_asked_for(sdk: AsyncOpenAI, service: FakeService) -> None:
    answer = await sdk.images.generate(prompt="a red circle", size="1200x630")

    assert answer.data is not None
    assert opened(answer.data[0].b64_json).size == (1200, 630)
    assert (received_requests(service)[0].width, received_requests(service)[0].height) == (1200, 630)


@pytest.mark.promise("openai:images")
@pytest.mark.parametrize(
    ("size", "echoed", "streamed"),
    [
        ("256x256", None, "auto"),
        ("1024x1024", "1024x1024", "1024x1024"),
        ("1536x1024", "1536x1024", "1536x1024"),
        ("auto", None, "auto"),
    ],
)
async def test_only_sizes_that_the_types_of_every_client_know_are_echoed(
    http: httpx2.AsyncClient, size: str, echoed: str | None, streamed: str
) -> None:
    """openai 2.x allows these three in an answer and, in events, "auto"."""
    body = {"prompt": "x", "size": size}
    whole = (await http.post("/v1/images/generations", json=body)).json()
    stream = (await http.post("/v1/images/generations", json=body | {"stream": True, "partial_images": 1})).text
    events = [json.loads(line[6:]) for line in stream.splitlines() if line.startswith("data: {")]

    true_size = "512x512" if size == "auto" else size
    assert (whole.get("size"), whole["senses"]["size"]) == (echoed, true_size)
    assert [(event["size"], event["senses"]["size"]) for event in events] == [(streamed, true_size)] * 2


async def test_a_picture_is_square_where_no_size_is_named(sdk: AsyncOpenAI, service: FakeService) -> None:
    await sdk.images.generate(prompt="a red circle", size="auto")

    assert (received_requests(service)[0].width, received_requests(service)[0].height) == (512, 512)


@pytest.mark.parametrize("form", ["png", "jpeg", "webp"])
async def test_pictures_come_in_the_format_asked_for(sdk: AsyncOpenAI, form: str) -> None:
    answer = await sdk.images.generate(prompt="x", size="64x64", output_format=form, output_compression=50)  # type: ignore[call-overload]

    assert opened(answer.data[0].b64_json).format == form.upper()


async def test_several_pictures_have_seeds_of_their_own(sdk: AsyncOpenAI, service: FakeService) -> None:
    answer = await sdk.images.generate(prompt="x", size="64x64", n=3, extra_body={"seed": 2**32 - 1, "steps": 2})

    assert answer.data is not None
    assert len(answer.data) == 3
    assert [request.seed for request in received_requests(service)] == [2**32 - 1, 0, 1]
    assert {request.steps for request in received_requests(service)} == {2}


async def test_without_a_seed_every_picture_is_another(sdk: AsyncOpenAI, service: FakeService) -> None:
    for _ in range(3):
        await sdk.images.generate(prompt="x", size="64x64")

    assert len({request.seed for request in received_requests(service)}) == 3


@pytest.mark.promise("openai:images")
async def test_a_picture_can_come_as_a_url_on_the_host_the_client_used(
    sdk: AsyncOpenAI, http: httpx2.AsyncClient, url: str
) -> None:
    answer = await sdk.images.generate(prompt="x", size="64x64", response_format="url", output_format="webp")

    assert answer.data is not None
    address = answer.data[0].url
    assert address is not None
    assert address.startswith(f"{url}/v1/files/images/")
    picture = await http.get(address)
    assert picture.headers["content-type"] == "image/webp"
    assert Image.open(io.BytesIO(picture.content)).format == "WEBP"


async def test_a_url_that_was_never_given_is_not_found(http: httpx2.AsyncClient) -> None:
    answer = await http.get("/v1/files/images/guess.png")

    assert answer.status_code == 404
    assert "kept for an hour" in answer.json()["error"]["message"]


@pytest.mark.promise("openai:images")
async def test_previews_stream_before_the_picture(sdk: AsyncOpenAI) -> None:
    stream = await sdk.images.generate(
        prompt="x", size="64x64", stream=True, partial_images=2, extra_body={"steps": 6}, output_format="jpeg"
    )

    events = [event async for event in stream]

    assert [event.type for event in events] == [
        "image_generation.partial_image",
        "image_generation.partial_image",
        "image_generation.completed",
    ]
    assert [event.partial_image_index for event in events if event.type == "image_generation.partial_image"] == [0, 1]
    assert {opened(event.b64_json).size for event in events} == {(64, 64)}


@pytest.mark.parametrize(
    ("steps", "previews", "due"), [(4, 3, [1, 2, 3]), (20, 3, [5, 10, 15]), (4, 1, [2]), (2, 3, [1])]
)
def test_previews_are_spread_over_the_steps(steps: int, previews: int, due: list[int]) -> None:
    body = ImagesBody.model_validate({"prompt": "x", "stream": True, "steps": steps, "partial_images": previews})
    every, sent = preview_interval(body), 0
    shown = []
    for step in range(every, steps + 1, every):
        if is_preview_due(Preview(ImageData(1, 1, b"\0\0\0"), step, steps), previews, sent):
            shown.append(step)
            sent += 1

    assert shown == due


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"prompt": ""}, "prompt"),
        ({"size": "15x100"}, "size"),
        ({"size": "huge"}, "size"),
        ({"n": 11}, "n"),
        ({"background": "transparent"}, "background"),
        ({"output_format": "gif"}, "output_format"),
        ({"partial_images": 4}, "partial_images"),
        ({"seed": -1}, "seed"),
    ],
)
async def test_what_cannot_be_drawn_is_refused_by_name(
    http: httpx2.AsyncClient, service: FakeService, change: dict[str, object], param: str
) -> None:
    answer = await http.post("/v1/images/generations", json={"prompt": "x"} | change)

    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param
    assert param in answer.json()["error"]["message"]
    assert service.requests == []


async def test_missing_weights_are_reported_with_the_command_and_not_retried(
    sdk: AsyncOpenAI, service: FakeService
) -> None:
    service.error = ModelMissing("image-fast", 4_620_000_000, "senses pull image-fast")

    with pytest.raises(openai.NotFoundError, match=r"4\.6 GB.*senses pull image-fast") as refused:
        await sdk.images.generate(prompt="x")

    assert refused.value.code == "model_missing"
    assert refused.value.response.headers["x-should-retry"] == "false"


def test_a_stored_image_expires_after_an_hour() -> None:
    now = 0.0
    store = TemporaryImageStore(clock=lambda: now)
    name = store.put(b"picture", "image/png")

    now = TTL_SECONDS - 1
    assert store.get(name) is not None
    now = TTL_SECONDS
    assert store.get(name) is None


def test_a_full_store_evicts_its_oldest_image() -> None:
    store = TemporaryImageStore(capacity_bytes=10)
    first, second, third = (store.put(b"12345", "image/png") for _ in range(3))

    assert store.get(first) is None
    assert store.get(second) is not None
    assert store.get(third) is not None


@pytest.mark.parametrize(
    ("fields", "interval"),
    [
        ({"steps": 20, "stream": True}, 0),
        ({"steps": 20, "partial_images": 3}, 0),
        ({"steps": 2, "partial_images": 3, "stream": True}, 1),
        ({"partial_images": 3, "stream": True}, 1),
    ],
)
def test_without_previews_there_is_no_interval_and_with_many_every_step_has_one(
    fields: dict[str, Any], interval: int
) -> None:
    assert preview_interval(ImagesBody.model_validate({"prompt": "x"} | fields)) == interval
