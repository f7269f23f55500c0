"""Access control: programs and pages of this machine only, and the API key if one is configured.

Any web page can send requests to a local port. Two checks stop it: the Host header must be a name that an attacker
cannot resolve to this machine (DNS rebinding), and the Origin header, if present, must be a local page or an app.
"""

import re
import secrets
from collections.abc import Collection
from ipaddress import ip_address

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from openai_compat.http.errors import InvalidApiKey, OriginNotAllowed, error_response

LOCAL_HOSTS = frozenset(
    # the last three are a container's names for its host; attackers cannot register names under .internal
    {"localhost", "host.docker.internal", "gateway.docker.internal", "host.containers.internal"}
)
LOCAL_ORIGIN = (
    r"https?://(localhost|127\.0\.0\.1|\[::1\]|tauri\.localhost)(:\d+)?"
    r"|(app|capacitor|tauri|ionic)://[\w.-]+|vscode-webview://[\w-]+"
)
"""Pages of this machine and the pages inside desktop apps (Obsidian, Tauri, Capacitor, VS Code)."""
PUBLIC_PATHS = frozenset({"/", "/health", "/v1/audio/voices", "/v1/audio/models"})
"""Served without the key: the page (not its data), and lists that Open WebUI requests without its key."""
PUBLIC_PREFIXES = ("/web/", "/v1/files/images/", "/artifacts/")
"""The page's files, and images and artifacts with unguessable names."""


class HostOriginMiddleware:
    """ASGI middleware that rejects foreign Host and Origin headers."""

    def __init__(self, app: ASGIApp, hosts: Collection[str] = (), origins: Collection[str] = ()) -> None:
        self.app = app
        self.hosts = LOCAL_HOSTS | {host.lower() for host in hosts}
        self.origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward the request, or answer 403."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        if not self._is_allowed_host(host):
            error = OriginNotAllowed(
                f"The host {host!r} is not allowed. Use localhost, or add it to allowed_hosts in config.toml."
            )
        elif origin is not None and not self._is_allowed_origin(origin, host):
            error = OriginNotAllowed(
                f"Pages of {origin!r} may not call Senses. To allow it, add it to allowed_origins in config.toml."
            )
        else:
            await self.app(scope, receive, send)
            return
        await error_response(error)(scope, receive, send)

    def _is_allowed_host(self, host: str) -> bool:
        name = host_without_port(host)
        return name in self.hosts or is_ip_address(name)

    def _is_allowed_origin(self, origin: str, host: str) -> bool:
        is_same_origin = origin in (f"http://{host}", f"https://{host}")
        return is_same_origin or origin in self.origins or re.fullmatch(LOCAL_ORIGIN, origin) is not None


def host_without_port(host: str) -> str:
    """Return a Host header in lower case, without port and brackets."""
    name = host.lower()
    return name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]


def is_ip_address(name: str) -> bool:
    """Return whether a host is an IP address, which is safe: DNS rebinding needs a name."""
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


class ApiKeyMiddleware:
    """ASGI middleware that requires the header `Authorization: Bearer <key>`."""

    def __init__(self, app: ASGIApp, api_key: str) -> None:
        self.app = app
        self.expected_authorization = f"Bearer {api_key}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward the request, or answer 401."""
        if scope["type"] == "lifespan" or self._is_public(scope) or self._has_key(scope):
            await self.app(scope, receive, send)
            return
        error = InvalidApiKey("The API key is missing or wrong. Send it as `Authorization: Bearer <key>`.")
        await error_response(error)(scope, receive, send)

    def _is_public(self, scope: Scope) -> bool:
        path = scope["path"]
        return scope.get("method") == "OPTIONS" or path in PUBLIC_PATHS or path.startswith(PUBLIC_PREFIXES)

    def _has_key(self, scope: Scope) -> bool:
        authorization = Headers(scope=scope).get("authorization", "").encode("latin-1", "replace")
        return secrets.compare_digest(authorization, self.expected_authorization)
