import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from mcp import Client
from mcp.server.subscriptions import ResourceUpdated
from mcp.shared.exceptions import MCPError
from mcp_types import (
    PromptReference,
    ReadResourceResult,
    ResourceTemplateReference,
    ResourceUpdatedNotification,
    TextContent,
    TextResourceContents,
)

from mcp_server import resources
from mcp_server.files.artifacts import ArtifactKind, ArtifactStore
from mcp_server.files.client import ClientConnection
from mcp_server.resources import resource_contents
from model_runtime.settings import Settings
from model_runtime.status import ModelState, ModelStatus, Status
from tests.fakes import FakeService
from tests.mcp_server.conftest import Connect, ProtocolMode, open_server
from tests.mcp_server.tools.test_tools import data_of


def json_of(read: ReadResourceResult) -> Any:
    (content,) = read.contents
    assert isinstance(content, TextResourceContents)
    assert content.mime_type == "application/json"
    return json.loads(content.text)


def loading(models: tuple[ModelStatus, ...]) -> tuple[ModelStatus, ...]:
    return (replace(models[0], state=ModelState.STARTING, load_fraction=0.4), *models[1:])


async def test_the_status_can_be_read_piece_by_piece(connect: Connect, era: ProtocolMode) -> None:
    async with connect(era) as client:
        status = json_of(await client.read_resource("senses://status"))
        parts = {name: json_of(await client.read_resource(f"senses://{name}")) for name in ("models", "jobs", "voices")}
        page = await client.read_resource("senses://help")

    assert status["models"] == parts["models"]
    assert status["voices"] == parts["voices"] == {"tts-starter": {"voices": ["alma", "otto"], "languages": ["en"]}}
    assert parts["jobs"] == {"requests": [], "calls": []}
    assert page.contents[0].mime_type == "text/markdown"


@pytest.mark.promise("mcp:follow")
@pytest.mark.filterwarnings("ignore::mcp.MCPDeprecationWarning")
async def test_a_client_that_follows_the_status_hears_of_a_loading_model(
    service: FakeService, settings: Settings, era: ProtocolMode
) -> None:
    heard = anyio.Event()

    async def on_message(message: object) -> None:
        if isinstance(message, ResourceUpdatedNotification) and message.params.uri == "senses://models":
            heard.set()

    async with (
        open_server(service, settings, ClientConnection()) as server,
        Client(server, mode=era, message_handler=on_message) as client,
    ):
        with anyio.fail_after(10):
            if era == "legacy":
                await client.subscribe_resource("senses://models")
                service.update_models(loading)
                await heard.wait()
            else:
                async with client.listen(resource_subscriptions=["senses://models"]) as updates:
                    service.update_models(loading)
                    assert await anext(aiter(updates)) == ResourceUpdated(uri="senses://models")
        (model, *_) = json_of(await client.read_resource("senses://models", cache_mode="bypass"))

    assert model["loading"] == "40%"


class FollowedService(FakeService):
    """Counts how often its status is followed."""

    followers = 0

    async def changes(self) -> AsyncGenerator[Status]:
        """Count, then do as the other fakes."""
        self.followers += 1
        async for status in super().changes():
            yield status


@pytest.mark.promise("mcp:follow")
@pytest.mark.filterwarnings("ignore::mcp.MCPDeprecationWarning")
async def test_the_status_is_followed_only_once_a_client_subscribes(settings: Settings) -> None:
    service = FollowedService()

    async with (
        open_server(service, settings, ClientConnection()) as server,
        Client(server, mode="legacy") as client,
    ):
        await client.list_tools()
        await anyio.wait_all_tasks_blocked()
        before = service.followers
        await client.subscribe_resource("senses://models")
        await anyio.wait_all_tasks_blocked()

    assert (before, service.followers) == (0, 1)


class GatedSleep:
    """Sleeps until it is released, however long it should."""

    def __init__(self) -> None:
        self.delays: list[float] = []
        self._gate = anyio.Semaphore(0)

    async def __call__(self, seconds: float) -> None:
        """Wait."""
        self.delays.append(seconds)
        await self._gate.acquire()

    def release(self) -> None:
        """End one sleep."""
        self._gate.release()


async def test_clients_hear_of_changes_at_most_once_a_second(
    service: FakeService, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleep, models = GatedSleep(), ResourceUpdated(uri="senses://models")
    monkeypatch.setattr(resources, "sleep", sleep)

    async with (
        open_server(service, settings, ClientConnection()) as server,
        Client(server) as client,
        client.listen(resource_subscriptions=["senses://models"]) as updates,
    ):
        await anyio.wait_all_tasks_blocked()
        with anyio.fail_after(10):
            service.update_models(loading)
            first = await anext(aiter(updates))
            while 1.0 not in sleep.delays:
                await anyio.lowlevel.checkpoint()
            service.update_models(lambda models: [replace(models[0], state=ModelState.READY), *models[1:]])
            sleep.release()
            second = await anext(aiter(updates))

    assert first == second == models


async def test_clients_hear_of_new_results_at_most_once_a_second(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleep = GatedSleep()
    monkeypatch.setattr(resources, "sleep", sleep)

    async with connect() as client:
        await client.call_tool("speak", {"text": "x"})
        with anyio.fail_after(10):
            while 1.0 not in sleep.delays:
                await anyio.lowlevel.checkpoint()


def test_time_passing_is_no_change(service: FakeService) -> None:
    status = service.status()
    later = replace(
        status,
        uptime_seconds=99.0,
        models=tuple(replace(model, idle_seconds=9.0, unloads_in_seconds=5.0) for model in status.models),
    )

    assert resource_contents(status) == resource_contents(later)


@pytest.mark.parametrize("kind", ["images", "previews", "audio", "transcripts"])
async def test_a_missing_result_is_an_error(connect: Connect, era: ProtocolMode, kind: str) -> None:
    async with connect(era) as client:
        with pytest.raises(MCPError, match="does not exist or has expired"):
            await client.read_resource(f"senses://{kind}/20260101-000000-0123456789abcdef")


async def test_results_have_their_true_types_and_are_listed(connect: Connect, settings: Settings) -> None:
    store = ArtifactStore(settings.folders.artifacts)
    heard = store.add(ArtifactKind.TRANSCRIPTS, "안녕".encode())

    async with connect() as client:
        drawn = data_of(await client.call_tool("generate_image", {"prompt": "x", "width": 64, "height": 64}))
        uri = drawn["images"][0]["uri"]
        image = await client.read_resource(uri)
        preview = await client.read_resource(uri.replace("images", "previews"))
        text = await client.read_resource(heard.uri)
        listed = [str(resource.uri) for resource in (await client.list_resources()).resources]

    assert image.contents[0].mime_type == "image/png"
    assert preview.contents[0].mime_type == "image/jpeg"
    assert isinstance(text.contents[0], TextResourceContents)
    assert text.contents[0].text == "안녕"
    assert {uri, heard.uri} <= set(listed)


@pytest.mark.parametrize(
    ("name", "arguments", "mentions"),
    [
        ("alt_text", {"path": "/a.png"}, "describe_image"),
        ("read_screenshot", {"path": "/a.png"}, 'task="ocr"'),
        ("meeting_minutes", {"path": "/a.m4a"}, "transcribe"),
        ("narrate", {"path_or_text": "README.md", "voice": "alma"}, 'voice="alma"'),
        ("illustrate", {"topic": "spring", "style": "line drawing"}, "line drawing"),
    ],
)
async def test_every_prompt_leads_to_its_tool(
    connect: Connect, era: ProtocolMode, name: str, arguments: dict[str, str], mentions: str
) -> None:
    async with connect(era) as client:
        prompt = await client.get_prompt(name, arguments)

    (message,) = prompt.messages
    assert isinstance(message.content, TextContent)
    assert mentions in message.content.text


async def test_a_screenshot_becomes_a_brief_to_code_from(connect: Connect) -> None:
    """The exact words and their places from the reader, the looks from a vision model."""
    async with connect() as client:
        prompt = await client.get_prompt("read_screenshot", {"path": "/a.png"})

    (message,) = prompt.messages
    assert isinstance(message.content, TextContent)
    for part in ('task="ocr"', 'include_text="never"', "regions from top to bottom", "word for word", "in percent"):
        assert part in message.content.text


async def test_arguments_are_completed_from_what_there_is(connect: Connect, settings: Settings) -> None:
    artifact = ArtifactStore(settings.folders.artifacts).add(ArtifactKind.AUDIO, b"RIFF")
    narrate = PromptReference(name="narrate")
    recordings = ResourceTemplateReference(uri="senses://audio/{name}")

    async with connect() as client:
        voices = await client.complete(narrate, {"name": "voice", "value": "a"})
        names = await client.complete(recordings, {"name": "name", "value": ""})
        nothing = await client.complete(narrate, {"name": "path_or_text", "value": ""})
        unknown = await client.complete(ResourceTemplateReference(uri="senses://help"), {"name": "name", "value": ""})

    assert voices.completion.values == ["alma"]
    assert names.completion.values == [artifact.id]
    assert nothing.completion.values == unknown.completion.values == []
