"""Reads request bodies within size limits: JSON objects and forms with files."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from anyio import to_thread
from pydantic import ValidationError
from pydantic_core import from_json
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.types import Message, Receive

from model_runtime.errors import InvalidInput
from model_runtime.formats.validation_errors import to_invalid_input
from openai_compat.api.schemas import WireModel
from openai_compat.http.errors import BodyTooLarge
from openai_compat.http.uploads import declared_bytes, release_upload, storage_error

MAX_JSON_BYTES = 64_000_000
MAX_UPLOAD_BYTES = 200_000_000
MAX_FIELD_BYTES = 1_000_000
MAX_FIELDS = 64
INLINE_PARSE_BYTES = 256_000
"""Smaller bodies are parsed on the event loop, because a switch to a thread takes longer."""

T = TypeVar("T")
BodyT = TypeVar("BodyT", bound=WireModel)


async def read_body(request: Request, schema: type[BodyT]) -> BodyT:
    """Read and validate a JSON body. It counts as an upload until `release_upload`, when its media are decoded.

    Raises:
        BodyTooLarge: the body exceeds 64 MB.
        InvalidInput: the body is not a JSON object, or a field is invalid.
    """
    return await _read_json(request, lambda raw: validate_fields(parse_json(raw), schema))


async def read_json(request: Request) -> dict[str, Any]:
    """Read a JSON object. It counts as an upload until `release_upload`, when its media are decoded.

    Raises:
        BodyTooLarge: the body exceeds 64 MB.
        InvalidInput: the body is not a JSON object.
    """
    return await _read_json(request, parse_json)


async def _read_json(request: Request, parse: Callable[[bytes], T]) -> T:
    raw = await limit_body(request, MAX_JSON_BYTES).body()
    return await to_thread.run_sync(parse, raw) if len(raw) > INLINE_PARSE_BYTES else parse(raw)


def parse_json(raw: bytes) -> dict[str, Any]:
    """Parse a JSON object.

    Raises:
        InvalidInput: the text is not a JSON object.
    """
    try:
        value = from_json(raw, allow_inf_nan=False)
    except ValueError as error:
        raise InvalidInput(f"The body is not JSON: {error}.", code="invalid_json") from error
    if not isinstance(value, dict):
        raise InvalidInput("The body must be a JSON object.", code="invalid_json")
    return value


def validate_fields(values: dict[str, Any], schema: type[BodyT]) -> BodyT:
    """Validate fields against a schema.

    Raises:
        InvalidInput: a field is invalid; names the first one.
    """
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        raise to_invalid_input(error) from error


@asynccontextmanager
async def open_form(request: Request) -> AsyncGenerator[FormData]:
    """Read a form and delete its file afterwards. Starlette spools a file of more than 1 MB to disk.

    Raises:
        BodyTooLarge: the body exceeds 200 MB.
        InsufficientStorage: the file cannot be spooled.
    """
    try:
        form = await limit_body(request, MAX_UPLOAD_BYTES).form(
            max_files=1, max_fields=MAX_FIELDS, max_part_size=MAX_FIELD_BYTES
        )
    except OSError as error:
        raise storage_error(error) from error
    try:
        yield form
    finally:
        await form.close()
        release_upload(request.scope)


def limit_body(request: Request, limit_bytes: int) -> Request:
    """Return the request with a limited body: reading beyond the limit raises `BodyTooLarge`.

    Raises:
        BodyTooLarge: the Content-Length header exceeds the limit.
    """
    if declared_bytes(request.headers) > limit_bytes:
        raise _body_too_large(limit_bytes)
    return Request(request.scope, _limited_receive(request.receive, limit_bytes))


def _limited_receive(receive: Receive, limit_bytes: int) -> Receive:
    read_bytes = 0

    async def receive_limited() -> Message:
        nonlocal read_bytes
        message = await receive()
        read_bytes += len(message.get("body", b""))
        if read_bytes > limit_bytes:
            raise _body_too_large(limit_bytes)
        return message

    return receive_limited


def _body_too_large(limit_bytes: int) -> BodyTooLarge:
    limit_mb = limit_bytes // 1_000_000
    return BodyTooLarge(f"The body is larger than {limit_mb} MB, the limit of this endpoint. Send a smaller one.")
