"""The HTTP server of the daemon: its sockets, and the routes of MCP and of stored results."""

import asyncio
import contextlib
import errno
import logging
import socket
import ssl
from collections.abc import Awaitable, Generator

import anyio
import uvicorn
from mcp.server.transport_security import TransportSecuritySettings
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from mcp_server.calls import sdk_compat
from mcp_server.daemon.descriptors import DescriptorReserve, accept_connections
from mcp_server.daemon.mcp_endpoint import McpEndpoint
from mcp_server.daemon.tls import HANDSHAKE_SECONDS
from mcp_server.daemon.web_socket import web_socket_protocol
from mcp_server.files.artifacts import ORIGINAL_SUFFIXES, ArtifactKind, ArtifactStore
from mcp_server.server import SensesServer
from model_runtime.background import keep_running
from model_runtime.problems import Problems
from model_runtime.settings import SettingsError

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 64 * 1024 * 1024
"""The largest MCP message over HTTP: the SDK's 4 MiB are too few for a data: URI."""
MAX_SESSIONS = 256
"""MCP sessions over HTTP that are open at once; for another one the session that is idle longest ends."""
GRACEFUL_SHUTDOWN_SECONDS = 2
"""How long running responses may continue when the daemon stops."""
FIRST_BYTE_SECONDS = 30.0
"""How long a connection may stay silent after it was opened."""


class FirstByteProtocol(H11Protocol):
    """uvicorn's protocol; it also closes a connection that stays silent after it was opened."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the timer; uvicorn stops it at the first byte."""
        super().connection_made(transport)
        self.timeout_keep_alive_task = self.loop.call_later(FIRST_BYTE_SECONDS, self.timeout_keep_alive_handler)


class HttpServer(uvicorn.Server):
    """A uvicorn server without signal handlers: the daemon has its own. It accepts connections itself.

    Without a free descriptor asyncio's own accept loop logs an error for each place in its backlog and schedules itself
    as often; `accept_connections` pauses.
    """

    def __init__(
        self,
        app: ASGIApp,
        sockets: list[socket.socket],
        reserve: DescriptorReserve,
        problems: Problems,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        config = uvicorn.Config(
            app,
            log_config=None,
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=GRACEFUL_SHUTDOWN_SECONDS,
            server_header=False,
            lifespan="on",
            http=FirstByteProtocol,  # on h11, which refuses ambiguous requests; httptools does not
            ws=web_socket_protocol,  # type: ignore[arg-type]  # uvicorn calls it as it calls a class
        )
        super().__init__(config)
        self._sockets = sockets
        self._tls = tls
        self._reserve = reserve
        self._problems = problems
        self._accepting: list[asyncio.Task[None]] = []
        self._connecting: set[asyncio.Task[None]] = set()
        self.ready = anyio.Event()
        self.stopped = anyio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Do nothing, in place of uvicorn's signal handlers."""
        yield

    async def run_until_stopped(self) -> None:
        """Serve until `stop` is called."""
        try:
            await self.serve(self._sockets)
        finally:
            self.stopped.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to accept connections, then set `ready`."""
        await super().startup([])
        for listener in self._sockets:
            listener.setblocking(False)
            self._accepting.append(asyncio.create_task(self._serve_listener(listener)))
        self.ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting connections, then let running responses end."""
        for task in self._accepting:
            task.cancel()
        await asyncio.gather(*self._accepting, return_exceptions=True)
        await super().shutdown(sockets)

    async def _serve_listener(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()

        async def accept() -> socket.socket:
            connection, _address = await loop.sock_accept(listener)
            return connection

        def serve() -> Awaitable[None]:
            return accept_connections(accept, self._start_connection, self._reserve, self._problems)

        await keep_running("HTTP server", serve, self._problems)

    def _start_connection(self, connection: socket.socket) -> None:
        task = asyncio.create_task(self._connect(connection))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect(self, connection: socket.socket) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: FirstByteProtocol(self.config, self.server_state, self.lifespan.state),
                connection,
                ssl=self._tls,
                ssl_handshake_timeout=HANDSHAKE_SECONDS if self._tls else None,
            )
        except (ssl.SSLError, ConnectionError) as error:  # a client that does not know the certificate, or plain HTTP
            logger.debug("A client and this server agree on no keys: %s", error)
            connection.close()
        except OSError as error:
            logger.warning("A connection cannot be served: %s", error)
            connection.close()

    def stop(self) -> None:
        """Stop: running responses may continue for `GRACEFUL_SHUTDOWN_SECONDS`."""
        self.should_exit = True


def mcp_routes(server: SensesServer) -> list[BaseRoute]:
    """Return the route of MCP over streamable HTTP, /mcp. The server's session manager must run while it serves."""
    # the application refuses foreign hosts and origins, by one rule for all paths; the SDK's own check does not read
    # our settings
    security = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    app = server.streamable_http_app(
        max_request_body_size=MAX_BODY_BYTES, transport_security=security, max_sessions=MAX_SESSIONS
    )
    sdk_compat.end_idle_sessions_over(server.session_manager, MAX_SESSIONS)
    return [Route(route.path, McpEndpoint(route.app)) for route in app.routes if isinstance(route, Route)]


def artifact_routes(store: ArtifactStore) -> list[BaseRoute]:
    """Return the route that serves stored results to browsers: /artifacts/images/<id>.png."""

    async def serve(request: Request) -> Response:
        kind, name = request.path_params["kind"], request.path_params["name"]
        stem, dot, ending = name.rpartition(".")
        found = store.find(ArtifactKind(kind), stem) if kind in list(ArtifactKind) else None
        if found is None or dot + ending != ORIGINAL_SUFFIXES[found.kind]:
            return PlainTextResponse("This result does not exist or has expired.", status_code=404)
        return FileResponse(found.path, media_type=found.mime_type, headers={"X-Content-Type-Options": "nosniff"})

    return [Route("/artifacts/{kind}/{name}", serve)]


def is_loopback(host: str) -> bool:
    """Return whether only this machine can connect to `host`."""
    return host in ("127.0.0.1", "localhost", "::1")


def base_url(host: str, port: int, scheme: str = "http") -> str:
    """Return the URL under which this machine reaches a server on `host`, which may be a wildcard address."""
    reachable_host = {"localhost": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    name = f"[{reachable_host}]" if ":" in reachable_host else reachable_host
    return f"{scheme}://{name}:{port}"


def bind_sockets(host: str, port: int) -> list[socket.socket]:
    """Bind the HTTP port; for 127.0.0.1 also on ::1, because `localhost` may mean either. Port 0 is any free port.

    Raises:
        SettingsError: the port is in use, or the host is not this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = _bind_socket(family, host, port)
    except OSError as error:
        raise SettingsError(_bind_error_text(error, host, port)) from error
    if host != "127.0.0.1":
        return [listener]
    try:
        return [listener, _bind_socket(socket.AF_INET6, "::1", listener.getsockname()[1])]
    except OSError:
        return [listener]  # this machine has no IPv6, or another program uses the port there


def _bind_socket(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    # with the protocol named, asyncio sets TCP_NODELAY on each connection; else small responses wait 40 ms for an ACK
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((host, port))
        listener.listen(128)  # now: before listen() another process could bind the port, too
    except OSError:
        listener.close()
        raise
    return listener


def _bind_error_text(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} on {host} is in use by another program. "
            "Choose another: `senses serve --port N`, or port in config.toml."
        )
    return f"Senses cannot listen on {host}, port {port}: {error.strerror}. Correct host and port in config.toml."
