"""Media from the web: fetched only where that was allowed, and only from the public web."""

from collections.abc import AsyncGenerator
from dataclasses import replace

import anyio
import httpx2
import pytest

from model_runtime.errors import InvalidInput
from model_runtime.formats.fetch import MAX_BYTES, Fetcher, is_public, resolve_host

PUBLIC = "93.184.215.14"


def fetcher(answer: httpx2.AsyncBaseTransport, **names: str) -> Fetcher:
    """A fetcher of a little web of its own: names with their addresses, and one server behind them all."""

    async def look_up(host: str, port: int) -> list[str]:
        return [names.get(host.partition(".")[0], PUBLIC)]

    return Fetcher(look_up, answer)


def serving(*replies: httpx2.Response) -> tuple[httpx2.MockTransport, list[httpx2.Request]]:
    """A server that gives these replies, and what it was asked."""
    asked: list[httpx2.Request] = []

    def reply(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        return replies[len(asked) - 1]

    return httpx2.MockTransport(reply), asked


async def test_a_picture_is_fetched_from_the_address_that_was_checked() -> None:
    server, asked = serving(httpx2.Response(200, content=b"picture"))

    data = await fetcher(server).fetch("https://pictures.example:8443/a?b=c", param="p")

    assert data == b"picture"
    assert str(asked[0].url) == f"https://{PUBLIC}:8443/a?b=c"
    assert asked[0].headers["host"] == "pictures.example:8443"
    assert asked[0].extensions["sni_hostname"] == "pictures.example"


@pytest.mark.promise("http:fetch")
async def test_a_redirect_into_the_house_is_not_followed() -> None:
    server, asked = serving(httpx2.Response(302, headers={"location": "http://router.home/admin"}))

    with pytest.raises(InvalidInput, match="router.home is not a public address"):
        await fetcher(server, router="192.168.1.1").fetch("http://pictures.example/a", param="p")

    assert len(asked) == 1


async def test_redirects_are_followed_and_end() -> None:
    there = httpx2.Response(302, headers={"location": "/b"})
    server, asked = serving(there, httpx2.Response(200, content=b"picture"))
    circle, _ = serving(*[there] * 9)

    assert await fetcher(server).fetch("http://pictures.example/a", param="p") == b"picture"
    assert asked[1].url.path == "/b"
    with pytest.raises(InvalidInput, match="too many redirects"):
        await fetcher(circle).fetch("http://pictures.example/a", param="p")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://pictures.example/a", "ftp is not http or https"),
        ("http://", "not http or https"),
        ("http://local.example/", "not a public address"),
        ("http://local.example:99999/", "cannot be fetched"),
    ],
)
async def test_what_is_no_public_web_address_is_refused(url: str, reason: str) -> None:
    server, asked = serving()

    with pytest.raises(InvalidInput, match=reason) as refused:
        await fetcher(server, local="127.0.0.1").fetch(url, param="p")

    assert (refused.value.param, refused.value.code) == ("p", "url_not_fetched")
    assert asked == []


@pytest.mark.promise("http:fetch")
@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104
        "224.0.0.1",
        "::1",
        "fe80::1%en0",
        "fd00::1",
        "::ffff:127.0.0.1",
        "2002:7f00:1::",
        "ff02::1",
    ],
)
def test_addresses_inside_the_house_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", [PUBLIC, "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "::ffff:93.184.215.14"])
def test_addresses_of_the_open_internet_are_public(address: str) -> None:
    assert is_public(address)


async def test_one_private_address_among_several_is_enough_to_refuse() -> None:
    async def look_up(host: str, port: int) -> list[str]:
        return [PUBLIC, "127.0.0.1"]

    server, _ = serving()
    with pytest.raises(InvalidInput, match="not a public address"):
        await replace(fetcher(server), resolve=look_up).fetch("http://both.example/", param="p")


async def test_what_is_too_large_is_not_read_to_its_end() -> None:
    sent = 0

    async def endless() -> AsyncGenerator[bytes]:
        nonlocal sent
        while True:
            sent += 1_000_000
            yield bytes(1_000_000)

    server, _ = serving(httpx2.Response(200, content=endless()))
    with pytest.raises(InvalidInput, match="larger than 50 MB"):
        await fetcher(server).fetch("http://pictures.example/", param="p")

    assert sent <= MAX_BYTES + 2_000_000


async def test_what_is_too_slow_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model_runtime.formats.fetch.TIMEOUT_SECONDS", 0.01)

    async def silence(host: str, port: int) -> list[str]:
        await anyio.sleep_forever()
        raise NotImplementedError

    with pytest.raises(InvalidInput, match="no answer within"):
        await Fetcher(silence).fetch("http://pictures.example/", param="p")


async def test_an_error_of_the_server_is_told() -> None:
    server, _ = serving(httpx2.Response(404))

    with pytest.raises(InvalidInput, match="the server answered 404"):
        await fetcher(server).fetch("http://pictures.example/", param="p")


async def test_a_name_that_no_resolver_takes_is_refused() -> None:
    server, _ = serving()

    with pytest.raises(InvalidInput, match="cannot be fetched"):
        await Fetcher(transport=server).fetch(f"http://{'a' * 70}.example/", param="p")


async def test_the_system_knows_the_addresses_of_this_machine() -> None:
    assert set(await resolve_host("localhost", 80)) <= {"127.0.0.1", "::1"}
