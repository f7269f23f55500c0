"""Fetching a picture from the web, where the owner has allowed it, and only from the public web.

A name is resolved once, every address is checked, and the connection goes to the checked address, so that a name
cannot change its mind in between. Redirects go through the same door.
"""

import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ipaddress import ip_address

import anyio
import httpx2

from model_runtime.errors import InvalidInput

LIMIT_BYTES = 20_000_000
LIMIT_SECONDS = 10.0
LIMIT_REDIRECTS = 5

Resolve = Callable[[str, int], Awaitable[list[str]]]


async def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a host as the system knows them."""
    found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Fetches public http(s) addresses: at most 20 MB, in at most 10 seconds."""

    resolve: Resolve = resolve
    transport: httpx2.AsyncBaseTransport | None = None
    """None is the network; tests bring their own."""

    async def fetch(self, url: str, *, param: str) -> bytes:
        """Return what is at `url`.

        Raises:
            InvalidInput: not http(s), not public, too large, too slow, or not there; `param` names it.
        """
        try:
            with anyio.fail_after(LIMIT_SECONDS):
                return await self._follow(url, param)
        except TimeoutError:
            raise _unfetched(param, f"no answer within {LIMIT_SECONDS:.0f} seconds") from None
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, UnicodeError) as error:
            raise _unfetched(param, str(error) or type(error).__name__) from error

    async def _follow(self, url: str, param: str) -> bytes:
        target = httpx2.URL(url)
        # no proxies from the environment: they would connect where this code has not looked
        async with httpx2.AsyncClient(transport=self.transport, trust_env=False) as client:
            for _ in range(LIMIT_REDIRECTS + 1):
                request = client.build_request("GET", *await self._checked(target, param))
                request.headers["host"] = target.netloc.decode("ascii")
                request.extensions["sni_hostname"] = target.host
                response = await client.send(request, stream=True)
                try:
                    if not response.has_redirect_location:
                        return await _read(response, param)
                    target = target.join(response.headers["location"])
                finally:
                    await response.aclose()
        raise _unfetched(param, "too many redirects")

    async def _checked(self, url: httpx2.URL, param: str) -> tuple[httpx2.URL]:
        """The same address with its host replaced by a number that was checked."""
        if url.scheme not in ("http", "https") or not url.host:
            raise _unfetched(param, f"{url.scheme or 'it'} is not http or https")
        addresses = await self.resolve(url.host, url.port or {"http": 80, "https": 443}[url.scheme])
        if not addresses or not all(is_public(address) for address in addresses):
            raise _unfetched(param, f"{url.host} is not a public address")
        return (url.copy_with(host=addresses[0]),)


def is_public(address: str) -> bool:
    """Whether an address is one of the open internet, also when written as IPv4 inside IPv6."""
    number = ip_address(address.partition("%")[0])
    mapped = getattr(number, "ipv4_mapped", None) or getattr(number, "sixtofour", None)
    return number.is_global and not number.is_multicast and (mapped is None or mapped.is_global)


async def _read(response: httpx2.Response, param: str) -> bytes:
    if not response.is_success:
        raise _unfetched(param, f"the server answered {response.status_code}")
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > LIMIT_BYTES:
            raise _unfetched(param, f"it is larger than {LIMIT_BYTES // 1_000_000} MB")
    return bytes(body)


def _unfetched(param: str, reason: str) -> InvalidInput:
    return InvalidInput(
        f"The picture cannot be fetched: {reason}. Send it as a data: URL instead.",
        param=param,
        code="invalid_image_url",
    )
