"""What the MCP SDK's HTTP endpoint leaves open: batches, and calls whose client has closed the connection."""

import json
from typing import Any

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mcp_server.daemon.lines import refusal_of

SESSION_HEADER = b"mcp-session-id"
"""Of sessions up to 2025-11-25. Later revisions have none, and there the SDK itself cancels a call that is left."""


class McpEndpoint:
    """Refuses a batch, and cancels the call of a session whose connection is closed before its answer.

    MCP lets a server go on, so that the client can fetch the answer later; without an event store it never could.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(receive, send)
        if await exchange.is_batch():
            await Response(refusal_of(b"[]"), 400, media_type="application/json")(scope, receive, send)
            return
        try:
            await self._app(scope, exchange.receive, exchange.send)
        finally:
            if exchange.is_dropped and any(name == SESSION_HEADER for name, _ in scope["headers"]):
                await self._cancel(scope, exchange.body)

    async def _cancel(self, scope: Scope, body: bytes) -> None:
        """Send the session what the client would have sent."""
        request_id = _request_id(body)
        if request_id is None:
            return
        params = {"requestId": request_id, "reason": "The client closed the connection."}
        notice = json.dumps({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}).encode()
        headers = [(name, value) for name, value in scope["headers"] if name != b"content-length"]
        headers.append((b"content-length", str(len(notice)).encode()))

        async def receive() -> Message:
            return {"type": "http.request", "body": notice, "more_body": False}

        async def discard(message: Message) -> None:
            return None

        await self._app({**scope, "headers": headers}, receive, discard)


class _Exchange:
    """One request and its response: what was received, and whether the client closed before the response ended."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._first: list[Message] = []
        self._chunks: list[bytes] = []
        self._has_ended = False
        self.is_dropped = False

    @property
    def body(self) -> bytes:
        return b"".join(self._chunks)

    async def is_batch(self) -> bool:
        """Read up to the first character and return whether it begins an array."""
        start = b""
        while not start:
            message = await self._receive()
            self._first.append(message)
            start = message.get("body", b"").lstrip()
            if not message.get("more_body"):
                break
        return start.startswith(b"[")

    async def receive(self) -> Message:
        message = self._first.pop(0) if self._first else await self._receive()
        self._chunks.append(message.get("body", b""))
        self.is_dropped |= message["type"] == "http.disconnect" and not self._has_ended
        return message

    async def send(self, message: Message) -> None:
        await self._send(message)
        self._has_ended |= message["type"] == "http.response.body" and not message.get("more_body")


def _request_id(body: bytes) -> Any:
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return message.get("id") if isinstance(message, dict) else None
