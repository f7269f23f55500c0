"""WebSockets of the HTTP server: uvicorn's protocol, with errors of the handshake as JSON and connections that end.

websockets and uvicorn's protocol are imported with the first handshake, so that a daemon without one stays small.
"""

import asyncio
import json
from collections.abc import Callable
from functools import cache
from typing import Any

from uvicorn.config import Config
from uvicorn.server import ServerState

MAX_MESSAGE_BYTES = 16 * 1024 * 1024
"""The largest message of a client. OpenAI's API takes 15 MiB of sound at once."""
PING_SECONDS = 20.0
"""Time between two pings, and until a client that does not answer one is disconnected."""
CLOSE_SECONDS = 5.0
"""How long a client may take to read what was sent before the end."""


def web_socket_protocol(config: Config, server_state: ServerState, app_state: dict[str, Any]) -> asyncio.Protocol:
    """Return the protocol that serves one WebSocket, for uvicorn's setting `ws`."""
    return _protocol_class()(config, server_state, app_state)


@cache
def _protocol_class() -> Callable[[Config, ServerState, dict[str, Any]], asyncio.Protocol]:
    from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
    from websockets.http11 import Response
    from websockets.server import ServerProtocol

    class Handshake(ServerProtocol):
        """The state of one WebSocket. What refuses its handshake has OpenAI's envelope."""

        def reject(self, status: Any, text: str) -> Response:
            """Return the answer to a handshake that cannot be read, or whose endpoint failed."""
            response = super().reject(status, json.dumps(handshake_envelope(text)))
            del response.headers["Content-Type"]  # to set it would add a second one
            response.headers["Content-Type"] = "application/json"
            return response

    class WebSocketProtocol(WebSocketsSansIOProtocol):
        """uvicorn's protocol without compression. It does not wait for a client that does not read."""

        def __init__(self, config: Config, server_state: ServerState, app_state: dict[str, Any]) -> None:
            super().__init__(config, server_state, app_state)
            self.conn = Handshake(max_size=MAX_MESSAGE_BYTES, logger=self.logger)
            self.ping_interval = self.ping_timeout = PING_SECONDS
            self._abort_timer: asyncio.TimerHandle | None = None

        def on_task_complete(self, task: asyncio.Task[None]) -> None:
            """Give the client a moment to read the rest, once the application has ended."""
            super().on_task_complete(task)
            if not self.disconnected:
                self._abort_timer = self.loop.call_later(CLOSE_SECONDS, self.transport.abort)

        def keepalive_timeout(self) -> None:
            """Disconnect a client that does not answer; it may not read either."""
            super().keepalive_timeout()
            self.transport.abort()

        def connection_lost(self, exc: Exception | None) -> None:
            """Forget the timer."""
            super().connection_lost(exc)
            if self._abort_timer is not None:
                self._abort_timer.cancel()

    return WebSocketProtocol


def handshake_envelope(text: str) -> dict[str, Any]:
    """Return OpenAI's error object for a handshake that is not answered by an endpoint."""
    message = " ".join(text.split()) or "The WebSocket was refused."
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": "invalid_handshake"}
    return {"error": error}
