"""Receives request bodies: on disk while they come, within limits, and with one bound for all requests together.

A form and a bare recording are passed on piece by piece, because their readers store them on disk. Any other body
reaches the endpoint only when it is complete, so that a client that never finishes takes no memory.
"""

from tempfile import TemporaryFile, gettempdir
from typing import BinaryIO

from anyio import fail_after, to_thread
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from model_runtime.errors import Cancelled, InsufficientStorage, InvalidInput, SensesError
from model_runtime.release_memory import release_memory
from openai_compat.http.errors import (
    AmbiguousLength,
    BodyTooLarge,
    UploadsFull,
    UploadTimedOut,
    error_response,
)
from openai_compat.http.json_counter import JsonValueCounter

STALL_SECONDS = 30.0
"""An upload that sends no byte for so long is ended."""
MEMORY_BYTES = 256_000
"""How much of a body is kept in memory and not counted. Only the rest is written to disk."""
CAPACITY_BYTES = 512_000_000
"""The bytes of all bodies that are on their way or not parsed yet."""
MAX_BODY_BYTES = 64 * 1024 * 1024
"""The largest body that is not a form: of OpenAI's endpoints, or an MCP message over HTTP."""
MAX_FORM_BYTES = 200_000_000
"""The largest recording, bare or in a form."""
MAX_LENGTH_DIGITS = 18
MAX_JSON_VALUES = 200_000
RETRY_AFTER_SECONDS = 30.0
FORM_TYPES = ("multipart/form-data", "application/x-www-form-urlencoded")
RECORDING_TYPES = ("audio/", "video/", "application/octet-stream")
RECORDING_PATHS = frozenset({"/v1/audio/transcriptions", "/v1/audio/translations", "/v1/voice-memo"})
"""Where the body may be a bare recording, as iOS Shortcuts sends a file."""
UPLOAD = "senses.upload"
"""Key of the ASGI scope: the `Upload` of this request."""


def is_recording(scope: Scope) -> bool:
    """Return whether the body of a request is a bare recording."""
    content_type = Headers(scope=scope).get("content-type", "").lower()
    return scope["path"].rstrip("/") in RECORDING_PATHS and content_type.startswith(RECORDING_TYPES)


class UploadCapacity:
    """Counts the bytes of all uploads in flight."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.used_bytes = 0

    def require(self, byte_count: int) -> None:
        """Check that so many bytes are free.

        Raises:
            UploadsFull: they are not.
        """
        if self.used_bytes + byte_count > self.limit_bytes:
            limit_mb = self.limit_bytes // 1_000_000
            raise UploadsFull(
                f"Uploads of {limit_mb} MB are on their way already, the limit of all clients together. "
                f"Try again in {RETRY_AFTER_SECONDS:.0f} s.",
                RETRY_AFTER_SECONDS,
            )

    def reserve(self, byte_count: int) -> None:
        """Count bytes that have arrived.

        Raises:
            UploadsFull: the limit is reached.
        """
        self.require(byte_count)
        self.used_bytes += byte_count


class UploadMiddleware:
    """ASGI middleware that hands complete bodies to the endpoints, and forms piece by piece."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.capacity = UploadCapacity(CAPACITY_BYTES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward the request, or answer why its body is refused."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        upload = Upload(scope, receive, self.capacity)
        try:
            try:
                await upload.start()
            except SensesError as error:
                await error_response(error)(scope, receive, send)
                upload.release()
                await self._release_memory(upload)
                return
            await self.app({**scope, UPLOAD: upload}, upload.receive, send)
        finally:
            upload.release()

    async def _release_memory(self, upload: "Upload") -> None:
        """Return to the system what the last of some large uploads left: no runtime's request ends that would do so."""
        if upload.is_large and not self.capacity.used_bytes:
            await to_thread.run_sync(release_memory)


def declared_bytes(headers: Headers) -> int:
    """Return the Content-Length, 0 if it is missing or malformed."""
    declared = headers.get("content-length", "")
    return int(declared[:MAX_LENGTH_DIGITS]) if declared.isdecimal() else 0


def release_upload(scope: Scope) -> None:
    """Stop counting the bytes of a request's body: it is parsed, and its media are decoded. The end of the request does so too."""
    scope[UPLOAD].release()


class Upload:
    """The body of one request."""

    def __init__(self, scope: Scope, receive: Receive, capacity: UploadCapacity) -> None:
        headers = Headers(scope=scope)
        self._is_file = headers.get("content-type", "").lower().startswith(FORM_TYPES) or is_recording(scope)
        self._declared_bytes = declared_bytes(headers)
        self._is_ambiguous = "content-length" in headers and "transfer-encoding" in headers
        self._receive = receive
        self._capacity = capacity
        self._limit_bytes = MAX_FORM_BYTES if self._is_file else MAX_BODY_BYTES
        self._received_bytes = 0
        self._reserved_bytes = 0
        self._more_body = True
        self._pending: Message | None = None

    @property
    def is_large(self) -> bool:
        """Whether more of the body has arrived than is kept in memory."""
        return self._received_bytes > MEMORY_BYTES

    async def start(self) -> None:
        """Receive the body; of a form or a recording nothing yet.

        Raises:
            AmbiguousLength: the request has a Content-Length and a Transfer-Encoding.
            BodyTooLarge: the body exceeds 64 MiB, or a form or recording 200 MB.
            Cancelled: the client closed the connection.
            InsufficientStorage: the body cannot be stored.
            InvalidInput: the body has more than 200 000 JSON values.
            UploadsFull: the bytes of all uploads reach their limit.
            UploadTimedOut: nothing came for 30 seconds.
        """
        if self._is_ambiguous:
            raise AmbiguousLength("The request has a Content-Length and a Transfer-Encoding. Send only one of them.")
        self._require_size(self._declared_bytes)
        self._capacity.require(max(self._declared_bytes - MEMORY_BYTES, 0))
        if not self._is_file:
            self._pending = {"type": "http.request", "body": await self._receive_whole(), "more_body": False}

    async def receive(self) -> Message:
        """Return the body, then what the connection reports.

        Raises:
            BodyTooLarge: a form or recording exceeds its limit.
        """
        pending, self._pending = self._pending, None
        if pending is not None:
            return pending
        return await self._receive_piece() if self._more_body else await self._receive()

    def release(self) -> None:
        """Stop counting the body's bytes, once it is parsed or its request has ended."""
        self._capacity.used_bytes -= self._reserved_bytes
        self._reserved_bytes = 0

    async def _receive_whole(self) -> bytes:
        block = await self._receive_block()
        if not self._more_body:
            return block
        try:
            with TemporaryFile() as file:
                return await self._receive_to_disk(file, block)
        except OSError as error:
            raise storage_error(error) from error

    async def _receive_to_disk(self, file: BinaryIO, block: bytes) -> bytes:
        counter = JsonValueCounter()
        while block:
            await to_thread.run_sync(_count_and_write, counter, file, block)
            block = await self._receive_block()
        file.seek(0)
        return await to_thread.run_sync(file.read)

    async def _receive_block(self) -> bytes:
        """Return pieces of `MEMORY_BYTES` together, or what is left."""
        pieces: list[bytes] = []
        end_bytes = self._received_bytes + MEMORY_BYTES
        while self._more_body and self._received_bytes < end_bytes:
            message = await self._receive_piece()
            if message["type"] == "http.disconnect":
                raise Cancelled("The client closed the connection.")
            pieces.append(message.get("body", b""))
        return b"".join(pieces)

    async def _receive_piece(self) -> Message:
        try:
            with fail_after(STALL_SECONDS):
                message = await self._receive()
        except TimeoutError:
            raise UploadTimedOut(
                f"The upload sent nothing for {STALL_SECONDS:.0f} s after {self._received_bytes} bytes. Send it again."
            ) from None
        self._more_body = message["type"] == "http.request" and message.get("more_body", False)
        self._received_bytes += len(message.get("body", b""))
        self._require_size(self._received_bytes)
        self._reserve()
        return message

    def _reserve(self) -> None:
        uncounted_bytes = self._received_bytes - MEMORY_BYTES - self._reserved_bytes
        if uncounted_bytes > 0:
            self._capacity.reserve(uncounted_bytes)
            self._reserved_bytes += uncounted_bytes

    def _require_size(self, byte_count: int) -> None:
        if byte_count > self._limit_bytes:
            limit_mb = self._limit_bytes // 1_000_000
            raise BodyTooLarge(
                f"The body is larger than {limit_mb} MB, the limit of this endpoint. Send a smaller one."
            )


def _count_and_write(counter: JsonValueCounter, file: BinaryIO, block: bytes) -> None:
    if counter.feed(block) > MAX_JSON_VALUES:
        raise InvalidInput(
            f"The body has more than {MAX_JSON_VALUES} JSON values, the limit of a request. "
            "Send fewer messages, parts or tools.",
            code="too_many_values",
        )
    file.write(block)


def storage_error(error: OSError) -> InsufficientStorage:
    """Return the error for a body that cannot be written to the folder of temporary files."""
    return InsufficientStorage(
        f"The upload cannot be stored in {gettempdir()}: {error.strerror}. Free disk space there and try again."
    )
