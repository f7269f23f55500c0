"""MCP over HTTP: batches are refused, and a call whose client closes the connection is cancelled."""

import json

import anyio
import httpx2
import pytest

from mcp_server.daemon.lines import INVALID_REQUEST
from mcp_server.launcher.paths import InstancePaths
from model_runtime.settings import Settings
from tests.mcp_server.daemon.test_sessions import ACCEPT, open_session, ping
from tests.mcp_server.daemons import running_daemon
from tests.mcp_server.fake_daemon import ClosableFakeService

SPEAK = {"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": {"name": "speak", "arguments": {"text": "x"}}}
PING = {"jsonrpc": "2.0", "id": 2, "method": "ping"}


@pytest.mark.promise("reliability:http-dropped")
async def test_a_call_of_a_session_is_cancelled_when_its_connection_is_closed(
    settings: Settings, paths: InstancePaths
) -> None:
    service = ClosableFakeService(gate=anyio.Event())

    async with running_daemon(settings, paths, service) as info, httpx2.AsyncClient(base_url=info.url) as http:
        session = await open_session(http)
        async with http.stream("POST", "/mcp", json=SPEAK, headers=ACCEPT | {"mcp-session-id": session}):
            while not service.requests:  # noqa: ASYNC110 - the fake tells no event
                await anyio.sleep(0.001)
        while not service.cancelled_requests:  # noqa: ASYNC110
            await anyio.sleep(0.001)
        assert service.gate is not None
        service.gate.set()
        status = await ping(http, session)
        later = await http.post("/mcp", json=SPEAK, headers=ACCEPT | {"mcp-session-id": session})

    assert status == 200
    assert json.loads(later.text.rpartition("data: ")[2])["result"]["structuredContent"]["status"] == "done"
    assert len(service.cancelled_requests) == 1


async def test_a_call_that_was_answered_is_not_cancelled_later(settings: Settings, paths: InstancePaths) -> None:
    service = ClosableFakeService()

    async with running_daemon(settings, paths, service) as info, httpx2.AsyncClient(base_url=info.url) as http:
        session = await open_session(http)
        spoken = await http.post("/mcp", json=SPEAK, headers=ACCEPT | {"mcp-session-id": session})

    assert spoken.status_code == 200
    assert service.cancelled_requests == []


@pytest.mark.promise("reliability:batch")
@pytest.mark.parametrize("body", [b"[]", json.dumps([PING]).encode(), b" \n [" + json.dumps(PING).encode()])
async def test_a_batch_over_http_is_refused_as_json_rpc_says(
    settings: Settings, paths: InstancePaths, body: bytes
) -> None:
    async with running_daemon(settings, paths) as info, httpx2.AsyncClient(base_url=info.url) as http:
        headers = ACCEPT | {"content-type": "application/json"}
        refused = await http.post("/mcp", content=body, headers=headers)
        served = await http.post("/mcp", json=PING, headers=ACCEPT | {"mcp-session-id": await open_session(http)})

    assert refused.status_code == 400
    assert refused.json() == {
        "jsonrpc": "2.0",
        "id": None,
        "error": {"code": INVALID_REQUEST, "message": "Batches are not supported. Send one message at a time."},
    }
    assert served.status_code == 200
