"""A server over the fake runtime, reached by the official client without a process in between."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import anyio
import pytest
from mcp import Client
from mcp_types import Implementation
from PIL import Image

from mcp_server.files.artifacts import ArtifactStore
from mcp_server.files.client import Caller
from mcp_server.launcher.paths import Places, own_folder
from mcp_server.server import SensesServer, create_server
from model_runtime.media.speech import encode_speech
from model_runtime.service import Service
from model_runtime.settings import Settings
from tests.fakes import FakeService

Era = Literal["auto", "legacy"]
Connect = Callable[..., AbstractAsyncContextManager[Client]]


@pytest.fixture(params=["auto", "legacy"])
def era(request: pytest.FixtureRequest) -> Era:
    """Both ways of the protocol: the stateless one of 2026 and the handshake before it."""
    mode: Era = request.param
    return mode


@pytest.fixture
def service() -> FakeService:
    """The fake runtime."""
    return FakeService()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The client's folder, with a picture and a recording in it."""
    folder = tmp_path / "project"
    folder.mkdir()
    Image.new("RGB", (64, 48), "red").save(folder / "red.png")
    (folder / "beep.wav").write_bytes(encode_speech(b"\x00\x10" * 16_000, 16_000, "wav"))
    return folder


@asynccontextmanager
async def serving(
    service: Service, settings: Settings, caller: Caller, address: str = "", **options: Any
) -> AsyncGenerator[SensesServer]:
    """A server that lives as long as the block."""
    async with anyio.create_task_group() as tasks:
        artifacts = ArtifactStore(settings.folders.artifacts)
        yield create_server(service, settings, artifacts, tasks, address=address, caller=caller, **options)
        tasks.cancel_scope.cancel()


@pytest.fixture
def connect(service: FakeService, settings: Settings, project: Path) -> Connect:
    """connect(mode="auto", name="test"): a client of that name whose folder is `project`."""

    @asynccontextmanager
    async def connected(mode: Era = "auto", name: str = "test") -> AsyncGenerator[Client]:
        info = Implementation(name=name, version="1")
        async with (
            serving(service, settings, Caller(project, (project,))) as server,
            Client(server, mode=mode, client_info=info) as client,
        ):
            yield client

    return connected


@pytest.fixture
def places(settings: Settings) -> Places:
    """The files of the test's instance, with their folders."""
    places = Places({"SENSES_HOME": str(settings.folders.data)})
    for folder in (places.run, places.logs, str(Path(places.socket).parent)):
        own_folder(folder)
    return places
