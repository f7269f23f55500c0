"""Streaming responses: server-sent events and audio.

The status line is sent with the first chunk, so that an error before it is an ordinary HTTP error. If no chunk comes
for ten seconds (a model loads), an event stream begins anyway and is kept open with comments, which clients ignore;
a later error is an event. Audio has no room for comments or errors: it waits, and an error closes the connection
without the final chunk, so that a client cannot mistake a part for the whole recording.

A disconnect closes the generator of chunks, which cancels the request.
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
"""Silence after which an event stream gets a comment."""
SEND_TIMEOUT_SECONDS = 60.0
"""A client that takes no bytes for so long counts as disconnected."""
CLOSE_TIMEOUT_SECONDS = 5.0
"""Time that a closed generator has to cancel its request."""
PING_COMMENT = b": keep-alive\n\n"
DONE_EVENT = b"data: [DONE]\n\n"
EVENT_STREAM_TYPE = "text/event-stream"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LateHeaders:
    """Headers that are known only with the first chunk. Yielded before that chunk."""

    headers: Mapping[str, str]


Chunk = bytes | LateHeaders
ChunkOrError = Chunk | SensesError


def encode_json(payload: Mapping[str, Any]) -> str:
    """Return JSON text on one line."""
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def encode_event(payload: Mapping[str, Any], name: str = "") -> bytes:
    """Return one server-sent event with a JSON payload."""
    return frame_event(encode_json(payload), name)


def frame_event(data: str, name: str = "") -> bytes:
    """Return one server-sent event with a line of text (format: WHATWG HTML, section 9.2)."""
    return f"event: {name}\ndata: {data}\n\n".encode() if name else f"data: {data}\n\n".encode()


def error_event(error: SensesError) -> bytes:
    """Return the event that ends a failed stream. OpenAI's clients raise its message."""
    return encode_event(envelope(error))


class DeferredStreamingResponse(Response):
    """A response sent in chunks.

    `initial_body` is sent with the status line. `ping` keeps the connection open. With `encode_error=None` an error closes
    it.
    """

    def __init__(
        self,
        chunks: AsyncGenerator[Chunk],
        *,
        media_type: str = EVENT_STREAM_TYPE,
        initial_body: bytes = b"",
        encode_error: Callable[[SensesError], bytes] | None = error_event,
        ping: bytes = PING_COMMENT,
        ping_seconds: float = PING_SECONDS,
    ) -> None:
        self.chunks = chunks
        self.initial_body = initial_body
        self.encode_error = encode_error
        self.ping = ping
        self.ping_seconds = ping_seconds
        self.headers_sent = False
        self.status_code = 200
        self.background = None
        # x-accel-buffering: nginx must not collect chunks
        self.init_headers({"content-type": media_type, "cache-control": "no-cache", "x-accel-buffering": "no"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send chunks until they end or the client disconnects.

        Raises:
            SensesError: the generator failed before its first chunk.
        """
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
                logger.warning("Audio stream failed: %s", item.message)
                return  # no final message: the server closes the connection, so the client sees a truncated body
            else:
                logger.warning("Event stream failed: %s", item.message)
                await self._send(send, self.encode_error(item))
        await self._send(send, b"", more_body=False)

    async def _next_or_ping(self, chunk_stream: MemoryObjectReceiveStream[ChunkOrError]) -> ChunkOrError | None:
        """Return the next item, a ping after `ping_seconds` of silence, or None at the end."""
        with move_on_after(self.ping_seconds):
            try:
                return await chunk_stream.receive()
            except EndOfStream:
                return None
        return self.ping

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
    """Iterate over the generator and close it in one task: its cancel scopes must not be left in another."""
    async with sender:
        try:
            async for chunk in chunks:
                await sender.send(chunk)
        except SensesError as error:
            await sender.send(error)
        except Exception:
            logger.exception("Stream failed")
            await sender.send(InternalError("Internal error in Senses. Its log has the details."))
        finally:
            with move_on_after(CLOSE_TIMEOUT_SECONDS, shield=True):
                await chunks.aclose()
