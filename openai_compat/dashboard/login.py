"""Log in with the key: /api/login sets a cookie, so that the page needs to send it only once."""

import hmac
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from openai_compat.dashboard.folders import NO_STORE
from openai_compat.http.commands import CommandBody, read_command
from openai_compat.http.errors import InvalidApiKey
from openai_compat.http.page_session import COOKIE, MAX_AGE_SECONDS, is_secure, session_value
from openai_compat.http.security import HAS_KEY


class LoginCommand(CommandBody):
    """The key that a person typed."""

    key: str


@dataclass(frozen=True, slots=True)
class LoginEndpoint:
    """The endpoint; without `api_key` everybody is in."""

    api_key: str

    def routes(self) -> list[Route]:
        """Return the routes, which need no key."""
        return [
            Route("/api/login", self.log_in, methods=["POST"]),
            Route("/api/logout", self.log_out, methods=["POST"]),
            Route("/api/session", self.get_session, methods=["GET"]),
        ]

    async def log_in(self, request: Request) -> Response:
        """Set the cookie for the right key.

        Raises:
            InvalidApiKey: it is the wrong one.
        """
        key = (await read_command(request, LoginCommand)).key.strip()
        response = Response(status_code=204, headers=NO_STORE)
        if not self.api_key:
            return response
        if not hmac.compare_digest(key.encode("utf-8", "replace"), self.api_key.encode()):
            raise InvalidApiKey("This key is wrong. It is the value of api_key in config.toml of this Senses.")
        response.set_cookie(
            COOKIE,
            session_value(self.api_key),
            max_age=MAX_AGE_SECONDS,
            secure=is_secure(request.scope),
            httponly=True,
            samesite="strict",
        )
        return response

    async def log_out(self, request: Request) -> Response:
        """Delete the cookie."""
        response = Response(status_code=204, headers=NO_STORE)
        response.delete_cookie(COOKIE, secure=is_secure(request.scope), httponly=True, samesite="strict")
        return response

    async def get_session(self, request: Request) -> Response:
        """Return whether a key is needed, whether this request has it, and whether the connection is encrypted."""
        body = {
            "needs_key": bool(self.api_key),
            "has_key": request.scope.get(HAS_KEY, True),
            "is_secure": is_secure(request.scope),
        }
        return JSONResponse(body, headers=NO_STORE)
