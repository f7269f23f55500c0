"""A name for every request: in its answer's `x-request-id`, in the log, and in what a bug shows to the client."""

import logging
import secrets
import time

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from openai_compat.http.errors import InternalError, error_response

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
"""Looking changes nothing, so it is logged only where it fails."""
CLIENT_CLOSED_REQUEST = 499
"""Logged where the client left before it was answered."""

logger = logging.getLogger(__name__)


class RequestLogMiddleware:
    """ASGI middleware, the outermost of ours: nothing but an envelope leaves, not even after a bug."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request and log one line about it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_log = RequestLog(send)
        try:
            await self.app(scope, receive, request_log.send)
        except Exception:
            logger.exception("%s %s %s broke", request_log.request_id, scope["method"], scope["path"])
            if request_log.status is not None:
                raise  # the answer has begun: the server must cut the connection
            error = InternalError(
                f"Something went wrong inside Senses; its log has the details under {request_log.request_id}."
            )
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
    """One request on its way."""

    def __init__(self, send: Send) -> None:
        self.request_id = f"req_{secrets.token_hex(12)}"
        self.status: int | None = None
        self._send = send
        self._started_at = time.monotonic()

    def elapsed_ms(self) -> float:
        """How long it has been here."""
        return (time.monotonic() - self._started_at) * 1000

    async def send(self, message: Message) -> None:
        """Pass a message on; the first gets the name of the request and the time it took."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["x-request-id"] = self.request_id
            headers["openai-processing-ms"] = f"{self.elapsed_ms():.0f}"
        await self._send(message)
