"""The SDK's private names that we use still do what we use them for."""

import json
import subprocess
import sys

import anyio
import pytest
from mcp import Client
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp_types import Implementation

from mcp_server.calls import sdk_compat


async def test_a_tool_refuses_an_argument_it_does_not_have() -> None:
    server: MCPServer[None] = MCPServer("test")

    @server.tool()
    async def double(number: int) -> int:
        return 2 * number

    sdk_compat.forbid_extra_arguments(server)

    async with Client(server) as client:
        refused = await client.call_tool("double", {"number": 2, "nmuber": 3})
        served = await client.call_tool("double", {"number": 2})
        (tool,) = (await client.list_tools()).tools

    assert refused.is_error
    assert served.structured_content == {"result": 4}
    assert tool.input_schema["additionalProperties"] is False


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_client_is_known_by_its_name(mode: str) -> None:
    server: MCPServer[None] = MCPServer("test")

    @server.tool(structured_output=False)
    async def who(ctx: Context) -> str:
        return sdk_compat.client_name(ctx)

    async with Client(server, mode=mode, client_info=Implementation(name="claude-code", version="2")) as client:
        result = await client.call_tool("who", {})

    assert "claude-code" in result.model_dump_json()


@pytest.mark.filterwarnings("ignore::mcp.MCPDeprecationWarning")
async def test_followers_are_told_until_they_leave() -> None:
    server: MCPServer[None] = MCPServer("test")
    subscribers = sdk_compat.LegacySubscriptions(server)
    heard: list[object] = []

    async def on_message(message: object) -> None:
        heard.append(message)

    async with Client(server, mode="legacy", message_handler=on_message) as client:
        await client.subscribe_resource("senses://status")
        await client.subscribe_resource("senses://status")
        assert subscribers.subscriber_count("senses://status") == 1
        await subscribers.notify("senses://status")
        with anyio.fail_after(5):
            while not heard:
                await anyio.lowlevel.checkpoint()
        await client.unsubscribe_resource("senses://status")
        assert subscribers.subscriber_count("senses://status") == 0
        await client.subscribe_resource("senses://status")

    with anyio.fail_after(5):
        while subscribers.subscriber_count("senses://status"):
            await anyio.lowlevel.checkpoint()


async def test_a_follower_that_stopped_reading_does_not_hold_up_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sdk_compat, "NOTIFY_TIMEOUT_SECONDS", 0.01)
    server: MCPServer[None] = MCPServer("test")
    subscribers = sdk_compat.LegacySubscriptions(server)
    to_server, reads, writes, from_server = sdk_compat.message_streams()
    client = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    opening = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": client},
        {"jsonrpc": "2.0", "id": 2, "method": "resources/subscribe", "params": {"uri": "senses://status"}},
    ]

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks, to_server, from_server:
            tasks.start_soon(sdk_compat.serve_messages, server, reads, writes, None)
            for line in opening:
                await to_server.send(sdk_compat.parse_message(json.dumps(line).encode()))
                await from_server.receive()
            assert subscribers.subscriber_count("senses://status") == 1
            await subscribers.notify("senses://status")
            tasks.cancel_scope.cancel()

    assert subscribers.subscriber_count("senses://status") == 0


def test_a_line_that_is_no_message_comes_back_as_its_error() -> None:
    assert isinstance(sdk_compat.parse_message(b"{nonsense\n"), Exception)


def test_a_message_survives_the_wire() -> None:
    line = b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n'

    message = sdk_compat.parse_message(line)

    assert not isinstance(message, Exception)
    assert sdk_compat.write_message(message.message) == line


@pytest.mark.process
def test_the_sdk_still_configures_logging_by_itself() -> None:
    program = (
        "import logging, sys; from mcp.server import MCPServer; MCPServer('a'); "
        "print(bool(logging.getLogger().handlers) or 'rich' in sys.modules)"
    )

    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert found.stdout == "True\n", (
        "MCPServer leaves the log to its host now: remove disable_sdk_logging (mcp_server/calls/sdk_compat.py)"
    )
