"""Every use of the MCP SDK's private names. `tests/mcp_server/calls/test_sdk_compat.py` tests each.

Written for mcp 2.3, which pyproject.toml pins.
"""
# ruff: noqa: SLF001

from collections.abc import Callable
from contextlib import suppress
from math import inf
from typing import Any

import anyio
from mcp.server import MCPServer
from mcp.server.auth.middleware.bearer_auth import AuthorizationContext
from mcp.server.context import ServerRequestContext
from mcp.server.mcpserver import Context
from mcp.server.mcpserver import server as mcpserver
from mcp.server.mcpserver.resources.templates import ResourceSecurity
from mcp.server.runner import serve_dual_era_loop
from mcp.server.session import ServerSession
from mcp.server.streamable_http import StreamableHTTPServerTransport
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared._context_streams import ContextReceiveStream, ContextSendStream, create_context_streams
from mcp.shared.message import SessionMessage
from mcp_types import (
    EmptyResult,
    JSONRPCMessage,
    JSONRPCNotification,
    SubscribeRequestParams,
    UnsubscribeRequestParams,
    jsonrpc_message_adapter,
)
from mcp_types.version import is_version_at_least

IncomingMessage = SessionMessage | Exception

NOTIFY_TIMEOUT_SECONDS = 5.0
"""How long a subscriber may take to read a notification."""


def disable_sdk_logging() -> None:
    """Prevent servers from configuring logging: the daemon does that, and the SDK would import rich (3 MB) for it.

    A test in `test_sdk_compat` fails as soon as the SDK no longer does so.
    """
    mcpserver.configure_logging = lambda level="INFO": None  # type: ignore[attr-defined]


def forbid_extra_arguments(server: MCPServer[Any]) -> None:
    """Make every registered tool refuse unknown arguments, and remove pydantic's titles from the schemas.

    The titles only repeat the names of the fields, and take a third of the schemas' tokens.
    """
    for tool in server._tool_manager.list_tools():
        arguments = tool.fn_metadata.arg_model
        arguments.model_config["extra"] = "forbid"
        arguments.model_rebuild(force=True)
        tool.parameters["additionalProperties"] = False
        tool.parameters.pop("title", None)
        for schema in tool.parameters["properties"].values():
            schema.pop("title", None)


def add_query_resource(
    server: MCPServer[Any], uri_template: str, function: Callable[..., Any], *, title: str, description: str
) -> None:
    """Register a text resource whose `function` takes the template's variables as `**variables`, all strings.

    The SDK's decorator wants a parameter for each, and `from` cannot be the name of one.
    """
    server._resource_manager.add_template(
        function,
        uri_template,
        name=function.__name__,
        title=title,
        description=description,
        mime_type="text/plain",
        security=ResourceSecurity(exempt_params={"find"}),  # words, never a path
    )


def tool_names(server: MCPServer[Any]) -> list[str]:
    """Return the names of the registered tools, in their order."""
    return [tool.name for tool in server._tool_manager.list_tools()]


def argument_schema(server: MCPServer[Any], tool: str) -> dict[str, Any]:
    """Return the JSON schema of a tool's arguments; one without arguments if the tool does not exist."""
    found = server._tool_manager.get_tool(tool)
    return found.parameters if found else {"properties": {}}


def client_name(ctx: Context[Any, Any]) -> str:
    """Return the name that the client reports, or an empty string."""
    params = ctx.session.client_params
    return params.client_info.name if params else ""


def request_client(ctx: ServerRequestContext[Any, Any]) -> str:
    """Return the name that the client of a message reports, in its first message if need be, or an empty string."""
    params = ctx.session.client_params
    if params is not None:
        return params.client_info.name
    introduced = (ctx.params or {}).get("clientInfo")
    return str(introduced.get("name") or "") if isinstance(introduced, dict) else ""


def client_title(ctx: Context[Any, Any]) -> str:
    """Return how the client calls itself for people, or an empty string."""
    params = ctx.session.client_params
    return (params.client_info.title or params.client_info.name) if params else ""


def can_ask(ctx: Context[Any, Any]) -> bool:
    """Return whether the client shows questions with a form to its user."""
    capabilities = ctx.client_capabilities
    elicitation = capabilities.elicitation if capabilities else None
    # clients before the modes existed declare an empty object and mean a form
    return elicitation is not None and (elicitation.form is not None or elicitation.url is None)


def asks_with_result(ctx: Context[Any, Any]) -> bool:
    """Return whether a question goes to the client as the result of its call, which it then repeats with the answer."""
    version = ctx.protocol_version
    return version is not None and is_version_at_least(version, "2026-07-28")


def has_answer(ctx: Context[Any, Any]) -> bool:
    """Return whether this call is repeated with an answer."""
    return ctx.request_state is not None


class LegacySubscriptions:
    """The subscriptions by `resources/subscribe`, which MCP revisions up to 2025-11-25 use.

    The SDK serves the newer `subscriptions/listen` itself but leaves `resources/subscribe` to the server.
    `on_subscribed()` is called for each new subscription.
    """

    def __init__(self, server: MCPServer[Any], on_subscribed: Callable[[], None] = lambda: None) -> None:
        self._sessions: dict[str, dict[int, ServerSession]] = {}
        self._on_subscribed = on_subscribed
        lowlevel_server = server._lowlevel_server
        lowlevel_server.add_request_handler("resources/subscribe", SubscribeRequestParams, self._subscribe)
        lowlevel_server.add_request_handler("resources/unsubscribe", UnsubscribeRequestParams, self._unsubscribe)

    async def notify(self, uri: str) -> None:
        """Notify every subscriber of a resource; one that does not read within the timeout is unsubscribed."""
        async with anyio.create_task_group() as task_group:
            for connection_id, session in list(self._sessions.get(uri, {}).items()):
                task_group.start_soon(self._notify_session, uri, connection_id, session)

    @property
    def has_subscribers(self) -> bool:
        """Whether any connection subscribes to any resource."""
        return any(self._sessions.values())

    def subscriber_count(self, uri: str) -> int:
        """Return the number of connections that subscribe to the resource."""
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


def end_idle_sessions_over(manager: StreamableHTTPSessionManager, limit: int) -> None:
    """Make a manager with `max_sessions=limit` end the session that is idle longest instead of refusing a new one.

    The SDK's limit refuses every new client until old sessions expire, half an hour later. Its refusal remains for the
    case that all sessions have a request in flight.
    """
    admit = manager._admit_session

    def admit_after_ending(requestor: AuthorizationContext | None) -> StreamableHTTPServerTransport | None:
        if len(manager._server_instances) >= limit:
            _end_longest_idle(manager)
        return admit(requestor)

    manager._admit_session = admit_after_ending  # type: ignore[method-assign]


def _end_longest_idle(manager: StreamableHTTPSessionManager) -> None:
    """End the session whose idle time runs out first; one with a request in flight has no such time."""
    scopes = {name: transport.idle_scope for name, transport in manager._server_instances.items()}
    idle = {name: scope for name, scope in scopes.items() if scope is not None and scope.deadline < inf}
    if idle:
        oldest = min(idle, key=lambda name: idle[name].deadline)
        del manager._server_instances[oldest]
        idle[oldest].cancel()


def message_streams() -> tuple[
    ContextSendStream[IncomingMessage],
    ContextReceiveStream[IncomingMessage],
    ContextSendStream[SessionMessage],
    ContextReceiveStream[SessionMessage],
]:
    """Return the streams between a transport and the server: send and receive end to the server, then from it."""
    to_server, read_stream = create_context_streams[IncomingMessage](0)
    write_stream, from_server = create_context_streams[SessionMessage](0)
    return to_server, read_stream, write_stream, from_server


async def serve_messages(
    server: MCPServer[Any],
    read_stream: ContextReceiveStream[IncomingMessage],
    write_stream: ContextSendStream[SessionMessage],
    lifespan_state: object,
) -> None:
    """Serve one connection in the protocol era of its first message; tools read `lifespan_state` as their context."""
    lowlevel_server = server._lowlevel_server
    await serve_dual_era_loop(
        lowlevel_server,
        read_stream,
        write_stream,
        lifespan_state=lifespan_state,
        init_options=lowlevel_server.create_initialization_options(),
    )


def parse_message(line: bytes) -> IncomingMessage:
    """Return the message of one line of JSON-RPC, or the exception if it is invalid."""
    try:
        return SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValueError as error:
        return error


def is_notification(message: SessionMessage) -> bool:
    """Return whether a message needs no answer: the SDK also takes a request with an unusable id for one."""
    return isinstance(message.message, JSONRPCNotification)


def write_message(message: JSONRPCMessage) -> bytes:
    """Return a message as one line of JSON-RPC."""
    return (message.model_dump_json(exclude_unset=True) + "\n").encode()
