"""Answers that arrive piece by piece: server-sent events and sound.

The status line is held back until the first piece is there, so that an error before it is an ordinary HTTP error.
After ten silent seconds, while a model loads, an event stream begins all the same and is kept alive with comments,
which every client ignores; an error from then on is an event of its own. Sound has no place for either: it waits,
and breaks off without its end mark where the work fails, so that no client takes half a recording for a whole one.

A client that leaves closes the generator of pieces, and with it the work.
"""

import json
import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from anyio import EndOfStream, create_memory_object_stream, fail_after, move_on_after
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from model_runtime.errors import SensesError
from openai_compat.http.disconnect import ClientGone, task_group, while_connected
from openai_compat.http.errors import InternalError, envelope

QUIET_SECONDS = 10.0
SLOW_READER_SECONDS = 60.0
CLOSING_SECONDS = 5.0
KEEP_ALIVE = b": keep-alive\n\n"
DONE = b"data: [DONE]\n\n"
EVENT_STREAM = "text/event-stream"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Head:
    """Headers that are known only when the first piece is; it comes before that piece."""

    headers: Mapping[str, str]


Piece = bytes | Head
Item = Piece | SensesError


def event(payload: Mapping[str, Any], name: str = "") -> bytes:
    """Write one server-sent event with a JSON payload."""
    text = json.dumps(payload, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return f"event: {name}\ndata: {text}\n\n".encode() if name else f"data: {text}\n\n".encode()


def error_event(error: SensesError) -> bytes:
    """Write the event that ends a stream which broke; the official clients raise its message."""
    return event(envelope(error))


class PieceResponse(Response):
    """An answer in pieces. `opening` goes out with the status line; `on_error` None breaks the connection off."""

    def __init__(
        self,
        pieces: AsyncGenerator[Piece],
        *,
        media_type: str = EVENT_STREAM,
        opening: bytes = b"",
        on_error: Callable[[SensesError], bytes] | None = error_event,
        quiet_seconds: float = QUIET_SECONDS,
    ) -> None:
        self.pieces = pieces
        self.opening = opening
        self.on_error = on_error
        self.quiet_seconds = quiet_seconds
        self.started = False
        self.status_code = 200
        self.background = None
        # proxies must neither keep nor collect what should arrive at once
        self.init_headers({"content-type": media_type, "cache-control": "no-cache", "x-accel-buffering": "no"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the pieces until they end or the client goes."""
        with suppress(ClientGone):
            async with while_connected(receive), task_group() as tasks:
                sender, receiver = create_memory_object_stream[Item](0)
                tasks.start_soon(_pump, self.pieces, sender)
                async with receiver:
                    await self._relay(receiver, send)

    async def _relay(self, items: MemoryObjectReceiveStream[Item], send: Send) -> None:
        while (item := await self._next(items)) is not None:
            if isinstance(item, Head):
                self.headers.update(item.headers)
            elif isinstance(item, bytes):
                await self._send(send, item)
            elif not self.started:
                raise item
            elif self.on_error is None:
                logger.warning("Sound broke off: %s", item.message)
                return  # without the last message the server cuts the connection, and the client knows
            else:
                logger.warning("A stream broke: %s", item.message)
                await self._send(send, self.on_error(item))
        await self._send(send, b"", more=False)

    async def _next(self, items: MemoryObjectReceiveStream[Item]) -> Item | None:
        """The next item, a sign of life where none comes for too long, None at the end."""
        with move_on_after(self.quiet_seconds):
            try:
                return await items.receive()
            except EndOfStream:
                return None
        return KEEP_ALIVE

    async def _send(self, send: Send, body: bytes, *, more: bool = True) -> None:
        if not self.started:
            self.started = True
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            body = self.opening + body
        try:
            with fail_after(SLOW_READER_SECONDS):
                await send({"type": "http.response.body", "body": body, "more_body": more})
        except TimeoutError:
            raise ClientGone("The client stopped reading.") from None


async def _pump(pieces: AsyncGenerator[Piece], sender: MemoryObjectSendStream[Item]) -> None:
    """Read the generator in one task from beginning to end, and close it there, whatever happens."""
    async with sender:
        try:
            async for piece in pieces:
                await sender.send(piece)
        except SensesError as error:
            await sender.send(error)
        except Exception:
            logger.exception("A stream broke")
            await sender.send(InternalError("Something went wrong inside Senses; its log has the details."))
        finally:
            with move_on_after(CLOSING_SECONDS, shield=True):
                await pieces.aclose()
