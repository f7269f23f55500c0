"""What the daemon as a whole tells the page: over HTTPS, with a client at its socket and a file edited by hand."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from mcp_server.daemon.tls import client_context
from mcp_server.launcher.paths import PROTOCOL_VERSION, VERSION, InstancePaths
from model_runtime.settings import Settings
from tests.mcp_server.certificates import write_certificate
from tests.mcp_server.daemons import running_daemon


@pytest.fixture
async def api(settings: Settings, paths: InstancePaths, tmp_path: Path) -> AsyncGenerator[httpx2.AsyncClient]:
    """Yield the API of a daemon that serves HTTPS."""
    cert, key = write_certificate(tmp_path)
    secured = replace(settings, tls_cert=cert, tls_key=key)
    async with (
        running_daemon(secured, paths) as info,
        httpx2.AsyncClient(base_url=info.url, verify=client_context(cert)) as client,
    ):
        yield client


@asynccontextmanager
async def mcp_client(paths: InstancePaths, project: Path, name: str) -> AsyncGenerator[None]:
    """Connect to the socket as a shim does, and introduce a client."""
    handshake = {"protocol": PROTOCOL_VERSION, "version": VERSION, "pid": 1, "cwd": str(project)}
    info = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": name, "version": "1"}}
    initialize = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": info}
    async with await anyio.connect_unix(paths.socket_path) as stream:
        await stream.send(json.dumps(handshake).encode() + b"\n")
        await stream.receive()
        await stream.send(json.dumps(initialize).encode() + b"\n")
        await stream.receive()
        await stream.send(b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n')
        yield


async def connections(api: httpx2.AsyncClient, count: int) -> list[dict[str, Any]]:
    """Return the clients once there are so many."""
    with anyio.fail_after(10):
        while len(clients := (await api.get("/api/connections")).json()["clients"]) != count:
            await anyio.lowlevel.checkpoint()
    listed: list[dict[str, Any]] = clients
    return listed


@pytest.mark.promise("tls:serves")
@pytest.mark.promise("clients:listed")
async def test_a_client_of_the_socket_is_on_the_page_as_long_as_it_is_connected(
    api: httpx2.AsyncClient, paths: InstancePaths, project: Path
) -> None:
    async with mcp_client(paths, project, "editor"):
        (editor,) = await connections(api, 1)
    await connections(api, 0)

    assert str(api.base_url).startswith("https://127.0.0.1:")
    assert (editor["name"], editor["transport"], editor["folders"][0]["folder"]) == ("editor", "stdio", str(project))


@pytest.mark.promise("clients:listed")
async def test_a_client_over_http_is_listed_after_its_first_message(api: httpx2.AsyncClient) -> None:
    info = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "phone", "version": "1"}}
    initialize = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": info}
    await api.post("/mcp", json=initialize, headers={"accept": "application/json, text/event-stream"})

    (phone,) = await connections(api, 1)

    assert (phone["name"], phone["transport"], phone["files"]) == ("phone", "http", [])


@pytest.mark.promise("settings:changed")
async def test_the_daemon_writes_and_uses_what_a_person_changes_on_the_page(
    api: httpx2.AsyncClient, settings: Settings
) -> None:
    changed = (await api.put("/api/settings/memory.idle_seconds", json={"value": 60})).json()
    refused = await api.put("/api/settings/host", json={"value": "0.0.0.0"})  # noqa: S104

    assert (changed["shown"], changed["source"]) == ("60", "config.toml line 2")
    assert refused.json()["error"]["code"] == "not_editable"
    text = await anyio.Path(settings.folders.config / "config.toml").read_text()
    assert text == "[memory]\nidle_seconds = 60\n"
