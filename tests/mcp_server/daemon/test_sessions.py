"""MCP sessions over HTTP that clients leave open: their number is bounded, and the one that is idle longest goes."""

import httpx2
import pytest

from mcp_server.daemon import http_server
from mcp_server.launcher.paths import InstancePaths
from model_runtime.settings import Settings
from tests.mcp_server.daemons import running_daemon

LIMIT = 5
ACCEPT = {"accept": "application/json, text/event-stream"}
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}


async def open_session(http: httpx2.AsyncClient) -> str:
    answer = await http.post("/mcp", json=INITIALIZE, headers=ACCEPT)
    assert answer.status_code == 200
    return str(answer.headers["mcp-session-id"])


async def ping(http: httpx2.AsyncClient, session: str) -> int:
    message = {"jsonrpc": "2.0", "id": 2, "method": "ping"}
    return (await http.post("/mcp", json=message, headers=ACCEPT | {"mcp-session-id": session})).status_code


@pytest.mark.promise("reliability:sessions")
async def test_the_session_that_is_idle_longest_makes_room_for_a_new_one(
    settings: Settings, paths: InstancePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_server, "MAX_SESSIONS", LIMIT)

    async with running_daemon(settings, paths) as info, httpx2.AsyncClient(base_url=info.url) as http:
        sessions = [await open_session(http) for _ in range(LIMIT)]
        used = await ping(http, sessions[0])  # now the second one is idle longest
        sessions += [await open_session(http) for _ in range(2)]
        statuses = [await ping(http, session) for session in sessions]

    assert used == 200
    assert statuses == [200, 404, 404, 200, 200, 200, 200]


async def test_any_number_of_clients_may_leave_their_sessions_open(
    settings: Settings, paths: InstancePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_server, "MAX_SESSIONS", LIMIT)

    async with running_daemon(settings, paths) as info, httpx2.AsyncClient(base_url=info.url) as http:
        sessions = [await open_session(http) for _ in range(40)]
        statuses = [await ping(http, session) for session in sessions]

    assert statuses == [404] * (40 - LIMIT) + [200] * LIMIT
