"""The parts of the MCP SDK that have no public name yet, all in one place; `tests/mcp_server/test_sdk.py` holds each.

Written against mcp 2.3, which pyproject.toml pins.
"""
# ruff: noqa: SLF001

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import anyio
from mcp.server import MCPServer
from mcp.server.context import ServerRequestContext
from mcp.server.mcpserver import Context
from mcp.server.mcpserver import server as mcpserver
from mcp.server.runner import serve_dual_era_loop
from mcp.server.session import ServerSession
from mcp.shared._context_streams import ContextReceiveStream, ContextSendStream, create_context_streams
from mcp.shared.message import SessionMessage
from mcp_types import (
    EmptyResult,
    JSONRPCMessage,
    SubscribeRequestParams,
    UnsubscribeRequestParams,
    jsonrpc_message_adapter,
)

IncomingMessage = SessionMessage | Exception

NOTIFY_TIMEOUT_SECONDS = 5.0
"""How long a subscriber may take to read what it asked for."""


def disable_sdk_logging() -> None:
    """Keep the SDK's servers from configuring logging, which the daemon does, and from importing rich (3 MB) for it.

    A test in `test_sdk_compat` fails as soon as the SDK no longer does so.
    """
    mcpserver.configure_logging = lambda level="INFO": None  # type: ignore[attr-defined]


def forbid_extra_arguments(server: MCPServer[Any]) -> None:
    """Make every registered tool refuse an argument it does not have instead of ignoring it.

    The titles that pydantic gives its fields go: they repeat the names, at a third of the schemas' tokens.
    """
    for tool in server._tool_manager.list_tools():
        arguments = tool.fn_metadata.arg_model
        arguments.model_config["extra"] = "forbid"
        arguments.model_rebuild(force=True)
        tool.parameters["additionalProperties"] = False
        tool.parameters.pop("title", None)
        for schema in tool.parameters["properties"].values():
            schema.pop("title", None)


def tool_names(server: MCPServer[Any]) -> list[str]:
    """Return the names of the registered tools, in their order."""
    return [tool.name for tool in server._tool_manager.list_tools()]


def argument_names(server: MCPServer[Any], tool: str) -> list[str]:
    """Return what a registered tool may be called with."""
    found = server._tool_manager.get_tool(tool)
    return list(found.parameters["properties"]) if found else []


def client_name(ctx: Context[Any, Any]) -> str:
    """Return the name the client gave itself, empty where it gave none."""
    params = ctx.session.client_params
    return params.client_info.name if params else ""


class LegacySubscriptions:
    """Who asked for updates of a resource by `resources/subscribe`, the way of revisions up to 2025-11-25.

    The SDK serves the newer `subscriptions/listen` itself but leaves this one to the server.
    """

    def __init__(self, server: MCPServer[Any], on_subscribed: Callable[[], None] = lambda: None) -> None:
        """`on_subscribed` is called for each new subscription."""
        self._sessions: dict[str, dict[int, ServerSession]] = {}
        self._on_subscribed = on_subscribed
        lowlevel_server = server._lowlevel_server
        lowlevel_server.add_request_handler("resources/subscribe", SubscribeRequestParams, self._subscribe)
        lowlevel_server.add_request_handler("resources/unsubscribe", UnsubscribeRequestParams, self._unsubscribe)

    async def notify(self, uri: str) -> None:
        """Tell every subscriber that the resource changed; one that does not listen any more is no longer told."""
        async with anyio.create_task_group() as task_group:
            for connection_id, session in list(self._sessions.get(uri, {}).items()):
                task_group.start_soon(self._notify_session, uri, connection_id, session)

    @property
    def has_subscribers(self) -> bool:
        """Whether a connection follows any resource."""
        return any(self._sessions.values())

    def subscriber_count(self, uri: str) -> int:
        """Return how many connections follow the resource."""
        return len(self._sessions.get(uri, {}))

    async def _notify_session(self, uri: str, connection_id: int, session: ServerSession) -> None:
        with (
            anyio.move_on_after(NOTIFY_TIMEOUT_SECONDS),
            suppress(anyio.BrokenResourceError, anyio.ClosedResourceError),
        ):
            await session.send_resource_updated(uri)
            return
        self._sessions[uri].pop(connection_id, None)

    async def _subscribe(self, ctx: ServerRequestContext[Any, Any], params: SubscribeRequestParams) -> EmptyResult:
        uri, connection = str(params.uri), ctx.session._connection
        sessions = self._sessions.setdefault(uri, {})
        if id(connection) not in sessions:
            connection.exit_stack.callback(sessions.pop, id(connection), None)
        sessions[id(connection)] = ctx.session
        self._on_subscribed()
        return EmptyResult()

    async def _unsubscribe(self, ctx: ServerRequestContext[Any, Any], params: UnsubscribeRequestParams) -> EmptyResult:
        self._sessions.get(str(params.uri), {}).pop(id(ctx.session._connection), None)
        return EmptyResult()


def message_streams() -> tuple[
    ContextSendStream[IncomingMessage],
    ContextReceiveStream[IncomingMessage],
    ContextSendStream[SessionMessage],
    ContextReceiveStream[SessionMessage],
]:
    """Make the two pairs of streams between a transport and the server: (to, its end) and (its end, from)."""
    to_server, read_stream = create_context_streams[IncomingMessage](0)
    write_stream, from_server = create_context_streams[SessionMessage](0)
    return to_server, read_stream, write_stream, from_server


async def serve_messages(
    server: MCPServer[Any],
    read_stream: ContextReceiveStream[IncomingMessage],
    write_stream: ContextSendStream[SessionMessage],
    lifespan_state: object,
) -> None:
    """Serve one connection in the era it opens with; tools find `state` as their lifespan context."""
    lowlevel_server = server._lowlevel_server
    await serve_dual_era_loop(
        lowlevel_server,
        read_stream,
        write_stream,
        lifespan_state=lifespan_state,
        init_options=lowlevel_server.create_initialization_options(),
    )


def parse_message(line: bytes) -> IncomingMessage:
    """Read one line of JSON-RPC; what cannot be read comes back as the exception."""
    try:
        return SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValueError as error:
        return error


def write_message(message: JSONRPCMessage) -> bytes:
    """Write one line of JSON-RPC."""
    return (message.model_dump_json(by_alias=True, exclude_unset=True) + "\n").encode()
