"""A generated picture becomes the files that a project needs."""

import io
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mcp import Client
from PIL import Image, ImageDraw

from mcp_server.files.artifacts import ArtifactKind, ArtifactStore
from mcp_server.files.client import ClientConnection
from model_runtime.media.image_encoding import encode_pillow
from model_runtime.media.images import read_provenance
from model_runtime.settings import Settings
from tests.fakes import FakeService
from tests.mcp_server.conftest import Connect, open_server
from tests.mcp_server.tools.test_tools import data_of, text_of

DRAWN_FROM = "a red disc\nSteps: 4, Seed: 7, Size: 256x256, Model: image-starter, Version: Senses"


@pytest.fixture
def uri(settings: Settings) -> str:
    """An earlier result: a disc on white, which says what it was drawn from."""
    image = Image.new("RGB", (256, 256), "white")
    ImageDraw.Draw(image).ellipse([40, 40, 216, 216], fill="red")
    store = ArtifactStore(settings.folders.artifacts)
    return store.add(ArtifactKind.IMAGES, encode_pillow(image, "png", provenance=DRAWN_FROM)).uri


async def save(client: Client, **arguments: Any) -> dict[str, Any]:
    return data_of(await client.call_tool("save_media", arguments))


def opened(path: Path) -> Image.Image:
    return Image.open(io.BytesIO(path.read_bytes()))


@pytest.mark.promise("mcp:save-sizes")
@pytest.mark.parametrize("side", [16, 32, 180, 512])
async def test_a_picture_is_saved_at_any_size_of_the_web(connect: Connect, project: Path, uri: str, side: int) -> None:
    async with connect() as client:
        data = await save(client, uri=uri, path="icon.png", width=side)

    assert (data["width"], data["height"]) == opened(project / "icon.png").size == (side, side)
    assert ("no more detail" in str(data.get("warnings"))) is (side == 512)


async def test_another_shape_is_cropped_and_said(connect: Connect, project: Path, uri: str) -> None:
    async with connect() as client:
        data = await save(client, uri=uri, path="wide.jpg", width=200, height=100)

    assert opened(project / "wide.jpg").size == (200, 100)
    assert data["warnings"] == [
        "The picture of 200x100 was cropped to its shape: draw it at 200x100 to keep all of it."
    ]


async def test_an_ico_holds_several_sizes(connect: Connect, project: Path, uri: str) -> None:
    async with connect() as client:
        data = await save(client, uri=uri, path="favicon.ico")

    assert data["sides"] == [16, 32, 48]
    assert opened(project / "favicon.ico").info["sizes"] == {(16, 16), (32, 32), (48, 48)}


@pytest.mark.parametrize("name", ["icon.png", "icon.webp", "icon.ico"])
async def test_a_plain_background_becomes_transparent_where_that_is_asked(
    connect: Connect, project: Path, uri: str, name: str
) -> None:
    async with connect() as client:
        await save(client, uri=uri, path=name, transparent=True, width=48)

    alpha = np.asarray(opened(project / name).convert("RGBA"))[..., 3]
    assert (alpha[0, 0], alpha[24, 24]) == (0, 255)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"path": "icon.jpg", "transparent": True}, "choose .png, .webp or .ico"),
        ({"path": "icon.ico", "width": 512}, "An .ico holds 16 to 256 pixels, not 512"),
        ({"path": "icon.png", "width": 5000}, "width is 5000"),
        ({"path": ".", "set": "favicon", "width": 32}, "has sizes of its own"),
        ({"path": "icon.ico", "max_kb": 1, "width": 256}, "more than max_kb=1"),
    ],
)
async def test_what_cannot_be_saved_is_said_before_anything_is_written(
    connect: Connect, project: Path, uri: str, arguments: dict[str, Any], words: str
) -> None:
    before = names_in(project)
    async with connect() as client:
        result = await client.call_tool("save_media", {"uri": uri} | arguments)

    assert result.is_error
    assert words in text_of(result)
    assert names_in(project) == before


async def test_a_background_that_is_not_plain_stays_and_the_refusal_says_what_to_do(
    connect: Connect, settings: Settings
) -> None:
    noise = encode_pillow(Image.effect_noise((64, 64), 100).convert("RGB"), "png")
    uri = ArtifactStore(settings.folders.artifacts).add(ArtifactKind.IMAGES, noise).uri

    async with connect() as client:
        result = await client.call_tool("save_media", {"uri": uri, "path": "icon.png", "transparent": True})

    assert result.is_error
    assert "on a plain white background" in text_of(result)


@pytest.mark.parametrize("argument", [{"width": 16}, {"transparent": True}, {"set": "og"}])
async def test_speech_has_no_size_and_no_background(connect: Connect, argument: dict[str, Any]) -> None:
    async with connect() as client:
        speech = data_of(await client.call_tool("speak", {"text": "hello"}))["uri"]
        result = await client.call_tool("save_media", {"uri": speech, "path": "a.wav"} | argument)

    assert result.is_error
    assert f"{next(iter(argument))} is for images" in text_of(result)


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def sizes_in(folder: Path) -> dict[str, tuple[int, int]]:
    pictures = (path for path in folder.iterdir() if path.suffix in {".png", ".jpg", ".ico"})
    return {path.name: opened(path).size for path in pictures}


@pytest.mark.promise("mcp:asset-sets")
@pytest.mark.parametrize(
    ("name", "path", "sizes"),
    [
        (
            "favicon",
            "public",
            {
                "favicon.ico": (48, 48),
                "favicon-16x16.png": (16, 16),
                "favicon-32x32.png": (32, 32),
                "apple-touch-icon.png": (180, 180),
                "icon-192.png": (192, 192),
                "icon-512.png": (512, 512),
            },
        ),
        ("og", "public", {"og-image.jpg": (1200, 630)}),
        (
            "app-icon",
            "Fox.iconset",
            {
                f"icon_{points}x{points}{suffix}.png": (points * scale,) * 2
                for points in (16, 32, 128, 256, 512)
                for suffix, scale in (("", 1), ("@2x", 2))
            },
        ),
    ],
)
async def test_a_set_has_every_size_and_the_lines_to_paste(
    connect: Connect, project: Path, uri: str, name: str, path: str, sizes: Mapping[str, tuple[int, int]]
) -> None:
    (project / path).mkdir()
    async with connect() as client:
        data = await save(client, uri=uri, path=path, set=name)

    assert sizes_in(project / path) == sizes
    assert data["path"] == str(project / path)
    assert set(data["files"]) == names_in(project / path)
    assert data["size_bytes"] == sum((project / path / name).stat().st_size for name in data["files"])
    assert data["snippet"]


async def test_a_favicon_can_be_transparent_but_for_the_picture_that_ios_would_blacken(
    connect: Connect, project: Path, uri: str
) -> None:
    async with connect() as client:
        await save(client, uri=uri, path=".", set="favicon", transparent=True)

    assert opened(project / "icon-192.png").convert("RGBA").getpixel((0, 0))[3] == 0  # type: ignore[index]
    assert opened(project / "apple-touch-icon.png").mode == "RGB"
    assert opened(project / "apple-touch-icon.png").getpixel((0, 0)) == (255, 255, 255)
    assert json.loads((project / "site.webmanifest").read_text())["icons"]


async def test_a_set_replaces_nothing_unasked_and_then_writes_nothing_at_all(
    connect: Connect, project: Path, uri: str
) -> None:
    (project / "icon-512.png").write_bytes(b"mine")
    before = names_in(project)
    async with connect() as client:
        refused = await client.call_tool("save_media", {"uri": uri, "path": ".", "set": "favicon"})
        after = names_in(project)
        await save(client, uri=uri, path=".", set="favicon", overwrite=True)

    assert refused.is_error
    assert "overwrite=true" in text_of(refused)
    assert after == before
    assert opened(project / "icon-512.png").size == (512, 512)


@pytest.mark.promise("mcp:provenance")
@pytest.mark.parametrize("name", ["copy.png", "copy.webp", "copy.jpg"])
async def test_a_copy_says_what_it_was_drawn_from(connect: Connect, uri: str, name: str) -> None:
    async with connect() as client:
        await save(client, uri=uri, path=name, width=100)
        data = data_of(await client.call_tool("describe_image", {"image": name}))

    assert data["drawn_from"] == {"prompt": "a red disc", "model": "image-starter", "seed": 7, "steps": 4}


async def test_a_copy_says_nothing_where_the_owner_wants_that(
    service: FakeService, settings: Settings, project: Path, uri: str
) -> None:
    quiet = replace(settings, image_provenance=False)
    async with (
        open_server(service, quiet, ClientConnection(project, (project,))) as server,
        Client(server) as client,
    ):
        await save(client, uri=uri, path="copy.png")
        await save(client, uri=uri, path=".", set="og")

    for name in ("copy.png", "og-image.jpg"):
        assert read_provenance(io.BytesIO((project / name).read_bytes())) == ""
