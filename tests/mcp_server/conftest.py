"""A server over the fake runtime, used by the official client in the same process."""

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
from mcp_server.files.client import ClientConnection
from mcp_server.launcher.paths import InstancePaths, ensure_private_folder
from mcp_server.server import SensesServer, create_server
from model_runtime.media.speech_encoder import encode_speech
from model_runtime.service import Service
from model_runtime.settings import Settings
from tests.fakes import FakeService

ProtocolMode = Literal["auto", "legacy"]
Connect = Callable[..., AbstractAsyncContextManager[Client]]


@pytest.fixture(params=["auto", "legacy"])
def era(request: pytest.FixtureRequest) -> ProtocolMode:
    """Both protocol eras: the stateless one of 2026 and the handshake before it."""
    mode: ProtocolMode = request.param
    return mode


@pytest.fixture
def service() -> FakeService:
    """The fake runtime."""
    return FakeService()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The client's folder, which holds a picture and a recording."""
    folder = tmp_path / "project"
    folder.mkdir()
    Image.new("RGB", (64, 48), "red").save(folder / "red.png")
    (folder / "beep.wav").write_bytes(encode_speech(b"\x00\x10" * 16_000, 16_000, "wav"))
    return folder


@asynccontextmanager
async def open_server(
    service: Service, settings: Settings, client: ClientConnection, address: str = "", **options: Any
) -> AsyncGenerator[SensesServer]:
    """Run a server for the length of the block."""
    async with anyio.create_task_group() as tasks:
        artifacts = ArtifactStore(settings.folders.artifacts)
        yield create_server(service, settings, artifacts, tasks, http_origin=address, client=client, **options)
        tasks.cancel_scope.cancel()


@pytest.fixture
def connect(service: FakeService, settings: Settings, project: Path) -> Connect:
    """connect(mode="auto", name="test") opens a client of that name whose folder is `project`; `options` are the server's."""

    @asynccontextmanager
    async def open_client(mode: ProtocolMode = "auto", name: str = "test", **options: Any) -> AsyncGenerator[Client]:
        info = Implementation(name=name, version="1")
        async with (
            open_server(service, settings, ClientConnection(project, (project,)), **options) as server,
            Client(server, mode=mode, client_info=info) as client,
        ):
            yield client

    return open_client


@pytest.fixture
def paths(settings: Settings) -> InstancePaths:
    """The files of the test's instance, with their folders."""
    paths = InstancePaths({"SENSES_HOME": str(settings.folders.data)})
    for folder in (paths.run_folder, paths.logs_folder, str(Path(paths.socket_path).parent)):
        ensure_private_folder(folder)
    return paths
