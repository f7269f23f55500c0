"""Reading what a request carries, within limits: JSON objects and forms with files."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from tempfile import gettempdir
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
from openai_compat.http.errors import BodyTooLarge, InsufficientStorage

MAX_JSON_BYTES = 64_000_000
MAX_UPLOAD_BYTES = 200_000_000
MAX_FIELD_BYTES = 1_000_000
INLINE_PARSE_BYTES = 256_000
"""Parsing less than this is quicker than a trip to a thread."""

BodyT = TypeVar("BodyT", bound=WireModel)


async def read_body(request: Request, schema: type[BodyT]) -> BodyT:
    """Read and check a JSON body.

    Raises:
        BodyTooLarge: more than 64 MB.
        InvalidInput: not JSON, not an object, or a field that cannot be used.
    """
    return validate_fields(await read_json(request), schema)


async def read_json(request: Request) -> dict[str, Any]:
    """Read a JSON object. Raises like `read_body`."""
    raw = await limit_body(request, MAX_JSON_BYTES).body()
    try:
        value = await to_thread.run_sync(from_json, raw) if len(raw) > INLINE_PARSE_BYTES else from_json(raw)
    except ValueError as error:
        raise InvalidInput(f"The body is not JSON: {error}.", code="invalid_json") from error
    if not isinstance(value, dict):
        raise InvalidInput("The body must be a JSON object.", code="invalid_json")
    return value


def validate_fields(values: dict[str, Any], schema: type[BodyT]) -> BodyT:
    """Check fields against a schema. Raises `InvalidInput` for the first that cannot be used."""
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        raise to_invalid_input(error) from error


@asynccontextmanager
async def open_form(request: Request) -> AsyncGenerator[FormData]:
    """Read a form and drop its file afterwards; a file beyond 1 MB is spooled to disk.

    Raises:
        BodyTooLarge: more than 200 MB.
        NoRoom: the disk cannot take the file.
    """
    try:
        form = await limit_body(request, MAX_UPLOAD_BYTES).form(max_files=1, max_part_size=MAX_FIELD_BYTES)
    except OSError as error:
        folder = gettempdir()
        raise InsufficientStorage(
            f"The upload cannot be kept in {folder}: {error.strerror}. Make room there, and try again."
        ) from error
    try:
        yield form
    finally:
        await form.close()


def limit_body(request: Request, limit_bytes: int) -> Request:
    """The same request, which raises `BodyTooLarge` once its body goes beyond the limit."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit_bytes:
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
    return BodyTooLarge(f"The body is larger than {limit_bytes // 1_000_000} MB, the most that is read here.")
