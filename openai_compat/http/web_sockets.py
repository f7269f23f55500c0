"""WebSockets: how many are open, and how they are accepted, written and closed. The other middleware is that of HTTP."""

from contextlib import suppress

from anyio import fail_after
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from openai_compat.http.disconnect import ClientDisconnected
from openai_compat.http.errors import SocketsFull, error_response
from openai_compat.http.security import KEY_SUBPROTOCOL
from openai_compat.http.sse import SEND_TIMEOUT_SECONDS

MAX_SOCKETS = 32
"""WebSockets that are open at once. Each may hold one message of 16 MiB, so together as much as all uploads."""
RETRY_AFTER_SECONDS = 30.0
NORMAL, GOING_AWAY = 1000, 1001
"""Close codes (RFC 6455, section 7.4.1)."""


class WebSocketLimitMiddleware:
    """ASGI middleware that refuses a WebSocket while too many are open."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.open_count = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward the handshake, or answer 503."""
        if scope["type"] != "websocket":
            await self.app(scope, receive, send)
            return
        if self.open_count >= MAX_SOCKETS:
            error = SocketsFull(
                f"{MAX_SOCKETS} WebSockets are open already, the limit of all clients together. Close one and try again.",
                RETRY_AFTER_SECONDS,
            )
            await error_response(error)(scope, receive, send)
            return
        self.open_count += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self.open_count -= 1


async def accept(websocket: WebSocket) -> None:
    """Accept a handshake with the first subprotocol that is no key: browsers want one of those that they offer."""
    offered = websocket.scope.get("subprotocols", [])
    await websocket.accept(next((name for name in offered if not name.startswith(KEY_SUBPROTOCOL)), None))


async def send_text(websocket: WebSocket, text: str) -> None:
    """Send a message.

    Raises:
        ClientDisconnected: the client has gone, or has not read for a minute.
    """
    try:
        with fail_after(SEND_TIMEOUT_SECONDS):
            await websocket.send_text(text)
    except (TimeoutError, WebSocketDisconnect):
        raise ClientDisconnected("The client stopped reading.") from None


async def close(websocket: WebSocket, code: int, reason: str) -> None:
    """Close a WebSocket; say nothing if the client has gone or does not read."""
    with suppress(TimeoutError, WebSocketDisconnect), fail_after(SEND_TIMEOUT_SECONDS):
        await websocket.close(code, reason)
