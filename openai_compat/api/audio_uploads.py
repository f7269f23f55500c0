"""Reads requests that hold a recording: in a form, in JSON, or as their whole body."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, Generic

from anyio import to_thread
from starlette.datastructures import FormData, QueryParams, UploadFile
from starlette.requests import Request

from model_runtime.errors import InvalidInput
from openai_compat.api.audio_inputs import decode_inline_audio
from openai_compat.api.bodies import BodyT, open_bare_file, open_form, read_json, validate_fields
from openai_compat.http.uploads import is_recording, release_upload


@dataclass(frozen=True, slots=True)
class AudioUpload(Generic[BodyT]):
    """The fields of a request and its encoded recording. `param` is the field that held the recording."""

    body: BodyT
    source: bytes | BinaryIO
    param: str


@asynccontextmanager
async def open_upload(request: Request, schema: type[BodyT]) -> AsyncGenerator[AudioUpload[BodyT]]:
    """Read a form with a file, JSON with base64, or a bare file with the fields in its query; the file is deleted.

    Fields of the query count also beside a form or JSON, which come first.

    Raises:
        BodyTooLarge: the form is too large.
        InvalidInput: the recording is missing, or a field is invalid.
        InsufficientStorage: the file cannot be spooled to disk.
    """
    query_fields = form_values(request.query_params)
    if request.headers.get("content-type", "").startswith("application/json"):
        json_fields = await read_json(request)
        body = validate_fields(query_fields | json_fields, schema)
        yield AudioUpload(body, await to_thread.run_sync(inline_audio, json_fields), "input_audio")
        release_upload(request.scope)
        return
    if is_recording(request.scope):
        async with open_bare_file(request) as bare_file:
            yield AudioUpload(validate_fields(query_fields, schema), bare_file, "file")
        return
    async with open_form(request) as form:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise InvalidInput(
                "The recording is missing. Send it as the form field `file`.",
                param="file",
                code="missing_required_parameter",
            )
        yield AudioUpload(validate_fields(query_fields | form_values(form), schema), file.file, "file")


def form_values(form: FormData | QueryParams) -> dict[str, Any]:
    """Return the text fields of a form or a query; timestamp granularities may be repeated.

    `name[]` is the same as `name`, and so is `name[key]`, as OpenAI's clients write the parts of an object.
    """
    form_fields: dict[str, Any] = {}
    for key, value in form.multi_items():
        name = key.partition("[")[0]
        if name == "timestamp_granularities":
            form_fields[name] = [*form_fields.get(name, []), value]
        elif isinstance(value, str) and value:
            form_fields[name] = value
    return form_fields


def inline_audio(values: Mapping[str, Any]) -> bytes:
    """Return the bytes of `input_audio`, OpenAI's `{"data": base64, "format": …}`.

    Raises:
        InvalidInput: the field is missing or not base64.
    """
    audio = values.get("input_audio")
    data = audio.get("data") if isinstance(audio, dict) else None
    if not isinstance(data, str):
        raise InvalidInput(
            'A JSON body needs the recording as `"input_audio": {"data": "<base64>", "format": "wav"}`.',
            param="input_audio",
            code="missing_required_parameter",
        )
    return decode_inline_audio(data, "input_audio.data")
