"""What the composition root passes to the application: more routes, and contexts that are open while it runs."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx2
import pytest
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from model_runtime.settings import Settings
from openai_compat.api.generation import client_name
from openai_compat.app import create_app
from tests.fakes import FakeService


async def other(request: Request) -> Response:
    """Answer for another protocol on the same port."""
    return PlainTextResponse("other")


def test_contexts_are_entered_and_left_with_the_application(service: FakeService, settings: Settings) -> None:
    events: list[str] = []

    @asynccontextmanager
    async def context() -> AsyncGenerator[None]:
        events.append("entered")
        yield
        events.append("exited")

    with TestClient(create_app(service, settings, contexts=[context]), base_url="http://localhost"):
        assert events == ["entered"]

    assert events == ["entered", "exited"]


def test_further_routes_are_behind_the_same_checks(service: FakeService, settings: Settings) -> None:
    app = create_app(service, replace(settings, api_key="key"), extra_routes=[Route("/mcp", other)])
    client = TestClient(app, base_url="http://localhost")

    assert client.get("/mcp", headers={"authorization": "Bearer key"}).text == "other"
    assert client.get("/mcp").status_code == 401
    assert client.get("/mcp", headers={"host": "evil.example", "authorization": "Bearer key"}).status_code == 403


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("OpenAI/Python 3.57.0", "OpenAI/Python"),
        ("AsyncOpenAI/Python 3.57.0", "AsyncOpenAI/Python"),
        ("OpenAI/JS 7.57.0", "OpenAI/JS"),
        ("curl/8.7.1", "curl"),
        ("Mozilla/5.0 (Macintosh)", "Mozilla"),
        ("", "http"),
        ("x" * 200, "x" * 40),
    ],
)
def test_callers_are_named_by_their_product(agent: str, name: str) -> None:
    assert client_name(Headers({"user-agent": agent})) == name


@pytest.mark.promise("openai:keep-alive")
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "hi"}]}),
        ("/v1/responses", {"input": "hi"}),
        ("/v1/images/generations", {"prompt": "hi", "size": "64x64"}),
        ("/v1/audio/speech", {"input": "hi"}),
    ],
)
async def test_every_endpoint_takes_keep_alive(
    http: httpx2.AsyncClient, service: FakeService, path: str, body: dict[str, object]
) -> None:
    for spelling in (None, 0, "10m", -1):
        await http.post(path, json=body | {"keep_alive": spelling})
    refused = await http.post(path, json=body | {"keep_alive": "soon"})

    assert service.keep_alives == [None, 0.0, 600.0, -1.0]
    assert refused.json()["error"]["param"] == "keep_alive"


@pytest.mark.promise("openai:keep-alive")
async def test_a_form_takes_keep_alive_too(http: httpx2.AsyncClient, service: FakeService, wav: bytes) -> None:
    await http.post("/v1/audio/transcriptions", data={"keep_alive": "0"}, files={"file": wav})

    assert service.keep_alives == [0.0]
