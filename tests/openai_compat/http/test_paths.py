"""Paths and framings that no honest client sends."""

import anyio
import httpx2
import pytest

from tests.fakes import FakeService

SMUGGLED = b"POST /api/models/vlm-starter/start HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
AMBIGUOUS = {
    "two lengths": b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n" % len(SMUGGLED),
    "a list of lengths": b"Content-Length: 0, %d\r\n\r\n" % len(SMUGGLED),
    "a signed length": b"Content-Length: +0\r\n\r\n",
    "an encoding with a second name": b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "an encoding twice": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "an unknown encoding": b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a space before the colon": b"Content-Length : 0\r\n\r\n",
    "a folded line": b"X: a\r\n b\r\nTransfer-Encoding: \r\n chunked\r\nContent-Length : 5\r\n\r\n",
    "a chunk of a bad size": b"Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n0\r\n\r\n",
    "a length and an encoding": b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two hosts": b"Host: localhost\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.promise("reliability:odd-paths")
@pytest.mark.parametrize(
    "path",
    [
        "/v1/models/a%00b",
        "/v1/models/%0aforged",
        "/v1/models/%1b[31m",
        "/v1/models/" + "a" * 5000,
        f"/api/jobs/{'9' * 5000}/cancel",
        "/api/models/%00/start",
        "/web/%00",
        "/artifacts/images/%00.png",
        "/v1/files/images/%00",
    ],
)
async def test_a_path_that_no_address_has_is_not_found(http: httpx2.AsyncClient, path: str) -> None:
    for method in ("GET", "POST"):
        answer = await http.request(method, path)

        assert answer.status_code == 404
        assert answer.json()["error"]["code"] == "unknown_url"


@pytest.mark.parametrize("depth", [100, 100_000])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses", "/v1/images/generations"])
async def test_deep_nesting_is_refused(http: httpx2.AsyncClient, path: str, depth: int) -> None:
    body = b'{"messages": %s, "input": %s, "prompt": 1}'
    nested = b"[" * depth + b"]" * depth

    answer = await http.post(path, content=body % (nested, nested))

    assert answer.status_code == 400


@pytest.mark.promise("reliability:smuggling")
@pytest.mark.parametrize("framing", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
async def test_a_request_of_ambiguous_length_is_refused_with_all_that_follows(
    url: str, service: FakeService, framing: bytes
) -> None:
    host, _, port = url.removeprefix("http://").partition(":")

    async with await anyio.connect_tcp(host, int(port)) as stream:
        await stream.send(b"POST /v1/responses HTTP/1.1\r\nHost: localhost\r\n" + framing + SMUGGLED)
        with anyio.fail_after(15):
            answer = b"".join([piece async for piece in stream])

    assert answer.split()[1] in (b"400", b"501")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert service.loaded_models == []
