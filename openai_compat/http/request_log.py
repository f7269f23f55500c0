"""Gives every request an id: it appears in the `x-request-id` header, in the log and in internal errors."""

import logging
import secrets
import time

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from openai_compat.http.anthropic_errors import REQUEST_ID
from openai_compat.http.errors import InternalError, error_response

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
"""Read-only requests are logged (at INFO) only if they fail."""
REQUEST_ID_HEADERS = ("x-request-id", "request-id")
"""OpenAI's name and Anthropic's."""
CLIENT_CLOSED_REQUEST = 499
"""nginx's status, logged if the client disconnected before the response began."""

logger = logging.getLogger(__name__)


class RequestLogMiddleware:
    """Outermost ASGI middleware: logs each request and answers an uncaught exception with an error envelope."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request and log one line."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_log = RequestLog(send)
        scope = {**scope, REQUEST_ID: request_log.request_id}
        try:
            await self.app(scope, receive, request_log.send)
        except Exception:
            logger.exception("%s %s %s failed", request_log.request_id, scope["method"], scope["path"])
            if request_log.status is not None:
                raise  # the response has begun: the server must close the connection
            error = InternalError(f"Internal error in Senses. Its log has the details under {request_log.request_id}.")
            await error_response(error)(scope, receive, request_log.send)
        finally:
            status = request_log.status or CLIENT_CLOSED_REQUEST
            level = logging.DEBUG if scope["method"] in SAFE_METHODS and status < 400 else logging.INFO
            logger.log(
                level,
                "%s %s %s → %d, %.0f ms",
                request_log.request_id,
                scope["method"],
                scope["path"],
                status,
                request_log.elapsed_ms(),
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
        """Forward a message; the response's headers get the request's id and duration, and forbid to guess its type."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name in REQUEST_ID_HEADERS:
                headers[name] = self.request_id
            headers["openai-processing-ms"] = f"{self.elapsed_ms():.0f}"
            headers["x-content-type-options"] = "nosniff"
        await self._send(message)
