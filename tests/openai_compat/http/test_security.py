"""Access control: hosts, origins and the API key."""

import re
from dataclasses import replace

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from model_runtime.requests import Task
from model_runtime.settings import Settings
from openai_compat.app import create_app
from openai_compat.http.request_log import RequestLogMiddleware
from openai_compat.http.security import (
    LOGIN_PATHS,
    ApiKeyMiddleware,
    HostOriginMiddleware,
    host_without_port,
    is_link_to_page,
)
from tests.fakes import FakeService
from tests.openai_compat.conftest import SwitchableApp

EVERYWHERE = ["/", "/health", "/v1/models", "/api/status", "/api/events", "/metrics", "/web/app.js"]


@pytest.mark.promise("http:rebinding")
@pytest.mark.parametrize("path", EVERYWHERE)
async def test_a_name_that_can_be_rebound_to_this_machine_is_refused(http: httpx2.AsyncClient, path: str) -> None:
    answer = await http.get(path, headers={"host": "evil.example"})

    assert answer.status_code == 403
    assert answer.json()["error"]["message"].startswith("The host 'evil.example' is not allowed.")


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:7367", "127.0.0.1:7367", "[::1]:7367", "192.168.1.5", "host.docker.internal:7367"],
)
async def test_local_names_and_addresses_are_allowed(http: httpx2.AsyncClient, host: str) -> None:
    answer = await http.get("/health", headers={"host": host})

    assert answer.status_code == 200


@pytest.mark.promise("http:rebinding")
@pytest.mark.parametrize(
    "host",
    [
        "localhost.evil.example",
        "evil.example:7367",
        "",
        "[evil",
        "127.0.0.1.nip.io",
        "[::1].evil.example",
        "[::1]evil.example",
        "localhost:7367.evil.example",
        "127.0.0.1:80:evil.example",
    ],
)
async def test_names_that_only_look_local_are_refused(http: httpx2.AsyncClient, host: str) -> None:
    answer = await http.get("/health", headers={"host": host})

    assert answer.status_code == 403


@pytest.mark.promise("http:origin")
@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "http://localhost.evil.example",
        "file://",
        "app://anything",
        "tauri://evil.example",
        "chrome-extension://abcdefgh",
    ],
)
async def test_a_foreign_page_is_refused_and_gets_no_permission_to_read(
    http: httpx2.AsyncClient, service: FakeService, origin: str
) -> None:
    start = await http.post("/api/models/vlm-starter/start", headers={"origin": origin})
    ask = await http.options("/v1/models", headers={"origin": origin, "access-control-request-method": "GET"})

    assert [answer.status_code for answer in (start, ask)] == [403, 403]
    assert "access-control-allow-origin" not in {*start.headers, *ask.headers}
    assert service.loaded_models == []


@pytest.mark.parametrize(
    "origin",
    ["http://localhost:3000", "https://localhost", "http://127.0.0.1:5173", "http://[::1]:80", "app://obsidian.md"],
)
async def test_local_pages_and_apps_may_call_with_any_header(http: httpx2.AsyncClient, origin: str) -> None:
    requested = "x-stainless-lang, authorization, content-type"
    ask = await http.options(
        "/v1/chat/completions",
        headers={
            "origin": origin,
            "access-control-request-method": "POST",
            "access-control-request-headers": requested,
            "access-control-request-private-network": "true",
        },
    )
    read = await http.get("/v1/models", headers={"origin": origin})

    assert ask.status_code == 200
    assert ask.headers["access-control-allow-headers"] == requested
    assert ask.headers["access-control-allow-private-network"] == "true"
    assert read.headers["access-control-allow-origin"] == origin
    assert "x-request-id" in read.headers["access-control-expose-headers"]


async def test_settings_can_allow_more(
    server: tuple[SwitchableApp, str], service: FakeService, settings: Settings
) -> None:
    switch, address = server
    more = replace(settings, allowed_hosts=("mac.local",), allowed_origins=("https://mine.example",))
    switch.app = create_app(service, more)

    async with httpx2.AsyncClient(base_url=address) as http:
        answer = await http.get("/health", headers={"host": "mac.local:80", "origin": "https://mine.example"})

    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "https://mine.example"


@pytest.mark.promise("http:key")
async def test_with_a_key_only_the_page_and_harmless_lists_are_open(
    server: tuple[SwitchableApp, str], service: FakeService, settings: Settings
) -> None:
    switch, address = server
    switch.app = create_app(service, replace(settings, api_key="sésame"))
    closed = ["/v1/models", "/v1/models/", "/api/status", "/api/events", "/api/artifacts", "/metrics", "/v1/files/x"]
    opened = ["/", "/health", "/web/app.js", "/v1/audio/voices", "/v1/audio/models"]

    async with httpx2.AsyncClient(base_url=address) as http:
        without = [(await http.get(path)) for path in closed]
        wrong = await http.get("/v1/models", headers={"authorization": "Bearer sesame"})
        right = await http.get("/v1/models", headers=[(b"authorization", "Bearer sésame".encode())])
        free = [(await http.get(path)).status_code for path in opened]

    assert [answer.status_code for answer in (*without, wrong)] == [401] * 8
    assert wrong.headers["www-authenticate"] == "Bearer"
    assert wrong.json()["error"]["code"] == "invalid_api_key"
    assert right.status_code == 200
    assert free == [200] * 5


async def test_the_key_can_be_asked_for_across_origins(
    server: tuple[SwitchableApp, str], service: FakeService, settings: Settings
) -> None:
    """A browser sends a preflight request before the key, and must be able to read that the key is wrong."""
    switch, address = server
    switch.app = create_app(service, replace(settings, api_key="key"))
    headers = {"origin": "http://localhost:3000", "access-control-request-method": "GET"}

    async with httpx2.AsyncClient(base_url=address) as http:
        ask = await http.options("/v1/models", headers=headers)
        refused = await http.get("/v1/models", headers={"origin": "http://localhost:3000"})

    assert ask.status_code == 200
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == "http://localhost:3000"


# -- the middleware alone ---------------------------------------------------------------------------------------------


class Reached:
    """An app that answers 200 and keeps the types of the scopes that reach it."""

    def __init__(self) -> None:
        self.types: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.types.append(scope["type"])
        if scope["type"] == "http":
            await PlainTextResponse("ok")(scope, receive, send)


async def status_of(app: HostOriginMiddleware | ApiKeyMiddleware, path: str = "/x", **headers: str) -> int:
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as http:
        return (await http.get(path, headers=headers)).status_code


async def pass_scope(app: HostOriginMiddleware | ApiKeyMiddleware, scope: Scope) -> None:
    async def receive() -> dict[str, str]:
        return {"type": "lifespan.startup"}

    async def send(message: object) -> None:
        del message

    await app(scope, receive, send)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("gateway.docker.internal", 200),
        ("host.containers.internal:80", 200),
        ("mac.local", 200),
        ("MAC.LOCAL:7367", 200),
        ("[fd00::1]", 200),
        ("docker.internal", 403),
        ("other.local", 403),
    ],
)
async def test_the_hosts_are_local_names_addresses_and_those_of_the_settings(host: str, status: int) -> None:
    app = HostOriginMiddleware(Reached(), hosts=["Mac.local"])

    assert await status_of(app, host=host) == status


@pytest.mark.promise("http:own-names")
@pytest.mark.parametrize("hostname", ["my-mac.local", "My-Mac", "my-mac.fritz.box"])
@pytest.mark.parametrize(
    ("host", "status"),
    [("my-mac.local", 200), ("MY-MAC.local:7367", 200), ("my-mac:7367", 200), ("192.168.1.5", 200), ("mac.local", 403)],
)
async def test_with_a_key_the_names_of_this_machine_are_allowed(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, hostname: str, host: str, status: int
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: hostname)
    app = create_app(FakeService(), replace(settings, host="0.0.0.0", api_key="key"))  # noqa: S104
    transport = httpx2.ASGITransport(app)

    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as http:
        answer = await http.get("/v1/models", headers={"host": host, "authorization": "bearer key"})

    assert answer.status_code == status


@pytest.mark.promise("http:rebinding")
async def test_without_a_key_the_names_of_this_machine_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "my-mac.local")

    assert await status_of(HostOriginMiddleware(Reached()), host="my-mac.local") == 403


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://192.168.1.5:7367", 200),
        ("https://192.168.1.5:7367", 200),
        ("http://192.168.1.5", 403),
        ("https://mine.example", 200),
        ("https://mine.example.evil", 403),
        ("vscode-webview://abc", 200),
        ("tauri://localhost", 200),
        ("http://localhost:3000/path", 403),
        ("", 403),
    ],
)
async def test_the_origins_are_the_host_itself_local_pages_and_those_of_the_settings(origin: str, status: int) -> None:
    app = HostOriginMiddleware(Reached(), origins=["https://mine.example"])

    assert await status_of(app, host="192.168.1.5:7367", origin=origin) == status


async def test_the_start_of_the_server_needs_no_host_and_no_key() -> None:
    reached = Reached()

    for app in (HostOriginMiddleware(reached), ApiKeyMiddleware(reached, "key")):
        await pass_scope(app, {"type": "lifespan"})

    assert reached.types == ["lifespan", "lifespan"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 200),
        ("/health", 200),
        ("/web/app.js", 200),
        ("/v1/files/images/a", 200),
        ("/artifacts/a", 200),
        ("/healthy", 401),
        ("/web", 401),
        ("/v1/web/", 401),
        ("/v1/models", 401),
    ],
)
async def test_without_the_key_only_public_paths_are_served(path: str, status: int) -> None:
    assert await status_of(ApiKeyMiddleware(Reached(), "key"), path) == status


async def test_a_preflight_request_needs_no_key() -> None:
    transport = httpx2.ASGITransport(ApiKeyMiddleware(Reached(), "key"))

    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as http:
        statuses = [(await http.request(method, "/v1/models")).status_code for method in ("OPTIONS", "HEAD", "POST")]

    assert statuses == [200, 401, 401]


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        ("Bearer key", 200),
        ("bearer key", 200),
        ("BEARER  key", 200),
        ("key", 401),
        ("Bearer key2", 401),
        ("Basic key", 401),
    ],
)
async def test_the_key_is_sent_as_a_bearer_token(authorization: str, status: int) -> None:
    assert await status_of(ApiKeyMiddleware(Reached(), "key"), authorization=authorization) == status


IMAGE = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"}
NAVIGATION = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
FRAME = NAVIGATION | {"sec-fetch-dest": "iframe"}
RESULTS = ["/v1/files/images/unknown.png", "/artifacts/images/unknown.png"]


@pytest.mark.promise("reliability:foreign-pages")
@pytest.mark.parametrize("headers", [IMAGE, FRAME, IMAGE | {"referer": "https://evil.example/page"}])
@pytest.mark.parametrize(
    "path", [*EVERYWHERE, *RESULTS, "/v1/models/~/Downloads", "/v1/audio/voices?model=~/Downloads"]
)
async def test_a_foreign_page_cannot_embed_any_address(
    http: httpx2.AsyncClient, path: str, headers: dict[str, str]
) -> None:
    answer = await http.get(path, headers=headers)

    assert answer.status_code == 403
    assert "allowed_origins" in answer.json()["error"]["message"]


@pytest.mark.promise("reliability:foreign-pages")
async def test_a_foreign_page_can_link_to_the_page_and_to_results_only(http: httpx2.AsyncClient) -> None:
    linked = [(await http.get(path, headers=NAVIGATION)).status_code for path in ("/", *RESULTS)]
    others = [(await http.get(path, headers=NAVIGATION)).status_code for path in ("/v1/models", "/api/status")]
    posted = await http.post("/", headers=NAVIGATION)

    assert linked == [200, 404, 404]
    assert others == [403, 403]
    assert posted.status_code == 403


@pytest.mark.promise("reliability:foreign-pages")
async def test_allowed_pages_and_this_site_may_embed(
    server: tuple[SwitchableApp, str], service: FakeService, settings: Settings
) -> None:
    switch, address = server
    switch.app = create_app(service, replace(settings, allowed_origins=("https://mine.example",)))
    pages = [
        IMAGE | {"referer": "https://mine.example/chat"},
        IMAGE | {"referer": "http://localhost:3000/"},
        IMAGE | {"origin": "https://mine.example"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "none"},
        {},
    ]

    async with httpx2.AsyncClient(base_url=address) as http:
        answers = [(await http.get("/v1/models", headers=headers)).status_code for headers in pages]
        broken = await http.get("/v1/models", headers=IMAGE | {"referer": "http://[broken/"})

    assert answers == [200] * len(pages)
    assert broken.status_code == 403


@pytest.mark.promise("reliability:keyless-aliases")
async def test_without_the_key_voices_are_listed_for_aliases_only(
    server: tuple[SwitchableApp, str], service: FakeService, settings: Settings
) -> None:
    switch, address = server
    switch.app = create_app(service, replace(settings, api_key="key"))
    looked_up: list[str] = []
    resolve = service.resolve

    async def record(name: str, task: Task) -> str:
        looked_up.append(name)
        return await resolve(name, task)

    service.resolve = record  # type: ignore[method-assign]
    foreign = ["~/Downloads", "/etc", "org/repository", "../x", "a\0b"]

    async with httpx2.AsyncClient(base_url=address) as http:
        aliases = [await http.get("/v1/audio/voices", params={"model": name}) for name in ("", "auto", "tts-starter")]
        looked_up.clear()
        refused = [await http.get("/v1/audio/voices", params={"model": name}) for name in foreign]
        looked_up_without_key = list(looked_up)
        authorized = {"authorization": "Bearer key"}
        await http.get("/v1/audio/voices", params={"model": "org/repository"}, headers=authorized)

    assert [answer.status_code for answer in aliases] == [200] * 3
    assert [answer.status_code for answer in refused] == [404] * 5
    assert looked_up_without_key == []
    assert looked_up == ["org/repository"]


@pytest.mark.promise("reliability:nosniff")
@pytest.mark.parametrize("path", [*EVERYWHERE[:4], "/metrics", "/web/app.js", "/missing", "/v1/files/images/x"])
async def test_no_answer_may_be_guessed_to_be_something_else(http: httpx2.AsyncClient, path: str) -> None:
    answers = [await http.get(path), await http.get(path, headers={"host": "evil.example"}), await http.options(path)]

    assert [answer.headers["x-content-type-options"] for answer in answers] == ["nosniff"] * 3


OPENED_DOCUMENT = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


@pytest.mark.parametrize(
    ("method", "path", "headers", "is_link"),
    [
        ("GET", "/", OPENED_DOCUMENT, True),
        ("HEAD", "/", OPENED_DOCUMENT, True),
        ("GET", "/artifacts/a.png", OPENED_DOCUMENT, True),
        ("GET", "/v1/files/images/a", OPENED_DOCUMENT, True),
        ("POST", "/", OPENED_DOCUMENT, False),
        ("GET", "/api/status", OPENED_DOCUMENT, False),
        ("GET", "/", {"sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"}, False),
        ("GET", "/", {"sec-fetch-mode": "no-cors", "sec-fetch-dest": "document"}, False),
        ("GET", "/", {}, False),
    ],
)
def test_a_link_opens_the_page_or_a_result_and_nothing_else(
    method: str, path: str, headers: dict[str, str], is_link: bool
) -> None:
    assert is_link_to_page({"type": "http", "path": path, "method": method}, Headers(headers)) is is_link


@pytest.mark.parametrize(
    ("site", "page", "status"),
    [
        ("cross-site", {}, 403),
        ("cross-site", {"referer": "https://evil.example/a"}, 403),
        ("cross-site", {"referer": "http://[bad"}, 403),
        ("cross-site", {"referer": "/relative"}, 403),
        ("cross-site", {"referer": "http://localhost:3000/a"}, 200),
        ("cross-site", {"referer": "https://mine.example/a?b"}, 200),
        ("cross-site", {"origin": "https://mine.example", "referer": "https://evil.example/"}, 200),
        ("same-site", {"referer": "https://evil.example/a"}, 200),
        ("none", {}, 200),
    ],
)
async def test_a_page_of_another_site_embeds_nothing_unless_it_is_allowed(
    site: str, page: dict[str, str], status: int
) -> None:
    app = HostOriginMiddleware(Reached(), origins=["https://mine.example"])

    assert await status_of(app, **{"sec-fetch-site": site, **page}) == status


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("LOCALHOST:80", "localhost"),
        ("[::1]:80", "::1"),
        ("[::1]", "::1"),
        ("10.0.0.1", "10.0.0.1"),
        ("a:b", ""),
        ("a:123456", ""),
        ("[a", ""),
        ("", ""),
    ],
)
def test_a_host_has_a_name_unless_it_is_malformed(host: str, name: str) -> None:
    assert host_without_port(host) == name


async def test_browsers_may_not_guess_the_type_of_an_answer() -> None:
    transport = httpx2.ASGITransport(RequestLogMiddleware(Reached()))

    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as http:
        answer = await http.get("/")

    assert answer.headers["x-content-type-options"] == "nosniff"


def page_calls(app: Starlette) -> list[tuple[str, str]]:
    """Return method and path of every route of the page's API, with something in place of each name."""
    routes = [route for route in app.routes if isinstance(route, Route) and route.path.startswith("/api/")]
    return [(method, re.sub(r"{\w+(:\w+)?}", "1", route.path)) for route in routes for method in route.methods or ()]


@pytest.mark.promise("http:page-guarded")
async def test_every_route_of_the_page_checks_host_origin_and_key(service: FakeService, settings: Settings) -> None:
    app = create_app(service, replace(settings, api_key="the key"))
    transport = httpx2.ASGITransport(app=app)
    calls = page_calls(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:7367") as http:
        for method, path in calls:
            key = {"authorization": "Bearer the key"}
            rebound = await http.request(method, path, headers=key | {"host": "evil.example"})
            foreign = await http.request(method, path, headers=key | {"origin": "https://evil.example"})
            keyless = await http.request(method, path, headers={"authorization": "Bearer another"})

            assert (rebound.status_code, foreign.status_code) == (403, 403), path
            assert keyless.status_code == 401 or path in LOGIN_PATHS, path

    assert {path for _, path in calls} >= {"/api/status", "/api/events", "/api/connections", "/api/models/1/pin"}
