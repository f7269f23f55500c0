"""The application on a real server, in the test's event loop, so that a test can pause the fake runtime."""

import io
import socket
import wave
from collections.abc import AsyncGenerator

import anyio
import httpx2
import pytest
import uvicorn
from openai import AsyncOpenAI
from PIL import Image
from starlette.types import ASGIApp, Receive, Scope, Send

from mcp_server.daemon.web_socket import web_socket_protocol
from model_runtime.settings import Settings
from openai_compat.app import create_app
from tests.fakes import FakeService


@pytest.fixture
def service() -> FakeService:
    """The runtime behind the application."""
    return FakeService()


class SwitchableApp:
    """An ASGI application that each test replaces, so that one server serves all tests."""

    def __init__(self) -> None:
        self.app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward a request. Lifespans are tested elsewhere."""
        assert self.app is not None
        await self.app(scope, receive, send)


@pytest.fixture(scope="session")
async def server() -> AsyncGenerator[tuple[SwitchableApp, str]]:
    """Yield a real server on a free loopback port, and its address."""
    switch = SwitchableApp()
    config = uvicorn.Config(
        switch,
        lifespan="off",
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=1,
        ws=web_socket_protocol,  # type: ignore[arg-type]  # the daemon's own
    )
    uvicorn_server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(uvicorn_server.serve, [listener])
            yield switch, f"http://127.0.0.1:{listener.getsockname()[1]}"
            uvicorn_server.should_exit = True


@pytest.fixture
def url(server: tuple[SwitchableApp, str], service: FakeService, settings: Settings) -> str:
    """The address of the application in front of `service`."""
    switch, address = server
    switch.app = create_app(service, settings)
    return address


@pytest.fixture
async def sdk(url: str) -> AsyncGenerator[AsyncOpenAI]:
    """Yield OpenAI's client. Its strict validation rejects answers that do not match its types."""
    async with AsyncOpenAI(
        base_url=f"{url}/v1", api_key="unused", max_retries=0, timeout=30, _strict_response_validation=True
    ) as client:
        yield client


@pytest.fixture
async def http(url: str) -> AsyncGenerator[httpx2.AsyncClient]:
    """Yield a plain HTTP client."""
    async with httpx2.AsyncClient(base_url=url, timeout=30) as client:
        yield client


@pytest.fixture
def png() -> bytes:
    """A small image."""
    out = io.BytesIO()
    Image.new("RGB", (8, 6), "red").save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def wav() -> bytes:
    """One and a half seconds of silence at 16 kHz."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(b"\0\0" * 24_000)
    return out.getvalue()
