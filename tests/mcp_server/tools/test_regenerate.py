"""A picture is drawn again from what its metadata say, with changes."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mcp_server.files.artifacts import ArtifactKind, ArtifactStore
from model_runtime.media.image_encoding import encode_pillow
from model_runtime.media.provenance import Provenance, format_provenance
from model_runtime.requests import GenerateImage
from model_runtime.settings import Settings
from tests.fakes import FakeService
from tests.mcp_server.conftest import Connect, ProtocolMode
from tests.mcp_server.tools.test_tools import data_of, text_of

DRAWN = Provenance("a fox", "image-starter", 7, 9, 320, 200)


def png(provenance: Provenance | None) -> bytes:
    text = format_provenance(provenance) if provenance else ""
    return encode_pillow(Image.new("RGB", (32, 20), "red"), "png", provenance=text)


@pytest.mark.promise("mcp:regenerate")
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, GenerateImage("image-starter", "a fox", 320, 200, 7, 9)),
        ({"seed": 8}, GenerateImage("image-starter", "a fox", 320, 200, 8, 9)),
        ({"prompt": "a wolf", "size": "640x400"}, GenerateImage("image-starter", "a wolf", 640, 400, 7, 9)),
    ],
)
async def test_a_result_is_drawn_again_with_changes(
    connect: Connect,
    era: ProtocolMode,
    service: FakeService,
    settings: Settings,
    changes: dict[str, Any],
    expected: GenerateImage,
) -> None:
    uri = ArtifactStore(settings.folders.artifacts).add(ArtifactKind.IMAGES, png(DRAWN)).uri

    async with connect(era) as client:
        result = await client.call_tool("regenerate", {"uri": uri, "changes": changes})

    assert data_of(result)["images"][0]["seed"] == expected.seed
    assert service.requests == [expected]


async def test_a_copy_in_the_project_is_drawn_again_as_several(
    connect: Connect, service: FakeService, project: Path
) -> None:
    (project / "fox.png").write_bytes(png(DRAWN))

    async with connect() as client:
        arguments = {"uri": "fox.png", "changes": {"count": 2, "output_path": "foxes.webp"}}
        data = data_of(await client.call_tool("regenerate", arguments))

    assert [Path(image["path"]).name for image in data["images"]] == ["foxes.webp", "foxes-2.webp"]
    assert len(service.requests) == 2


@pytest.mark.parametrize(
    ("provenance", "changes", "words"),
    [
        (None, {}, "does not say what it was drawn from"),
        (DRAWN, {"colour": "red"}, "There is no argument 'colour'"),
        (DRAWN, {"width": 9}, "width is 9"),
        (Provenance("a fox", "image-starter", 7, 9, 64, 64, strength=0.5), {}, "was drawn from another picture"),
        (Provenance("a fox", "gone", 7, 9, 64, 64), {}, "There is no model 'gone'"),
    ],
)
async def test_what_cannot_be_drawn_again_is_said(
    connect: Connect,
    service: FakeService,
    project: Path,
    provenance: Provenance | None,
    changes: dict[str, Any],
    words: str,
) -> None:
    (project / "fox.png").write_bytes(png(provenance))

    async with connect() as client:
        result = await client.call_tool("regenerate", {"uri": "fox.png", "changes": changes})

    assert result.is_error
    assert words in text_of(result)
    assert "Error executing" not in text_of(result)
    assert service.requests == []


async def test_a_picture_drawn_from_another_one_is_drawn_again_from_that(
    connect: Connect, service: FakeService, project: Path
) -> None:
    (project / "fox.png").write_bytes(png(Provenance("at night", "image-starter", 7, 9, 64, 64, strength=0.5)))

    async with connect() as client:
        await client.call_tool("regenerate", {"uri": "fox.png", "changes": {"image": "red.png"}})

    (request,) = service.requests
    assert isinstance(request, GenerateImage)
    assert request.source_image is not None
    assert request.strength == 0.5


async def test_a_picture_without_such_metadata_is_described_without_them(connect: Connect) -> None:
    async with connect() as client:
        data = data_of(await client.call_tool("describe_image", {"image": "red.png"}))

    assert "drawn_from" not in data
