"""Checks and normalizes the path of a request before it reaches a route."""

import re

from starlette.types import ASGIApp, Receive, Scope, Send

from openai_compat.http.errors import UnknownUrl, error_response

MAX_PATH_CHARS = 2048
"""Longer than every name of a model or a result; shorter than the digits that Python converts to a number."""
FORBIDDEN = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
"""Characters that no address has, and that files, numbers or logs cannot take."""


class PathMiddleware:
    """ASGI middleware that refuses paths that no route can have, and removes a trailing slash from API paths.

    A base URL with a slash at its end therefore works.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward the request under its normalized path, or answer 404."""
        path: str = scope.get("path", "")
        if len(path) > MAX_PATH_CHARS:
            error = UnknownUrl(f"The path has {len(path)} characters; the limit is {MAX_PATH_CHARS}. Shorten it.")
            await error_response(error)(scope, receive, send)
        elif FORBIDDEN.search(path):
            error = UnknownUrl("The path has control characters, which no address of Senses has. Remove them.")
            await error_response(error)(scope, receive, send)
        else:
            if path.startswith(("/v1/", "/api/")) and path.endswith("/"):
                scope = {**scope, "path": path.rstrip("/")}
            await self.app(scope, receive, send)
