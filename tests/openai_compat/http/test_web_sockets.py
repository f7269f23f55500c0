"""The handshake of a WebSocket has the rules of a request: host, origin, key, number, and an id."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import anyio
import pytest
import websockets
from websockets.asyncio.client import ClientConnection
from websockets.http11 import Response
from websockets.typing import Subprotocol

from model_runtime.settings import Settings
from openai_compat.app import create_app
from openai_compat.http import web_sockets
from tests.fakes import FakeService
from tests.openai_compat.clients import wait_until
from tests.openai_compat.conftest import SwitchableApp

PATHS = ["/api/events", "/v1/realtime?intent=transcription"]
KEY = "a-key"


@pytest.fixture
def ws(url: str) -> str:
    """The address for WebSockets."""
    return url.replace("http", "ws", 1)


@pytest.fixture
def keyed_ws(server: tuple[SwitchableApp, str], service: FakeService, settings: Settings) -> str:
    """The address of an application with a key."""
    switch, address = server
    switch.app = create_app(service, replace(settings, api_key=KEY))
    return address.replace("http", "ws", 1)


async def refusal(
    address: str, headers: Mapping[str, str] | None = None, subprotocols: Sequence[str] | None = None
) -> Response:
    """Return the answer to a handshake that is refused."""
    offered = [Subprotocol(name) for name in subprotocols or ()] or None
    with pytest.raises(websockets.exceptions.InvalidStatus) as refused:
        async with websockets.connect(address, additional_headers=headers, subprotocols=offered):
            raise NotImplementedError
    return refused.value.response


def error_of(response: Response) -> dict[str, Any]:
    error = json.loads(response.body or b"")["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return dict(error)


async def first_message(connection: ClientConnection) -> dict[str, Any]:
    with anyio.fail_after(10):
        return dict(json.loads(await connection.recv()))


@pytest.mark.promise("http:origin")
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost.evil.example"])
async def test_a_foreign_page_opens_no_socket(ws: str, path: str, origin: str) -> None:
    response = await refusal(ws + path, {"origin": origin})

    assert (response.status_code, error_of(response)["code"]) == (403, "origin_not_allowed")
    assert response.headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize("origin", ["http://localhost:3000", "app://obsidian.md", None])
async def test_local_pages_and_programs_open_one(ws: str, origin: str | None) -> None:
    async with websockets.connect(
        f"{ws}/api/events", additional_headers={"origin": origin} if origin else None
    ) as open_:
        assert "models" in await first_message(open_)
        assert open_.response is not None
        assert open_.response.headers["x-request-id"].startswith("req_")


@pytest.mark.promise("http:rebinding")
@pytest.mark.parametrize("path", PATHS)
async def test_a_name_that_can_be_rebound_opens_no_socket(ws: str, path: str) -> None:
    port = ws.rpartition(":")[2]

    with pytest.raises(websockets.exceptions.InvalidStatus) as refused:
        async with websockets.connect(f"ws://evil.example:{port}{path}", host="127.0.0.1", port=int(port)):
            raise NotImplementedError

    assert refused.value.response.status_code == 403


@pytest.mark.promise("http:key")
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("headers", "subprotocols"),
    [
        ({}, []),
        ({"authorization": "Bearer wrong"}, []),
        ({"authorization": f"Basic {KEY}"}, []),
        ({}, ["realtime"]),
        ({}, ["realtime", "openai-insecure-api-key.wrong"]),
        ({}, [KEY]),
    ],
)
async def test_without_the_key_no_socket_opens(
    keyed_ws: str, path: str, headers: dict[str, str], subprotocols: list[str]
) -> None:
    response = await refusal(keyed_ws + path, headers, subprotocols)

    assert (response.status_code, error_of(response)["code"]) == (401, "invalid_api_key")


@pytest.mark.promise("http:key")
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("headers", "subprotocols", "chosen"),
    [
        ({"authorization": f"Bearer {KEY}"}, [], None),
        ({"authorization": f"bearer {KEY}"}, ["realtime"], "realtime"),
        ({}, ["realtime", f"openai-insecure-api-key.{KEY}", "openai-beta.realtime-v1"], "realtime"),
        ({}, [f"openai-insecure-api-key.{KEY}", "realtime"], "realtime"),
    ],
)
async def test_the_key_opens_one_as_a_header_or_as_a_browsers_subprotocol(
    keyed_ws: str, path: str, headers: dict[str, str], subprotocols: list[str], chosen: str | None
) -> None:
    offered = [Subprotocol(name) for name in subprotocols] or None
    async with websockets.connect(keyed_ws + path, additional_headers=headers, subprotocols=offered) as opened:
        assert await first_message(opened)
        assert opened.subprotocol == chosen


async def test_only_so_many_sockets_are_open(ws: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_sockets, "MAX_SOCKETS", 2)

    async with websockets.connect(f"{ws}/api/events"):
        async with websockets.connect(f"{ws}/v1/realtime?intent=transcription"):
            full = await refusal(f"{ws}/api/events")
        await wait_until_open(f"{ws}/api/events")

    assert (full.status_code, error_of(full)["code"], full.headers["retry-after"]) == (503, "sockets_full", "30")


async def wait_until_open(address: str) -> None:
    """Open a WebSocket as soon as the server has seen another one's end."""
    with anyio.fail_after(10):
        while True:
            try:
                async with websockets.connect(address):
                    return
            except websockets.exceptions.InvalidStatus:
                await anyio.sleep(0.01)


async def test_an_address_without_a_socket_is_not_found(ws: str) -> None:
    response = await refusal(f"{ws}/v1/realtime/calls")

    assert (response.status_code, error_of(response)["code"]) == (404, "unknown_url")
    assert "intent=transcription" in error_of(response)["message"]


async def test_while_the_runtime_ends_no_session_begins(ws: str, service: FakeService) -> None:
    status = replace(service.status(), accepting=False)
    service.status = lambda: status  # type: ignore[method-assign]

    response = await refusal(f"{ws}/v1/realtime?intent=transcription")

    assert (response.status_code, error_of(response)["code"]) == (503, "shutting_down")


async def test_a_bug_shows_only_the_id_of_its_log_entry(
    ws: str, service: FakeService, caplog: pytest.LogCaptureFixture
) -> None:
    service.status = lambda: 1 / 0  # type: ignore[assignment, method-assign, return-value]

    before = await refusal(f"{ws}/v1/realtime?intent=transcription")
    async with websockets.connect(f"{ws}/api/events") as opened:
        with pytest.raises(websockets.exceptions.ConnectionClosedError) as closed:
            await first_message(opened)

    assert (before.status_code, error_of(before)["code"]) == (500, "internal_error")
    assert before.headers["x-request-id"] in error_of(before)["message"]
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1011
    assert f"{closed.value.rcvd.reason} WebSocket /api/events failed" in caplog.text


async def test_a_socket_is_logged_when_it_ends(ws: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "openai_compat.http.request_log"):
        async with websockets.connect(f"{ws}/api/events") as opened:
            await first_message(opened)
            assert "WebSocket" not in caplog.text
        await wait_until(lambda: "WebSocket /api/events → 101" in caplog.text)
