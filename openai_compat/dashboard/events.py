"""/api/events: the status live, and on demand what else changes. The same envelopes as server-sent events and over a WebSocket.

Each envelope is a JSON object with its `kind`. "status" comes at every change and at least once a second; the other
kinds are named by the query, `?follow=activity,log`, and come after a status when they have news. The first of each
kind is whole.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from model_runtime.errors import InvalidInput
from model_runtime.service import Service
from model_runtime.status import Status
from openai_compat.dashboard.status_json import status_json
from openai_compat.http.disconnect import ClientDisconnected, cancel_on_disconnect
from openai_compat.http.errors import error_response
from openai_compat.http.sse import Chunk, DeferredStreamingResponse, encode_json, frame_event
from openai_compat.http.web_sockets import GOING_AWAY, accept, close, send_text

STATUS = "status"


class Follower(Protocol):
    """Tells one reader of one kind what is new."""

    async def news(self) -> dict[str, Any] | None:
        """Return the fields of the next envelope: at first the whole, later what changed; None if nothing did."""
        ...


class ListFollower:
    """Tells a list that `read` returns whenever it has changed, whole each time, under `name`."""

    def __init__(self, name: str, read: Callable[[], Awaitable[Sequence[Mapping[str, Any]]]]) -> None:
        self._name = name
        self._read = read
        self._last: Sequence[Mapping[str, Any]] | None = None

    async def news(self) -> dict[str, Any] | None:
        """Return the list; None if it is equal to the last one."""
        current = await self._read()
        if current == self._last:
            return None
        self._last = current
        return {"reset": True, self._name: current}


async def nothing_listed() -> Sequence[Mapping[str, Any]]:
    """List nothing: a kind without a source can be followed as well."""
    return []


@dataclass(frozen=True, slots=True)
class Envelope:
    """JSON text with its kind, and the same as a server-sent event."""

    text: str
    server_sent: bytes

    @classmethod
    def of(cls, kind: str, fields: Mapping[str, Any]) -> "Envelope":
        """Return the envelope of these fields."""
        text = encode_json({"kind": kind, **fields})
        return cls(text, frame_event(text, kind))


class StatusEncoder:
    """Encodes each status once, however many clients follow it."""

    def __init__(self) -> None:
        self._status: Status | None = None
        self._envelope = Envelope("", b"")

    def encode(self, status: Status) -> Envelope:
        """Return the envelope of a status."""
        if status is not self._status:
            self._envelope = Envelope.of(STATUS, status_json(status))
            self._status = status
        return self._envelope


@dataclass(frozen=True, slots=True)
class EventsEndpoint:
    """The stream. `followers` has what makes a reader of each kind besides the status."""

    service: Service
    followers: Mapping[str, Callable[[], Follower]]
    encoder: StatusEncoder = field(default_factory=StatusEncoder)

    def routes(self) -> list[BaseRoute]:
        """Return the routes."""
        return [
            Route("/api/events", self.stream, methods=["GET"]),
            WebSocketRoute("/api/events", self.send),
        ]

    async def stream(self, request: Request) -> Response:
        """Stream envelopes as server-sent events.

        Raises:
            InvalidInput: the query names a kind that does not exist.
        """
        return DeferredStreamingResponse(server_sent(self._envelopes(request)))

    async def send(self, websocket: WebSocket) -> None:
        """Send the same envelopes, a message for each; what the client sends is ignored."""
        try:
            envelopes = self._envelopes(websocket)
        except InvalidInput as error:
            await websocket.send_denial_response(error_response(error))
            return
        await accept(websocket)
        with suppress(ClientDisconnected):
            async with cancel_on_disconnect(websocket.receive), aclosing(envelopes):
                async for envelope in envelopes:
                    await send_text(websocket, envelope.text)
            await close(websocket, GOING_AWAY, "Senses is shutting down.")

    def _envelopes(self, connection: HTTPConnection) -> AsyncGenerator[Envelope]:
        kinds = [kind for kind in connection.query_params.get("follow", "").split(",") if kind not in ("", STATUS)]
        if unknown := set(kinds) - self.followers.keys():
            known = ", ".join(self.followers)
            raise InvalidInput(f"follow names {min(unknown)!r}; there is only {known}.", param="follow")
        followers = {kind: self.followers[kind]() for kind in kinds}
        return follow(self.service.changes(), self.encoder, followers)


async def follow(
    statuses: AsyncGenerator[Status], encoder: StatusEncoder, followers: Mapping[str, Follower]
) -> AsyncGenerator[Envelope]:
    """Yield each status and after it the news; stop after the first status that says that the runtime is shutting down."""
    async with aclosing(statuses):
        async for status in statuses:
            yield encoder.encode(status)
            for kind, follower in followers.items():
                if (news := await follower.news()) is not None:
                    yield Envelope.of(kind, news)
            if not status.accepting:
                return


async def server_sent(envelopes: AsyncGenerator[Envelope]) -> AsyncGenerator[Chunk]:
    """Yield the bytes of server-sent events."""
    async with aclosing(envelopes):
        async for envelope in envelopes:
            yield envelope.server_sent
