import json
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from PIL import Image

from tests.mcp_server.conftest import Connect, ProtocolMode
from tests.mcp_server.tools.test_tools import data_of, text_of


async def drawn(client: Client) -> str:
    data = data_of(await client.call_tool("generate_image", {"prompt": "a red circle", "width": 512, "height": 512}))
    uri: str = data["images"][0]["uri"]
    return uri


async def saved(client: Client, **arguments: Any) -> dict[str, Any]:
    return data_of(await client.call_tool("save_media", arguments))


@pytest.mark.promise("mcp:save")
async def test_a_generated_picture_is_put_into_the_project_in_the_format_its_name_says(
    connect: Connect, era: ProtocolMode, project: Path
) -> None:
    async with connect(era) as client:
        uri = await drawn(client)
        data = await saved(client, uri=uri, path="hero.webp")

    path = project / "hero.webp"
    assert data["path"] == str(path)
    assert data["uri"] == uri
    assert data["size_bytes"] == path.stat().st_size
    with Image.open(path) as image:
        assert image.format == "WEBP"
        assert image.size == (data["width"], data["height"])


async def test_a_picture_is_made_to_fit_the_size_that_was_asked_for(connect: Connect, project: Path) -> None:
    async with connect() as client:
        uri = await drawn(client)
        whole = await saved(client, uri=uri, path="whole.jpg")
        small = await saved(client, uri=uri, path="small.jpg", max_kb=max(1, whole["size_bytes"] // 2000))

    assert (project / "small.jpg").stat().st_size <= max(1000, whole["size_bytes"] // 2)
    assert (small["quality"], small["width"]) < (whole["quality"], whole["width"] + 1)


async def test_what_exists_stays_unless_overwriting_was_asked_for(connect: Connect, project: Path) -> None:
    (project / "logo.png").write_bytes(b"mine")
    async with connect() as client:
        uri = await drawn(client)
        refused = await client.call_tool("save_media", {"uri": uri, "path": "logo.png"})
        kept = (project / "logo.png").read_bytes()
        await saved(client, uri=uri, path="logo.png", overwrite=True)

    assert refused.is_error
    assert "overwrite=true" in text_of(refused)
    assert kept == b"mine"
    with Image.open(project / "logo.png") as image:
        assert image.format == "PNG"


async def test_speech_is_converted_to_what_the_name_says(connect: Connect, project: Path) -> None:
    async with connect() as client:
        uri = data_of(await client.call_tool("speak", {"text": "hello"}))["uri"]
        await saved(client, uri=uri, path="hello.mp3")
        await saved(client, uri=uri, path="hello.wav")

    assert (project / "hello.wav").read_bytes().startswith(b"RIFF")
    assert not (project / "hello.mp3").read_bytes().startswith(b"RIFF")


async def test_a_transcript_is_saved_in_any_of_its_formats(connect: Connect, project: Path) -> None:
    async with connect() as client:
        uri = data_of(await client.call_tool("transcribe", {"audio": "beep.wav"}))["uri"]
        for suffix in (".txt", ".srt", ".vtt", ".json"):
            await saved(client, uri=uri, path=f"talk{suffix}")

    assert (project / "talk.txt").read_text() == "a red circle\n"
    assert (project / "talk.srt").read_text() == "1\n00:00:00,000 --> 00:00:01,500\na red circle\n"
    assert (project / "talk.vtt").read_text() == "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\na red circle\n"
    assert json.loads((project / "talk.json").read_text())["segments"][0]["end"] == 1.5


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"uri": "senses://images/none", "path": "a.png"}, "senses://images/none does not exist"),
        ({"uri": "red.png", "path": "a.png"}, "must start with senses://"),
        ({"uri": "{uri}", "path": "a.mp3"}, "must end in .png"),
        ({"uri": "{uri}", "path": "../a.png"}, "not in a folder"),
        ({"uri": "{uri}", "path": ".hidden.png"}, "hidden"),
        ({"uri": "{uri}", "path": "red.png/where.png"}, "red.png is a file"),
    ],
)
async def test_what_cannot_be_saved_is_said_plainly(connect: Connect, arguments: dict[str, Any], why: str) -> None:
    async with connect() as client:
        uri = await drawn(client)
        result = await client.call_tool(
            "save_media", {name: value.replace("{uri}", uri) for name, value in arguments.items()}
        )

    assert result.is_error
    assert why in text_of(result)
