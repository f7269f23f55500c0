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
from openai_compat.http.disconnect import ClientDisconnected, cancel_on_disconnect, unwrapped_task_group
from openai_compat.http.errors import InternalError, envelope

PING_SECONDS = 10.0
SEND_TIMEOUT_SECONDS = 60.0
CLOSE_TIMEOUT_SECONDS = 5.0
PING_COMMENT = b": keep-alive\n\n"
DONE_EVENT = b"data: [DONE]\n\n"
EVENT_STREAM_TYPE = "text/event-stream"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LateHeaders:
    """Headers that are known only when the first piece is; it comes before that piece."""

    headers: Mapping[str, str]


Chunk = bytes | LateHeaders
ChunkOrError = Chunk | SensesError


def encode_event(payload: Mapping[str, Any], name: str = "") -> bytes:
    """Write one server-sent event with a JSON payload."""
    data = json.dumps(payload, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return f"event: {name}\ndata: {data}\n\n".encode() if name else f"data: {data}\n\n".encode()


def error_event(error: SensesError) -> bytes:
    """Write the event that ends a stream which broke; the official clients raise its message."""
    return encode_event(envelope(error))


class DeferredStreamingResponse(Response):
    """An answer in pieces. `opening` goes out with the status line; `on_error` None breaks the connection off."""

    def __init__(
        self,
        chunks: AsyncGenerator[Chunk],
        *,
        media_type: str = EVENT_STREAM_TYPE,
        initial_body: bytes = b"",
        encode_error: Callable[[SensesError], bytes] | None = error_event,
        ping_seconds: float = PING_SECONDS,
    ) -> None:
        self.chunks = chunks
        self.initial_body = initial_body
        self.encode_error = encode_error
        self.ping_seconds = ping_seconds
        self.headers_sent = False
        self.status_code = 200
        self.background = None
        # proxies must neither keep nor collect what should arrive at once
        self.init_headers({"content-type": media_type, "cache-control": "no-cache", "x-accel-buffering": "no"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the pieces until they end or the client goes."""
        with suppress(ClientDisconnected):
            async with cancel_on_disconnect(receive), unwrapped_task_group() as tasks:
                sender, chunk_stream = create_memory_object_stream[ChunkOrError](0)
                tasks.start_soon(_produce, self.chunks, sender)
                async with chunk_stream:
                    await self._send_chunks(chunk_stream, send)

    async def _send_chunks(self, chunk_stream: MemoryObjectReceiveStream[ChunkOrError], send: Send) -> None:
        while (item := await self._next_or_ping(chunk_stream)) is not None:
            if isinstance(item, LateHeaders):
                self.headers.update(item.headers)
            elif isinstance(item, bytes):
                await self._send(send, item)
            elif not self.headers_sent:
                raise item
            elif self.encode_error is None:
                logger.warning("Sound broke off: %s", item.message)
                return  # without the last message the server cuts the connection, and the client knows
            else:
                logger.warning("A stream broke: %s", item.message)
                await self._send(send, self.encode_error(item))
        await self._send(send, b"", more_body=False)

    async def _next_or_ping(self, chunk_stream: MemoryObjectReceiveStream[ChunkOrError]) -> ChunkOrError | None:
        """The next item, a sign of life where none comes for too long, None at the end."""
        with move_on_after(self.ping_seconds):
            try:
                return await chunk_stream.receive()
            except EndOfStream:
                return None
        return PING_COMMENT

    async def _send(self, send: Send, body: bytes, *, more_body: bool = True) -> None:
        if not self.headers_sent:
            self.headers_sent = True
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            body = self.initial_body + body
        try:
            with fail_after(SEND_TIMEOUT_SECONDS):
                await send({"type": "http.response.body", "body": body, "more_body": more_body})
        except TimeoutError:
            raise ClientDisconnected("The client stopped reading.") from None


async def _produce(chunks: AsyncGenerator[Chunk], sender: MemoryObjectSendStream[ChunkOrError]) -> None:
    """Read the generator in one task from beginning to end, and close it there, whatever happens."""
    async with sender:
        try:
            async for chunk in chunks:
                await sender.send(chunk)
        except SensesError as error:
            await sender.send(error)
        except Exception:
            logger.exception("A stream broke")
            await sender.send(InternalError("Something went wrong inside Senses; its log has the details."))
        finally:
            with move_on_after(CLOSE_TIMEOUT_SECONDS, shield=True):
                await chunks.aclose()
