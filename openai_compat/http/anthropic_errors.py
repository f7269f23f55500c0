"""Errors as Anthropic's envelope, for its routes and its clients.

Its clients retry as OpenAI's do (see `errors`), and know 529 as "overloaded".
Format: https://docs.anthropic.com/en/api/errors
"""

from collections.abc import Mapping
from typing import Any

from starlette.datastructures import Headers
from starlette.types import Scope

REQUEST_ID = "senses.request_id"
"""Key of the ASGI scope: the id of this request."""
MESSAGES_PATH = "/v1/messages"
VERSION_HEADER = "anthropic-version"
"""Every client of Anthropic's API sends it."""
STATUS_OVERLOADED = 529
ERROR_TYPES: Mapping[int, str] = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    STATUS_OVERLOADED: "overloaded_error",
}
"""Status → type of the error; any other is the client's fault (4xx) or ours (5xx)."""


def speaks_anthropic(scope: Scope) -> bool:
    """Return whether a request is for a route of Anthropic's, or from a client of its API."""
    path: str = scope.get("path", "")
    return path == MESSAGES_PATH or path.startswith(f"{MESSAGES_PATH}/") or VERSION_HEADER in Headers(scope=scope)


def anthropic_status(status: int) -> int:
    """Return Anthropic's status for ours: it is not "unavailable" but "overloaded"."""
    return STATUS_OVERLOADED if status == 503 else status


def anthropic_envelope(status: int, message: str, *, code: str, request_id: str) -> dict[str, Any]:
    """Return the error object. `code` is our own name of the cause, where Anthropic's clients look for one."""
    kind = ERROR_TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")
    error = {"type": kind, "message": message, "details": {"error_code": code}}
    return {"type": "error", "error": error, "request_id": request_id}
