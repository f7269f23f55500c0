"""Lines of JSON-RPC from a client: read within a limit, and refused with the error of the specification.

https://www.jsonrpc.org/specification#error_object; MCP has no batches, and ids are strings or integers.
"""

import json
from dataclasses import dataclass
from typing import Any

import anyio
from anyio.abc import ByteReceiveStream

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
CHUNK_BYTES = 1 << 16
UNREADABLE = "The message is nested too deeply, or a text in it is no Unicode."
"""Of a message that has the shape of JSON-RPC."""


@dataclass(frozen=True, slots=True)
class TooLong:
    """A line over the limit; its bytes are dropped."""

    limit_bytes: int


class LineReader:
    """Splits a stream into lines of at most `limit_bytes`; `first` are bytes that were read before."""

    def __init__(self, stream: ByteReceiveStream, limit_bytes: int, first: bytes = b"") -> None:
        self._stream = stream
        self._limit_bytes = limit_bytes
        self._buffer = bytearray(first)

    async def next(self) -> bytes | TooLong | None:
        """Return the next line without its newline, `TooLong` for one over the limit, or None at the end."""
        searched, is_too_long = 0, False
        while (end := self._buffer.find(b"\n", searched)) < 0:
            if len(self._buffer) > self._limit_bytes:
                is_too_long = True
            if is_too_long:
                self._buffer.clear()
            searched = len(self._buffer)
            try:
                self._buffer += await self._stream.receive(CHUNK_BYTES)
            except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return TooLong(self._limit_bytes) if is_too_long or len(line) > self._limit_bytes else line


def refusal_of(line: bytes) -> bytes | None:
    """Return the error for a line that is no message, with its id where that can be read; None if it needs no answer.

    A response and a notification that cannot be read get no answer: it would be one without a question.
    """
    try:
        message = json.loads(line, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return error_line(PARSE_ERROR, "The line is not JSON. Send one JSON-RPC 2.0 message a line.", None)
    if isinstance(message, dict) and "method" not in message and ("result" in message or "error" in message):
        return None
    reason = _reason(message)
    if reason == UNREADABLE and "id" not in message:
        return None
    return error_line(INVALID_REQUEST, reason, _readable_id(message))


def has_id(line: bytes) -> bool:
    """Return whether a message has an id; the SDK drops ids of other types and takes such a request as a notification."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):  # such as an integer of 5000 digits
        return False
    return isinstance(message, dict) and "id" in message


def too_long_refusal(line: TooLong) -> bytes:
    """Return the error for a line over the limit."""
    limit = f"{line.limit_bytes / (1 << 20):g} MB"
    return error_line(INVALID_REQUEST, f"The message is longer than {limit}. Pass media by path.", None)


def error_line(code: int, text: str, message_id: float | str | None) -> bytes:
    """Return a JSON-RPC error as a line."""
    error = {"jsonrpc": "2.0", "id": message_id, "error": {"code": code, "message": text}}
    return json.dumps(error).encode() + b"\n"


def _readable_id(message: Any) -> float | str | None:
    message_id = message.get("id") if isinstance(message, dict) else None
    is_readable = isinstance(message_id, int | float | str) and not isinstance(message_id, bool)
    return message_id if is_readable else None


def _refuse_constant(name: str) -> None:
    """Raise ValueError: NaN and Infinity are no JSON."""
    raise ValueError(name)


def _reason(message: Any) -> str:
    if isinstance(message, list):
        return "Batches are not supported. Send one message at a time."
    if not isinstance(message, dict):
        return "A message is a JSON object."
    if message.get("jsonrpc") != "2.0":
        return 'jsonrpc must be "2.0".'
    if not isinstance(message.get("method"), str):
        return "method must be a string."
    if not isinstance(message.get("params", {}), dict):
        return "params must be an object."
    if "id" in message and (isinstance(message["id"], bool) or not isinstance(message["id"], int | str)):
        return "id must be a string or an integer."
    return UNREADABLE
