"""Errors as OpenAI's or Anthropic's envelope: one table maps each error class to an HTTP status, a type and a retry hint.

OpenAI's clients retry 408, 409, 429 and every status from 500 up, twice, unless the answer has `x-should-retry:
false`. They obey `Retry-After` up to 60 seconds (JavaScript) or 120 seconds (Python, `openai/_base_client.py`). An
error that a retry cannot fix is therefore a 4xx or has that header; other errors say how long to wait.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from model_runtime import errors
from openai_compat.http.anthropic_errors import REQUEST_ID, anthropic_envelope, anthropic_status, speaks_anthropic
from openai_compat.http.endpoints import ALTERNATIVES, ENDPOINTS_BY_TASK, SERVED_ROUTES

INVALID_REQUEST = "invalid_request_error"
MAX_RETRY_AFTER_SECONDS = 3600
"""The longest wait that is announced; the estimate of a longer one is too uncertain."""


class UnknownUrl(errors.SensesError):
    """No route serves this path."""

    code = "unknown_url"


class UnknownResponse(errors.SensesError):
    """No response of this id is kept, or no longer."""

    code = "response_not_found"


class MethodNotAllowed(errors.SensesError):
    """The path is served, but not with this method."""

    code = "method_not_allowed"


class BodyTooLarge(errors.SensesError):
    """The request's body exceeds the endpoint's limit."""

    code = "request_too_large"


class AmbiguousLength(errors.SensesError):
    """The length of the body can be read in two ways: another server in between may see another request."""

    code = "ambiguous_length"


class UploadTimedOut(errors.SensesError):
    """The client stopped sending in the middle of the body."""

    code = "upload_timed_out"


class UploadsFull(errors.Busy):
    """The bodies of all requests together reach their limit."""

    code = "uploads_full"


class SocketsFull(errors.Busy):
    """As many WebSockets are open as may be."""

    code = "sockets_full"


class OriginNotAllowed(errors.SensesError):
    """The Host or Origin header is not allowed: a foreign web page, or a name that only looks local."""

    code = "origin_not_allowed"


class InvalidApiKey(errors.SensesError):
    """An API key is configured and the request does not carry it."""

    code = "invalid_api_key"


class InternalError(errors.SensesError):
    """A bug in Senses. The log has the traceback."""

    code = "internal_error"


@dataclass(frozen=True, slots=True)
class ErrorMapping:
    """An error class in HTTP terms.

    `retry=False` asks clients not to repeat the request. `close` ends the connection, where the next request cannot be
    found.
    """

    status: int
    type: str = INVALID_REQUEST
    retry: bool = True
    close: bool = False


ERROR_MAPPINGS: Mapping[type[errors.SensesError], ErrorMapping] = {
    errors.SensesError: ErrorMapping(500, "server_error"),
    errors.InvalidInput: ErrorMapping(400),
    errors.UnknownModel: ErrorMapping(404),
    errors.ModelTooLarge: ErrorMapping(400, retry=False),
    # 404, not 503: only the user can fix it, with the command in the message, so clients must not wait
    errors.ModelMissing: ErrorMapping(404, retry=False),
    errors.Busy: ErrorMapping(503, "server_error"),
    errors.QueueFull: ErrorMapping(429, "rate_limit_error"),
    errors.QueueTimeout: ErrorMapping(503, "server_error"),
    # a retry would fail the same way, after the same minutes
    errors.LoadFailed: ErrorMapping(500, "server_error", retry=False),
    errors.OutOfMemory: ErrorMapping(500, "server_error", retry=False),
    errors.JobFailed: ErrorMapping(500, "server_error", retry=False),
    errors.JobStalled: ErrorMapping(504, "server_error", retry=False),
    errors.WorkerDied: ErrorMapping(502, "server_error"),
    # nginx's "client closed request"; also the answer to a request that was cancelled from the status page
    errors.Cancelled: ErrorMapping(499, "cancelled", retry=False),
    UnknownUrl: ErrorMapping(404),
    UnknownResponse: ErrorMapping(404),
    MethodNotAllowed: ErrorMapping(405),
    BodyTooLarge: ErrorMapping(413),
    UploadTimedOut: ErrorMapping(408, close=True),
    AmbiguousLength: ErrorMapping(400, close=True),
    errors.InsufficientStorage: ErrorMapping(507, "server_error", retry=False),
    OriginNotAllowed: ErrorMapping(403, "permission_error"),
    InvalidApiKey: ErrorMapping(401, "authentication_error"),
    InternalError: ErrorMapping(500, "server_error", retry=False),
}


def mapping_of(error: errors.SensesError) -> ErrorMapping:
    """Return the mapping of the error's class or of its nearest base class."""
    return next(ERROR_MAPPINGS[error_class] for error_class in type(error).__mro__ if error_class in ERROR_MAPPINGS)


def message_of(error: errors.SensesError) -> str:
    """Return the error's message; of a model of another task, with the endpoint that it serves."""
    if not isinstance(error, errors.WrongTask):
        return error.message
    return f"{error.message} Send {error.task} to {ENDPOINTS_BY_TASK[error.task][0]}."


def envelope(error: errors.SensesError) -> dict[str, Any]:
    """Return OpenAI's error object: message, type, param and code under `error`."""
    return {
        "error": {
            "message": message_of(error),
            "type": mapping_of(error).type,
            "param": error.param,
            "code": error.code,
        }
    }


def anthropic_error(error: errors.SensesError, scope: Scope) -> tuple[int, dict[str, Any]]:
    """Return Anthropic's status and error object; a prompt that is too long has the words that its agents look for."""
    status, message = anthropic_status(mapping_of(error).status), message_of(error)
    if isinstance(error, errors.ContextExceeded):
        counted = f"{error.prompt_tokens} tokens > {error.context_tokens} maximum. " if error.prompt_tokens else ""
        message = f"prompt is too long: {counted}{message}"
    return status, anthropic_envelope(status, message, code=error.code, request_id=scope.get(REQUEST_ID, ""))


class ErrorResponse(JSONResponse):
    """An error in OpenAI's envelope, unless the request turns out to be for Anthropic's API."""

    def __init__(self, error: errors.SensesError, headers: Mapping[str, str]) -> None:
        super().__init__(envelope(error), mapping_of(error).status, headers)
        self.error = error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it in the envelope of the request's API."""
        if speaks_anthropic(scope):
            self.status_code, content = anthropic_error(self.error, scope)
            self.body = self.render(content)
            self.headers["content-length"] = str(len(self.body))
        await super().__call__(scope, receive, send)


def error_response(error: errors.SensesError) -> Response:
    """Return the HTTP response for `error`."""
    mapping = mapping_of(error)
    headers: dict[str, str] = {}
    if not mapping.retry:
        headers["x-should-retry"] = "false"
    if error.retry_after_seconds is not None:
        headers["retry-after"] = str(min(max(math.ceil(error.retry_after_seconds), 1), MAX_RETRY_AFTER_SECONDS))
    if mapping.close:
        headers["connection"] = "close"
    if mapping.status == 401:
        headers["www-authenticate"] = "Bearer"
    return ErrorResponse(error, headers)


OPENAI_FIELD_NAMES: Mapping[str, Mapping[str, str]] = {
    "/v1/chat/completions": {"json_schema": "response_format", "voice": "audio.voice"},
    "/v1/responses": {"messages": "input", "max_tokens": "max_output_tokens", "json_schema": "text"},
    "/v1/completions": {"messages": "prompt"},
    "/v1/messages": {"stop": "stop_sequences", "json_schema": "output_config"},
    "/v1/images/generations": {"width": "size", "height": "size"},
    "/v1/images/edits": {"width": "size", "height": "size", "references": "image", "source_image": "image"},
    "/v1/embeddings": {"texts": "input"},
    "/v1/audio/transcriptions": {"audio": "file"},
    "/v1/audio/translations": {"audio": "file", "translate": "model"},
    "/v1/audio/speech": {"text": "input"},
    "/v1/voice-memo": {"audio": "file"},
}
"""Path → the runtime's field name → OpenAI's field name, for fields whose names differ."""


async def answer_senses_error(request: Request, error: Exception) -> Response:
    """Return the envelope of a `SensesError`, with `param` renamed to the client's field."""
    if not isinstance(error, errors.SensesError):  # never: Starlette types handlers for any Exception
        raise error
    error.param = OPENAI_FIELD_NAMES.get(request.url.path, {}).get(error.param or "", error.param)
    return error_response(error)


async def answer_http_exception(request: Request, error: Exception) -> Response:
    """Return the envelope of an error that Starlette's router or form parser raised."""
    if not isinstance(error, HTTPException):
        raise error
    path = request.url.path
    if error.status_code == 404:
        return error_response(unknown_url_error(request.method, path))
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        response = error_response(MethodNotAllowed(f"{path} does not take {request.method}, only {allowed}."))
        response.headers["allow"] = allowed
        return response
    return error_response(errors.InvalidInput(f"The request cannot be read: {error.detail}"))


async def answer_disconnect(request: Request, error: Exception) -> Response:
    """Return 499 for a client that disconnected while it was sending. Only the request log sees it."""
    return error_response(errors.Cancelled("The client closed the connection."))


def unknown_url_error(method: str, path: str) -> UnknownUrl:
    """Return an error that lists the served routes and suggests an alternative to `path`."""
    hint = next((alternative for prefix, alternative in ALTERNATIVES.items() if path.startswith(prefix)), "")
    if any(path.rstrip("/").endswith(route.split(" /v1")[1]) and not path.startswith("/v1") for route in SERVED_ROUTES):
        hint = "The base URL ends in /v1."
    if path.startswith("/v1/v1/"):
        hint = "The base URL of Anthropic's clients does not end in /v1."
    return UnknownUrl(
        " ".join(filter(None, [f"{method} {path} is not served.", hint, f"Served: {', '.join(SERVED_ROUTES)}."]))
    )
