"""The viewer in a real Chromium, in the sandbox of a small fake host, over the server and the official client."""

import re
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import anyio
import pytest
from mcp import Client
from mcp.client.extension import advertise
from mcp_types import AudioContent, TextResourceContents
from playwright.async_api import Browser, FrameLocator, Page, expect

from mcp_server.files.client import ClientConnection
from mcp_server.viewer.page import VIEWER_URI
from model_runtime.settings import Settings
from tests.fakes import FakeService
from tests.mcp_server.conftest import open_server

HOST = Path(__file__).with_name("fake_host.html").as_uri()
APPS = advertise("io.modelcontextprotocol/ui", {"mimeTypes": ["text/html;profile=mcp-app"]})
EVERYTHING: dict[str, Any] = {"serverTools": {}, "serverResources": {}}
SHOWN = {"generate_image", "regenerate", "speak", "transcribe"}
TIMEOUT_MS = 15_000
PNG_DATA_URL = re.compile("^data:image/png;base64,")

browses = pytest.mark.browser


@dataclass(frozen=True, slots=True)
class Host:
    """A page that shows the viewer, and the client whose calls it passes on."""

    page: Page
    client: Client

    async def call(self, tool: str, capabilities: dict[str, Any] = EVERYTHING, **arguments: Any) -> FrameLocator:
        """Call a tool and show its result; return the view."""
        result = await self.client.call_tool(tool, arguments)
        (document,) = (await self.client.read_resource(VIEWER_URI)).contents
        assert isinstance(document, TextResourceContents)
        shown = result.model_dump(mode="json", by_alias=True, exclude_none=True)
        await self.page.evaluate(
            "([html, call, result, capabilities]) => show(html, call, result, capabilities)",
            [document.text, arguments, shown, capabilities],
        )
        return self.page.frame_locator("iframe")

    async def sent(self, method: str) -> list[dict[str, Any]]:
        """Return the parameters of every message `method` that the viewer sent to the host."""
        found: list[dict[str, Any]] = await self.page.evaluate(
            "(method) => messages.filter((one) => one.method === method).map((one) => one.params)", method
        )
        return found


@pytest.fixture
async def host(browser: Browser, settings: Settings, service: FakeService, project: Path) -> AsyncGenerator[Host]:
    """A host with a client of its own; an error in the console, the sandbox's refusals among them, fails the test."""
    page = await browser.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    async with (
        open_server(service, settings, ClientConnection(project, (project,))) as server,
        Client(server, extensions=[APPS]) as client,
    ):

        async def call_server(method: str, params: dict[str, Any]) -> dict[str, Any]:
            result: Any
            if method == "tools/call":
                result = await client.call_tool(params["name"], params["arguments"])
            else:
                assert method == "resources/read"
                result = await client.read_resource(params["uri"])
            answer: dict[str, Any] = result.model_dump(mode="json", by_alias=True, exclude_none=True)
            return answer

        await page.expose_function("callServer", call_server)
        await page.goto(HOST)
        yield Host(page, client)
    await page.close()
    assert problems == []


Connected = Callable[..., AbstractAsyncContextManager[Client]]


@pytest.fixture
def connected(settings: Settings, service: FakeService) -> Connected:
    @asynccontextmanager
    async def connect(mode: Literal["auto", "legacy"], *extensions: Any) -> AsyncGenerator[Client]:
        async with (
            open_server(service, settings, ClientConnection()) as server,
            Client(server, mode=mode, extensions=extensions or None) as client,
        ):
            yield client

    return connect


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_the_viewer_is_listed_for_clients_that_can_show_it_and_for_no_others(
    connected: Connected, mode: Literal["auto", "legacy"]
) -> None:
    async with connected(mode, APPS) as client:
        shown = {tool.name for tool in (await client.list_tools()).tools if "ui" in (tool.meta or {})}
        listed = {str(one.uri) for one in (await client.list_resources()).resources}
    async with connected(mode) as client:
        elsewhere = [tool.name for tool in (await client.list_tools()).tools if "ui" in (tool.meta or {})]
        hidden = {str(one.uri) for one in (await client.list_resources()).resources}

    assert shown == SHOWN
    assert VIEWER_URI in listed
    assert elsewhere == []
    assert VIEWER_URI not in hidden


async def test_sound_is_inlined_only_for_clients_that_play_it(connected: Connected) -> None:
    async with connected("auto", APPS) as client:
        with_viewer = (await client.call_tool("speak", {"text": "hello"})).content
    async with connected("auto") as client:
        without_viewer = (await client.call_tool("speak", {"text": "hello"})).content

    assert any(isinstance(block, AudioContent) for block in with_viewer)
    assert not any(isinstance(block, AudioContent) for block in without_viewer)


@pytest.mark.promise("mcp:viewer")
@browses
async def test_a_picture_is_seen_whole_saved_and_varied(host: Host, project: Path) -> None:
    view = await host.call("generate_image", prompt="A red circle!", width=320, height=192, seed=7)

    picture = view.get_by_role("img", name="A red circle!").first
    await expect(picture).to_have_attribute("src", PNG_DATA_URL, timeout=TIMEOUT_MS)
    assert await picture.evaluate("(image) => [image.naturalWidth, image.naturalHeight]") == [320, 192]
    await expect(view.get_by_text("320 × 192, seed 7")).to_be_visible()

    await expect(view.get_by_label("Save as")).to_have_value("a-red-circle.png")
    await view.get_by_role("button", name="Save").click()
    await expect(view.get_by_text("Saved as")).to_contain_text("a-red-circle.png", timeout=TIMEOUT_MS)
    await view.get_by_role("button", name="Vary seed").click()
    await expect(view.get_by_role("figure")).to_have_count(2, timeout=TIMEOUT_MS)

    assert await anyio.Path(project / "a-red-circle.png").exists()
    notes = [note["content"][0]["text"] for note in await host.sent("ui/update-model-context")]
    assert [note.split(" ")[2] for note in notes] == ["saved", "drew"]
    assert (await host.sent("ui/notifications/size-changed"))[-1]["height"] > 100


@browses
async def test_speech_is_heard_and_read(host: Host) -> None:
    view = await host.call("speak", text="Hello there.")

    await expect(view.get_by_text("Hello there.")).to_be_visible()
    audio = view.locator("audio")
    await expect(audio).to_have_js_property("duration", 0.3, timeout=TIMEOUT_MS)
    painted = await view.get_by_role("img", name="Waveform").evaluate(
        "(wave) => wave.getContext('2d').getImageData(0, 0, wave.width, wave.height).data.some((level) => level)"
    )
    assert painted


@browses
async def test_a_transcript_is_read_with_its_times(host: Host) -> None:
    view = await host.call("transcribe", audio="beep.wav", timestamps="segment")

    await expect(view.get_by_role("row", name="0:00 a red circle")).to_be_visible(timeout=TIMEOUT_MS)


@browses
async def test_a_call_that_goes_on_is_followed_to_its_end(host: Host, service: FakeService) -> None:
    service.gate = anyio.Event()
    view = await host.call("generate_image", prompt="slow", wait_seconds=0)

    await expect(view.get_by_role("paragraph").first).to_be_visible()
    service.gate.set()
    await expect(view.get_by_role("img", name="slow")).to_be_visible(timeout=TIMEOUT_MS)


@browses
async def test_a_failure_is_read(host: Host) -> None:
    view = await host.call("transcribe", audio="none.wav")

    await expect(view.get_by_text("There is no file none.wav in")).to_be_visible(timeout=TIMEOUT_MS)


@browses
async def test_a_host_that_passes_no_calls_on_shows_the_preview_alone(host: Host) -> None:
    view = await host.call("generate_image", {}, prompt="plain", width=320, height=320)

    await expect(view.get_by_role("img", name="plain")).to_be_visible(timeout=TIMEOUT_MS)
    await expect(view.get_by_role("button")).to_have_count(0)


@browses
async def test_the_viewer_uses_the_colours_of_its_host(host: Host) -> None:
    view = await host.call("speak", text="Hello.")

    await expect(view.locator("body")).to_have_css("color", "rgb(250, 240, 230)")
