"""Access control: programs and pages of this machine only, and the API key if one is configured.

Any web page can send requests to a local port. Three checks stop it: the Host header must be a name that an attacker
cannot resolve to this machine (DNS rebinding); the Origin header, if present, must be a local page or an app; and a
request that the browser marks as cross-site must come from such a page or show the status page or a result. The third
covers what has no Origin header: images, scripts and links. Browsers omit the mark on plain-http addresses of a LAN.
"""

import re
import secrets
import socket
from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from openai_compat.http.errors import InvalidApiKey, OriginNotAllowed, error_response
from openai_compat.http.page_session import has_session

LOCAL_HOSTS = frozenset(
    # the last three are a container's names for its host; attackers cannot register names under .internal
    {"localhost", "host.docker.internal", "gateway.docker.internal", "host.containers.internal"}
)
LOCAL_ORIGIN = (
    r"https?://(localhost|127\.0\.0\.1|\[::1\]|tauri\.localhost)(:\d+)?"
    r"|app://(obsidian\.md|localhost)|(capacitor|tauri|ionic)://localhost|vscode-webview://[\w-]+"
)
"""Pages of this machine and the pages inside desktop apps (Obsidian, Tauri, Capacitor, VS Code)."""
HOST_PATTERN = re.compile(r"(?:\[(?P<ipv6>[^\[\]]+)\]|(?P<name>[^\[\]:]+))(?::\d{1,5})?")
"""A Host header: an IPv6 address in brackets, or another address or name; then perhaps a port."""
LOGIN_PATHS = frozenset({"/api/login", "/api/logout", "/api/session"})
"""By which the page gets in."""
PUBLIC_PATHS = LOGIN_PATHS | {"/", "/health", "/docs", "/openapi.json", "/v1/audio/voices", "/v1/audio/models"}
"""Served without the key: the page (not its data), the description of the API, and lists that Open WebUI requests without its key."""
RESULT_PREFIXES = ("/v1/files/images/", "/artifacts/")
"""Images and artifacts with unguessable names."""
PUBLIC_PREFIXES = ("/web/", *RESULT_PREFIXES)
"""The page's files, and results."""
KEY_SUBPROTOCOL = "openai-insecure-api-key."
"""What OpenAI's clients put before the key where a browser opens a WebSocket: it lets a page set no other header."""
HAS_KEY = "senses.has_key"
"""Key of the ASGI scope: False if a key is configured and this request does not carry it."""


class HostOriginMiddleware:
    """ASGI middleware that rejects foreign Host and Origin headers, and what foreign pages embed."""

    def __init__(
        self, app: ASGIApp, hosts: Collection[str] = (), origins: Collection[str] = (), *, own_names: bool = False
    ) -> None:
        """`own_names` allows the names of this machine: for a server that other machines reach, and that has a key."""
        self.app = app
        self.own_names = own_names
        self.hosts = LOCAL_HOSTS | {host.lower() for host in hosts}
        self.origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward the request, or answer 403."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        name = host_without_port(host)
        if not self._is_allowed_host(name):
            error = OriginNotAllowed(
                f"The host {host!r} is not allowed. Use localhost, or add it to allowed_hosts in config.toml."
            )
        elif origin is not None and not self._is_allowed_origin(origin, host):
            error = OriginNotAllowed(
                f"Pages of {origin!r} may not call Senses. To allow it, add it to allowed_origins in config.toml."
            )
        elif self._is_foreign_page(scope, headers):
            error = OriginNotAllowed(
                "A page of another site may not load anything from Senses. "
                "To allow it, add its origin to allowed_origins in config.toml."
            )
        else:
            await self.app(scope, receive, send)
            return
        await error_response(error)(scope, receive, send)

    def _is_allowed_host(self, name: str) -> bool:
        return name in self.hosts or is_ip_address(name) or (self.own_names and name in own_host_names())

    def _is_allowed_origin(self, origin: str, host: str) -> bool:
        is_same_origin = origin in (f"http://{host}", f"https://{host}")
        return is_same_origin or origin in self.origins or re.fullmatch(LOCAL_ORIGIN, origin) is not None

    def _is_foreign_page(self, scope: Scope, headers: Headers) -> bool:
        """Return whether a page of another site embeds the address or links to more than the page and results."""
        if headers.get("sec-fetch-site") != "cross-site" or is_link_to_page(scope, headers):
            return False
        page = headers.get("origin") or origin_of(headers.get("referer", ""))
        return not self._is_allowed_origin(page, headers.get("host", ""))


def is_link_to_page(scope: Scope, headers: Headers) -> bool:
    """Return whether a browser opens the status page or a result as a page of its own."""
    is_navigation = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    is_page = scope["path"] == "/" or scope["path"].startswith(RESULT_PREFIXES)
    return is_navigation and is_page and scope.get("method") in ("GET", "HEAD")


def origin_of(url: str) -> str:
    """Return the origin of a Referer header, empty if it has none."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""


def host_without_port(host: str) -> str:
    """Return a Host header in lower case, without port and brackets; empty if it is malformed."""
    match = HOST_PATTERN.fullmatch(host.lower())
    return (match["ipv6"] or match["name"]) if match else ""


def is_ip_address(name: str) -> bool:
    """Return whether a host is an IP address, which is safe: DNS rebinding needs a name."""
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def own_host_names() -> frozenset[str]:
    """Return the names by which other machines of the network know this one, in lower case; they may change.

    The last is the name of multicast DNS (RFC 6762), which macOS makes of the machine's name.
    """
    full_name = socket.gethostname().lower()
    first_label = full_name.partition(".")[0]
    return frozenset({full_name, first_label, f"{first_label}.local"})


class ApiKeyMiddleware:
    """ASGI middleware that requires `Authorization: Bearer <key>` or Anthropic's `x-api-key: <key>`.

    Of a WebSocket it also takes the key as a subprotocol, and of the status page the cookie of its log-in.
    """

    def __init__(self, app: ASGIApp, api_key: str) -> None:
        self.app = app
        self.api_key = api_key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward the request, or answer 401."""
        has_key = scope["type"] == "lifespan" or self._has_key(scope) or has_session(scope, self.api_key.decode())
        if has_key or self._is_public(scope):
            await self.app({**scope, HAS_KEY: has_key}, receive, send)
            return
        error = InvalidApiKey(
            "The API key is missing or wrong. Send it as `Authorization: Bearer <key>` or `x-api-key: <key>`."
        )
        await error_response(error)(scope, receive, send)

    def _is_public(self, scope: Scope) -> bool:
        path = scope["path"]
        return scope.get("method") == "OPTIONS" or path in PUBLIC_PATHS or path.startswith(PUBLIC_PREFIXES)

    def _has_key(self, scope: Scope) -> bool:
        return any(secrets.compare_digest(key.encode("latin-1", "replace"), self.api_key) for key in sent_keys(scope))


def sent_keys(scope: Scope) -> list[str]:
    """Return the keys that a request carries: of its headers, and of the subprotocols that its WebSocket offers."""
    headers = Headers(scope=scope)
    scheme, _, key = headers.get("authorization", "").partition(" ")
    is_bearer = scheme.lower() == "bearer"  # schemes have no case (RFC 9110, section 11.1)
    offered = [name for name in scope.get("subprotocols", []) if name.startswith(KEY_SUBPROTOCOL)]
    in_headers = [*([key.strip()] if is_bearer else []), headers.get("x-api-key", "").strip()]
    return [*in_headers, *(name.removeprefix(KEY_SUBPROTOCOL) for name in offered)]
