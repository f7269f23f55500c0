"""Clients over HTTP may be on another machine: what they send and get is in the messages themselves."""

import base64
import io
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from mcp import Client
from mcp_types import AudioContent, ImageContent
from PIL import Image

from mcp_server.files.client import ClientConnection
from mcp_server.tools import speak
from model_runtime.settings import Settings
from tests.fakes import FakeService
from tests.mcp_server.conftest import open_server
from tests.mcp_server.tools.test_tools import data_of, text_of


@pytest.fixture
async def http_client(service: FakeService, settings: Settings) -> AsyncGenerator[Client]:
    """A client that comes over HTTP."""
    async with (
        open_server(service, settings, ClientConnection(over_http=True), "http://127.0.0.1:7367") as server,
        Client(server) as client,
    ):
        yield client


@pytest.mark.promise("http:uploads")
async def test_a_picture_and_a_recording_are_uploaded_as_data(http_client: Client, project: Path) -> None:
    picture = base64.b64encode((project / "red.png").read_bytes()).decode()
    recording = base64.b64encode((project / "beep.wav").read_bytes()).decode()

    seen = await http_client.call_tool("describe_image", {"image": f"data:image/png;base64,{picture}"})
    heard = await http_client.call_tool("transcribe", {"audio": f"data:audio/wav;base64,{recording}"})

    assert data_of(seen)["image"] == {"width": 64, "height": 48}
    assert data_of(heard)["text"] == "a red circle"


@pytest.mark.promise("http:inline")
async def test_a_picture_is_in_the_answer_in_its_own_size(http_client: Client) -> None:
    drawn = await http_client.call_tool("generate_image", {"prompt": "x", "width": 1024, "height": 1024})

    (picture,) = [block for block in drawn.content if isinstance(block, ImageContent)]
    with Image.open(io.BytesIO(base64.b64decode(picture.data))) as image:
        assert image.size == (data_of(drawn)["images"][0]["width"], data_of(drawn)["images"][0]["height"])
    assert data_of(drawn)["images"][0]["url"].startswith("http://127.0.0.1:7367/artifacts/images/")


@pytest.mark.promise("http:inline")
@pytest.mark.parametrize(("limit_bytes", "types"), [(400_000, ["audio/wav"]), (10_000, ["audio/mpeg"]), (100, [])])
async def test_speech_is_in_the_answer_up_to_a_limit_and_beyond_it_by_its_url(
    http_client: Client, monkeypatch: pytest.MonkeyPatch, limit_bytes: int, types: list[str]
) -> None:
    monkeypatch.setattr(speak, "MAX_INLINE_AUDIO_BYTES", limit_bytes)

    spoken = await http_client.call_tool("speak", {"text": "x"})

    assert [block.mime_type for block in spoken.content if isinstance(block, AudioContent)] == types
    assert data_of(spoken)["url"].endswith(".wav")


async def test_long_speech_is_not_encoded_to_see_whether_it_fits(
    http_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speak, "MAX_INLINE_AUDIO_BYTES", 10_000)
    monkeypatch.setattr(speak, "MAX_INLINE_MP3_SECONDS", 0.1)

    spoken = await http_client.call_tool("speak", {"text": "x"})

    assert [block for block in spoken.content if isinstance(block, AudioContent)] == []


async def test_a_client_of_this_machine_gets_a_small_preview_and_no_sound(
    service: FakeService, settings: Settings, project: Path
) -> None:
    async with (
        open_server(service, settings, ClientConnection(project, (project,))) as server,
        Client(server) as client,
    ):
        spoken = await client.call_tool("speak", {"text": "x"})

    assert [block for block in spoken.content if isinstance(block, AudioContent)] == []


@pytest.mark.parametrize(
    ("tool", "arguments", "remedy"),
    [
        (
            "describe_image",
            {"image": "/data/a.png"},
            "Or pass the file itself as data:<type>;base64,… of at most 8 MB.",
        ),
        (
            "speak",
            {"text": "x", "output_path": "/data/a.wav"},
            "Or leave output_path empty: the result is in the answer",
        ),
    ],
)
async def test_a_refused_path_says_how_to_do_without(
    http_client: Client, tool: str, arguments: dict[str, str], remedy: str
) -> None:
    refused = await http_client.call_tool(tool, arguments)

    assert remedy in text_of(refused)
