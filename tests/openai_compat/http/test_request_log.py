"""The log of requests: one line each, and those that only read and succeed are not of interest."""

import contextlib
import logging

import httpx2
import pytest
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from openai_compat.http.request_log import RequestLogMiddleware


class Answering:
    """An application with one answer; none stands for an exception before the response."""

    def __init__(self, status: int | None) -> None:
        self._status = status

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        if self._status is None:
            raise RuntimeError("unexpected")
        await Response(status_code=self._status)(scope, receive, send)


async def answer_to(method: str, status: int | None) -> httpx2.Response:
    transport = httpx2.ASGITransport(RequestLogMiddleware(Answering(status)))
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as http:
        return await http.request(method, "/v1/models")


@pytest.mark.parametrize(
    ("method", "status", "level"),
    [
        ("GET", 200, logging.DEBUG),
        ("GET", 399, logging.DEBUG),
        ("HEAD", 200, logging.DEBUG),
        ("GET", 400, logging.INFO),
        ("POST", 200, logging.INFO),
        ("POST", 500, logging.INFO),
    ],
)
async def test_only_what_changes_something_or_fails_is_logged(
    method: str, status: int, level: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "openai_compat"):
        answer = await answer_to(method, status)

    (line,) = [record for record in caplog.records if record.name.startswith("openai_compat")]
    request_id = answer.headers["x-request-id"]
    assert line.levelno == level
    assert line.getMessage().startswith(f"{request_id} {method} /v1/models → {status}, ")


async def test_a_bug_is_logged_under_the_id_that_the_client_is_told(caplog: pytest.LogCaptureFixture) -> None:
    answer = await answer_to("GET", None)

    request_id = answer.headers["x-request-id"]
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal_error"
    assert request_id in answer.json()["error"]["message"]
    assert f"{request_id} GET /v1/models failed" in caplog.text


@pytest.mark.parametrize(("kind", "begins"), [("websocket", "websocket.accept"), ("http", "http.response.start")])
async def test_a_client_that_has_gone_is_no_bug_of_a_web_socket(
    kind: str, begins: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def begin(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": begins, "status": 200, "headers": []})

    async def receive() -> dict[str, str]:
        raise NotImplementedError

    async def send(message: object) -> None:
        raise OSError("gone")

    scope = {"type": kind, "path": "/", **({"method": "GET"} if kind == "http" else {})}
    with contextlib.suppress(OSError):
        await RequestLogMiddleware(begin)(scope, receive, send)

    assert ("failed" in caplog.text) == (kind == "http")
