"""Fetch an image or a recording from the public web.

Each host name is resolved once, all of its addresses are checked, and the connection goes to a checked address, so that
DNS rebinding cannot reach a private address. Redirects are checked in the same way. The first fetch imports httpx2, to
keep an idle daemon small.
"""

import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING

import anyio

from model_runtime.errors import InvalidInput

if TYPE_CHECKING:
    import httpx2

MAX_BYTES = 50_000_000
TIMEOUT_SECONDS = 20.0
MAX_REDIRECTS = 5

ResolveHost = Callable[[str, int], Awaitable[list[str]]]


class FetchFailed(InvalidInput):
    """A web address cannot be fetched; `code` is `url_not_fetched`."""

    def __init__(self, reason: str, *, param: str) -> None:
        super().__init__(
            f"The web address cannot be fetched: {reason}. Download the file and send that instead.",
            param=param,
            code="url_not_fetched",
        )


async def resolve_host(host: str, port: int) -> list[str]:
    """Return the IP addresses of a host, from the system's resolver.

    Raises:
        OSError: the host cannot be resolved.
    """
    entries = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in entries]


def is_web_url(text: str) -> bool:
    """Return whether a text is an http or https URL rather than a path."""
    return text.lower().startswith(("http://", "https://"))


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Fetches public http(s) URLs of at most `MAX_BYTES` in at most `TIMEOUT_SECONDS`.

    `transport` None is the network; tests pass their own.
    """

    resolve: ResolveHost = resolve_host
    transport: "httpx2.AsyncBaseTransport | None" = None

    async def fetch(self, url: str, *, param: str) -> bytes:
        """Return the content of `url`.

        Raises:
            FetchFailed: the URL is not http(s) or not public, the file is too large, or the server failed or was too
                slow; the error names `param`.
        """
        import httpx2

        try:
            with anyio.fail_after(TIMEOUT_SECONDS):
                return await self._follow_redirects(url, param)
        except TimeoutError:
            raise FetchFailed(f"no answer within {TIMEOUT_SECONDS:.0f} seconds", param=param) from None
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, UnicodeError) as error:
            raise FetchFailed(str(error) or type(error).__name__, param=param) from error

    async def _follow_redirects(self, url: str, param: str) -> bytes:
        import httpx2

        target = httpx2.URL(url)
        # no proxies from the environment: they would connect to addresses that were not checked
        async with httpx2.AsyncClient(transport=self.transport, trust_env=False) as client:
            for _ in range(MAX_REDIRECTS + 1):
                request = client.build_request("GET", await self._pin_public_address(target, param))
                request.headers["host"] = target.netloc.decode("ascii")
                request.extensions["sni_hostname"] = target.host
                response = await client.send(request, stream=True)
                try:
                    if not response.has_redirect_location:
                        return await _read_body(response, param)
                    target = target.join(response.headers["location"])
                finally:
                    await response.aclose()
        raise FetchFailed("too many redirects", param=param)

    async def _pin_public_address(self, url: "httpx2.URL", param: str) -> "httpx2.URL":
        """Return the URL with its host replaced by a checked IP address."""
        if url.scheme not in ("http", "https") or not url.host:
            raise FetchFailed(f"{url.scheme or 'it'} is not http or https", param=param)
        addresses = await self.resolve(url.host, url.port or {"http": 80, "https": 443}[url.scheme])
        if not addresses or not all(is_public(address) for address in addresses):
            raise FetchFailed(f"{url.host} is not a public address", param=param)
        return url.copy_with(host=addresses[0])


DEFAULT_FETCHER = Fetcher()


def is_public(address: str) -> bool:
    """Return whether an IP address is public. An IPv4 address embedded in IPv6 must be public, too."""
    ip = ip_address(address.partition("%")[0])
    embedded_ipv4 = getattr(ip, "ipv4_mapped", None) or getattr(ip, "sixtofour", None)
    return ip.is_global and not ip.is_multicast and (embedded_ipv4 is None or embedded_ipv4.is_global)


async def _read_body(response: "httpx2.Response", param: str) -> bytes:
    if not response.is_success:
        raise FetchFailed(f"the server answered {response.status_code}", param=param)
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > MAX_BYTES:
            raise FetchFailed(f"it is larger than {MAX_BYTES // 1_000_000} MB", param=param)
    return bytes(body)
