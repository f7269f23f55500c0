"""Edits of pictures, through OpenAI's client and by forms of every spelling."""

import base64
import io
import re
from collections.abc import Sequence
from typing import Any

import httpx2
import openai
import pytest
from openai import AsyncOpenAI
from PIL import Image

from model_runtime.requests import GenerateImage
from tests.fakes import FakeService
from tests.openai_compat.clients import multipart_body

SIZE = (80, 64)


def picture(color: str = "red", size: tuple[int, int] = SIZE) -> bytes:
    """Return a PNG of one color."""
    out = io.BytesIO()
    Image.new("RGB", size, color).save(out, "PNG")
    return out.getvalue()


def half_mask(size: tuple[int, int] = SIZE) -> bytes:
    """Return a PNG whose left half is transparent: that half may change."""
    mask, out = Image.new("RGBA", size, (0, 0, 0, 255)), io.BytesIO()
    mask.paste((0, 0, 0, 0), (0, 0, size[0] // 2, size[1]))
    mask.save(out, "PNG")
    return out.getvalue()


def opaque(mode: str) -> bytes:
    """Return a PNG without a transparent pixel."""
    out = io.BytesIO()
    Image.new(mode, SIZE, "white").save(out, "PNG")
    return out.getvalue()


def data_url(data: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def received(service: FakeService) -> list[GenerateImage]:
    """Return the image requests that the runtime received."""
    return [request for request in service.requests if isinstance(request, GenerateImage)]


def colors(requests: Sequence[GenerateImage]) -> list[list[tuple[int, ...]]]:
    """Return the first pixel of every reference of every request."""
    return [[tuple(bytes(reference.rgb[:3])) for reference in request.references] for request in requests]


RED, BLUE = (255, 0, 0), (0, 0, 255)


@pytest.mark.promise("openai:edits")
async def test_the_official_client_edits_a_picture_at_its_own_size(sdk: AsyncOpenAI, service: FakeService) -> None:
    answer = await sdk.images.edit(
        model="gpt-image-2", image=("a.png", picture()), prompt="make it blue", extra_body={"seed": 5, "steps": 3}
    )

    assert answer.data is not None
    assert Image.open(io.BytesIO(base64.b64decode(answer.data[0].b64_json or ""))).size == SIZE
    assert (answer.model_extra or {})["senses"]["size"] == "80x64"
    (request,) = received(service)
    assert (request.width, request.height, request.seed, request.steps, request.prompt) == (
        80,
        64,
        5,
        3,
        "make it blue",
    )
    assert colors([request]) == [[RED]]
    assert request.mask is None


@pytest.mark.promise("openai:edits")
async def test_a_mask_is_white_where_its_alpha_channel_is_transparent(sdk: AsyncOpenAI, service: FakeService) -> None:
    await sdk.images.edit(image=picture(), mask=half_mask(), prompt="x")

    mask = received(service)[0].mask
    assert mask is not None
    pixels = Image.frombytes("RGB", (mask.width, mask.height), bytes(mask.rgb))
    assert (pixels.getpixel((0, 0)), pixels.getpixel((79, 63))) == ((255, 255, 255), (0, 0, 0))


@pytest.mark.promise("openai:edits")
async def test_several_pictures_keep_their_order_and_n_results_have_seeds_of_their_own(
    sdk: AsyncOpenAI, service: FakeService
) -> None:
    answer = await sdk.images.edit(
        image=[picture("red"), picture("blue")],
        prompt="x",
        n=2,
        size="256x128",
        output_format="webp",
        response_format="url",
        extra_body={"seed": 2**32 - 1},
    )

    assert answer.data is not None
    assert all((image.url or "").endswith(".webp") for image in answer.data)
    assert colors(received(service)) == [[RED, BLUE]] * 2
    assert [request.seed for request in received(service)] == [2**32 - 1, 0]
    assert (received(service)[0].width, received(service)[0].height) == (256, 128)


@pytest.mark.promise("openai:edits")
async def test_an_edit_streams_previews_under_its_own_names(sdk: AsyncOpenAI) -> None:
    stream = await sdk.images.edit(
        image=picture(), prompt="x", stream=True, partial_images=2, extra_body={"steps": 6}, output_format="jpeg"
    )

    events = [event async for event in stream]

    assert [event.type for event in events] == [
        "image_edit.partial_image",
        "image_edit.partial_image",
        "image_edit.completed",
    ]
    assert [event.partial_image_index for event in events if event.type == "image_edit.partial_image"] == [0, 1]
    assert Image.open(io.BytesIO(base64.b64decode(events[-1].b64_json))).format == "JPEG"


FILE = 'name="{}"; filename="upload"'


@pytest.mark.promise("openai:edits")
@pytest.mark.parametrize(
    "parts",
    [
        [(FILE.format("image"), picture()), ('name="prompt"', b"x")],
        [('name="prompt"', b"x"), (FILE.format("image[]"), picture())],
        [(FILE.format("image[0]"), picture()), ('name="prompt"', b"x"), ('name="n"', b"1"), ('name="user"', b"me")],
        [('name="prompt"', b"x"), ('name="image"', data_url(picture()).encode()), ('name="size"', b"auto")],
        [('name="mask"', b""), (FILE.format("image"), picture()), ('name="stream"', b"false"), ('name="prompt"', b"x")],
    ],
)
async def test_a_form_is_read_in_any_order_and_spelling(
    http: httpx2.AsyncClient, service: FakeService, parts: list[tuple[str, bytes]]
) -> None:
    headers = {"content-type": "multipart/form-data; boundary=XX"}

    answer = await http.post("/v1/images/edits", content=multipart_body(parts), headers=headers)

    assert answer.status_code == 200, answer.text
    assert colors(received(service)) == [[RED]]


@pytest.mark.promise("openai:edits")
@pytest.mark.parametrize(
    "pictures",
    [
        {"images": [{"image_url": data_url(picture())}, {"image_url": data_url(picture("blue"))}]},
        {"images": [data_url(picture()), data_url(picture("blue"))]},
        {"image": [data_url(picture()), data_url(picture("blue"))]},
    ],
)
async def test_json_has_pictures_and_mask_as_addresses(
    http: httpx2.AsyncClient, service: FakeService, pictures: dict[str, Any]
) -> None:
    body = {"prompt": "x", "mask": {"image_url": data_url(half_mask())}, "strength": 0.5} | pictures

    answer = await http.post("/v1/images/edits", json=body)

    assert answer.status_code == 200, answer.text
    assert colors(received(service)) == [[RED, BLUE]]
    assert received(service)[0].mask is not None
    assert received(service)[0].strength == 0.5


async def test_what_has_no_effect_is_told(http: httpx2.AsyncClient) -> None:
    large = data_url(picture(size=(5000, 40)))
    body = {"prompt": "x", "image": large, "input_fidelity": "high", "quality": "high"}

    answer = (await http.post("/v1/images/edits", json=body)).json()

    quality, fidelity, size = answer["senses"]["warnings"]
    assert quality.startswith("quality has no effect")
    assert fidelity.startswith("input_fidelity has no effect")
    assert size == "The picture has 5000x40 pixels; the result has 4096x33."


@pytest.mark.promise("openai:edits")
@pytest.mark.parametrize(
    ("change", "param", "words"),
    [
        ({"images": []}, "image", "as the form field `image`, several as `image[]`"),
        ({"images": [{"file_id": "file-1"}]}, "images", "file_id is not supported. Senses stores no files"),
        ({"images": [{"image_url": "https://example.com/a.png"}]}, "image", "does not fetch images"),
        ({"images": [{"image_url": data_url(b"text")}]}, "image", "The image"),
        ({"mask": {"image_url": data_url(opaque("RGB"))}}, "mask", "it has no alpha channel"),
        ({"mask": {"image_url": data_url(opaque("RGBA"))}}, "mask", "every pixel is opaque"),
        ({"mask": {"image_url": data_url(b"text")}}, "mask", "The image"),
        ({"prompt": ""}, "prompt", "prompt"),
        ({"background": "transparent"}, "background", "background"),
        ({"input_fidelity": "medium"}, "input_fidelity", "high"),
        ({"markup": {"image_url": data_url(half_mask())}}, "markup", "mask"),
        ({"n": 11}, "n", "n"),
        ({"size": "1x1"}, "size", "size"),
    ],
)
async def test_what_cannot_be_edited_is_refused_by_name(
    http: httpx2.AsyncClient, service: FakeService, change: dict[str, Any], param: str, words: str
) -> None:
    body = {"prompt": "x", "images": [{"image_url": data_url(picture())}]} | change

    answer = await http.post("/v1/images/edits", json=body)

    error = answer.json()["error"]
    assert (answer.status_code, re.split(r"[.\[]", error["param"])[0]) == (400, param)
    assert words in error["message"]
    assert service.requests == []


async def test_markup_in_a_form_is_refused(http: httpx2.AsyncClient) -> None:
    parts = [(FILE.format(name), picture()) for name in ("image", "markup")] + [('name="prompt"', b"x")]
    headers = {"content-type": "multipart/form-data; boundary=XX"}

    answer = await http.post("/v1/images/edits", content=multipart_body(parts), headers=headers)

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "markup")


@pytest.mark.promise("openai:edits")
async def test_variations_are_refused_with_the_way_out(sdk: AsyncOpenAI) -> None:
    words = "/v1/images/edits, with a prompt that says what to vary"

    with (
        pytest.warns(DeprecationWarning, match="deprecated"),
        pytest.raises(openai.NotFoundError, match=words) as refused,
    ):
        await sdk.images.create_variation(image=picture())

    assert refused.value.code == "unknown_url"
