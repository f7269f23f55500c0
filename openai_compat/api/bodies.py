"""Reads request bodies: JSON objects and forms with files. `http.uploads` limits their size."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, TypeVar, cast

from anyio import to_thread
from pydantic import ValidationError
from pydantic_core import from_json
from starlette.datastructures import FormData
from starlette.requests import Request

from model_runtime.errors import InvalidInput
from model_runtime.formats.validation_errors import to_invalid_input
from openai_compat.api.schemas import WireModel
from openai_compat.http.uploads import release_upload, storage_error

MAX_FIELD_BYTES = 1_000_000
MAX_FIELDS = 64
MEMORY_BYTES = 1_000_000
"""How much of a bare file is kept in memory, as of a file in a form."""
INLINE_PARSE_BYTES = 256_000
"""Smaller bodies are parsed on the event loop, because a switch to a thread takes longer."""

T = TypeVar("T")
BodyT = TypeVar("BodyT", bound=WireModel)


async def read_body(request: Request, schema: type[BodyT]) -> BodyT:
    """Read and validate a JSON body. It counts as an upload until `release_upload`, when its media are decoded.

    Raises:
        InvalidInput: the body is not a JSON object, or a field is invalid.
    """
    return await _read_json(request, lambda raw: validate_fields(parse_json(raw), schema))


async def read_json(request: Request) -> dict[str, Any]:
    """Read a JSON object. It counts as an upload until `release_upload`, when its media are decoded.

    Raises:
        InvalidInput: the body is not a JSON object.
    """
    return await _read_json(request, parse_json)


async def _read_json(request: Request, parse: Callable[[bytes], T]) -> T:
    raw = await request.body()
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
async def open_form(request: Request, *, max_files: int = 1) -> AsyncGenerator[FormData]:
    """Read a form and delete its files afterwards. Starlette spools a file of more than 1 MB to disk.

    Raises:
        BodyTooLarge: the body is larger than the limit of forms.
        InsufficientStorage: the file cannot be spooled.
    """
    try:
        form = await request.form(max_files=max_files, max_fields=MAX_FIELDS, max_part_size=MAX_FIELD_BYTES)
    except OSError as error:
        raise storage_error(error) from error
    try:
        yield form
    finally:
        await form.close()
        release_upload(request.scope)


@asynccontextmanager
async def open_bare_file(request: Request) -> AsyncGenerator[BinaryIO]:
    """Store a body that is a file and nothing else, and delete it afterwards.

    Raises:
        BodyTooLarge: the body is larger than the limit of recordings.
        InsufficientStorage: the file cannot be spooled.
    """
    with SpooledTemporaryFile(max_size=MEMORY_BYTES) as file:
        try:
            async for piece in request.stream():
                await to_thread.run_sync(file.write, piece)
        except OSError as error:
            raise storage_error(error) from error
        file.seek(0)
        yield cast(BinaryIO, file)
    release_upload(request.scope)
