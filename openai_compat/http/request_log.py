"""Gives every request an id: it appears in the `x-request-id` header, in the log and in internal errors."""

import logging
import secrets
import time

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from openai_compat.http.anthropic_errors import REQUEST_ID
from openai_compat.http.errors import InternalError, error_response

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
"""Read-only requests are logged (at INFO) only if they fail."""
REQUEST_ID_HEADERS = ("x-request-id", "request-id")
"""OpenAI's name and Anthropic's."""
WEB_SOCKET = "WebSocket"
"""Stands for the method in the log."""
CLIENT_CLOSED_REQUEST = 499
"""nginx's status, logged if the client disconnected before the response began."""
SWITCHING_PROTOCOLS = 101
"""Status of a WebSocket that was accepted."""
ABNORMAL_CLOSURE, INTERNAL_ERROR = 1006, 1011
"""Close codes of a WebSocket whose client has gone, and whose endpoint failed (RFC 6455, section 7.4.1)."""
BEGINNINGS = ("http.response.start", "websocket.http.response.start", "websocket.accept")
"""Messages that begin an answer and have its headers."""

logger = logging.getLogger(__name__)


class RequestLogMiddleware:
    """Outermost ASGI middleware: logs each request and answers an uncaught exception with an error envelope."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request or a WebSocket and log one line."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        request_log, method = RequestLog(send), scope.get("method", WEB_SOCKET)
        scope = {**scope, REQUEST_ID: request_log.request_id}
        try:
            await self.app(scope, receive, request_log.send)
        except WebSocketDisconnect:
            pass  # the client has gone, and there is nobody to answer
        except Exception:
            logger.exception("%s %s %s failed", request_log.request_id, method, scope["path"])
            error = InternalError(f"Internal error in Senses. Its log has the details under {request_log.request_id}.")
            if request_log.status is None:
                await error_response(error)(scope, receive, request_log.send)
            elif method == WEB_SOCKET:
                await send({"type": "websocket.close", "code": INTERNAL_ERROR, "reason": request_log.request_id})
            else:
                raise  # the response has begun: the server must close the connection
        finally:
            status = request_log.status or CLIENT_CLOSED_REQUEST
            level = logging.DEBUG if method in SAFE_METHODS and status < 400 else logging.INFO
            elapsed_ms = request_log.elapsed_ms()
            logger.log(
                level, "%s %s %s → %d, %.0f ms", request_log.request_id, method, scope["path"], status, elapsed_ms
            )


class RequestLog:
    """Id, status and duration of one request."""

    def __init__(self, send: Send) -> None:
        self.request_id = f"req_{secrets.token_hex(12)}"
        self.status: int | None = None
        self._send = send
        self._started_at = time.monotonic()

    def elapsed_ms(self) -> float:
        """Return the milliseconds since the request arrived."""
        return (time.monotonic() - self._started_at) * 1000

    async def send(self, message: Message) -> None:
        """Forward a message; the response's headers get the request's id and duration, and forbid to guess its type.

        Raises:
            WebSocketDisconnect: the client of a WebSocket has gone.
        """
        if message["type"] in BEGINNINGS:
            self.status = message.get("status", SWITCHING_PROTOCOLS)
            headers = MutableHeaders(scope=message)
            for name in REQUEST_ID_HEADERS:
                headers[name] = self.request_id
            headers["openai-processing-ms"] = f"{self.elapsed_ms():.0f}"
            headers["x-content-type-options"] = "nosniff"
        try:
            await self._send(message)
        except OSError:  # of a WebSocket: the client has gone (ASGI's specification)
            if not message["type"].startswith("websocket."):
                raise
            raise WebSocketDisconnect(ABNORMAL_CLOSURE) from None
