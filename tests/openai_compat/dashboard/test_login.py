"""The log-in of the page: by key, kept in a cookie that only the page itself can use."""

import json
from collections.abc import AsyncGenerator
from dataclasses import replace

import httpx2
import pytest
import websockets
from starlette.types import Scope

from model_runtime.settings import Settings
from openai_compat.app import create_app
from openai_compat.http.page_session import COOKIE, is_of_own_page, session_value
from tests.fakes import FakeService
from tests.openai_compat.conftest import SwitchableApp

OWN = {"sec-fetch-site": "same-origin"}
KEY = "the key"


@pytest.fixture
async def http(service: FakeService, settings: Settings) -> AsyncGenerator[httpx2.AsyncClient]:
    app = create_app(service, replace(settings, api_key=KEY))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://localhost") as client:
        yield client


async def log_in(http: httpx2.AsyncClient, key: str = KEY) -> httpx2.Response:
    return await http.post("/api/login", json={"key": key})


@pytest.mark.promise("login:cookie")
async def test_who_sends_the_key_once_is_in_and_out_again(http: httpx2.AsyncClient) -> None:
    before = await http.get("/api/status", headers=OWN)
    entered = await log_in(http)
    status = await http.get("/api/status", headers=OWN)
    session = await http.get("/api/session", headers=OWN)
    await http.post("/api/logout", headers=OWN)
    after = await http.get("/api/status", headers=OWN)

    assert (before.status_code, entered.status_code, status.status_code, after.status_code) == (401, 204, 200, 401)
    assert session.json() == {"needs_key": True, "has_key": True, "is_secure": False}
    cookie = entered.headers["set-cookie"]
    assert all(part in cookie for part in ("HttpOnly", "SameSite=strict", "Path=/"))
    assert "Secure" not in cookie
    assert KEY not in cookie


@pytest.mark.promise("login:wrong-key")
@pytest.mark.parametrize("key", ["another", "", "the key with more", "schlüssel"])
async def test_a_wrong_key_is_told(http: httpx2.AsyncClient, key: str) -> None:
    answer = await log_in(http, key)

    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
    assert answer.json()["error"]["message"].startswith("This key is wrong.")
    assert "set-cookie" not in answer.headers


@pytest.mark.promise("login:cookie")
async def test_the_cookie_is_secure_under_tls(service: FakeService, settings: Settings) -> None:
    app = create_app(service, replace(settings, api_key=KEY))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="https://localhost") as http:
        entered = await log_in(http)
        session = await http.get("/api/session", headers=OWN)

    assert "Secure" in entered.headers["set-cookie"]
    assert session.json()["is_secure"] is True


@pytest.mark.promise("login:own-page")
@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "same-site"},  # another port of this machine
        {"sec-fetch-site": "cross-site"},
        {"origin": "http://localhost:3000"},
        {"cookie": f"{COOKIE}=guess"},
        {"cookie": "]["},
    ],
)
async def test_the_cookie_is_of_no_use_to_other_pages(http: httpx2.AsyncClient, headers: dict[str, str]) -> None:
    await log_in(http)

    assert (await http.get("/api/status", headers=headers)).status_code in (401, 403)


@pytest.mark.promise("login:own-page")
@pytest.mark.parametrize(
    ("method", "headers", "is_own"),
    [
        ("GET", {}, True),  # a picture on a plain-http address of the network
        ("POST", {}, False),
        ("POST", {"origin": "http://mac.local:7367"}, True),
        ("POST", {"origin": "https://mac.local:7367"}, True),
        ("POST", {"origin": "http://mac.local"}, False),
        ("POST", {"origin": "null"}, False),
        ("GET", {"sec-fetch-site": "none"}, True),
    ],
)
def test_a_request_is_of_the_own_page_if_the_browser_says_so(
    method: str, headers: dict[str, str], is_own: bool
) -> None:
    pairs = [(name.encode(), value.encode()) for name, value in ({"host": "mac.local:7367"} | headers).items()]
    scope: Scope = {"type": "http", "method": method, "headers": pairs}

    assert is_of_own_page(scope) is is_own


@pytest.mark.promise("login:cookie")
async def test_a_web_socket_of_the_page_needs_no_other_key(
    server: tuple[SwitchableApp, str], service: FakeService, settings: Settings
) -> None:
    switch, address = server
    switch.app = create_app(service, replace(settings, api_key=KEY))
    socket = f"{address.replace('http', 'ws', 1)}/api/events"
    cookie = {"Cookie": f"{COOKIE}={session_value(KEY)}"}

    async with websockets.connect(socket, origin=address, additional_headers=cookie) as connection:  # type: ignore[arg-type]
        first = json.loads(await connection.recv())
    with pytest.raises(websockets.exceptions.InvalidStatus) as refused:
        await websockets.connect(socket, additional_headers=cookie)

    assert first["kind"] == "status"
    assert refused.value.response.status_code == 401


async def test_without_a_key_everybody_is_in(service: FakeService, settings: Settings) -> None:
    transport = httpx2.ASGITransport(app=create_app(service, settings))
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as http:
        session = await http.get("/api/session")
        entered = await log_in(http)

    assert session.json() == {"needs_key": False, "has_key": True, "is_secure": False}
    assert (entered.status_code, "set-cookie" in entered.headers) == (204, False)


def test_another_key_ends_every_session() -> None:
    assert session_value("one") != session_value("another")
