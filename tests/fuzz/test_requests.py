"""A part of the random requests that `make fuzz` sends."""

from pathlib import Path

import anyio
import pytest
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.fuzz.mcp_answers import ExpectedAnswer
from tests.fuzz.request_inputs import EventsInput, HttpInput
from tests.fuzz.request_target import SECRET, Found, RequestTarget, open_target
from tests.fuzz.requests import send_inputs

NUMBER = 1000


@pytest.mark.promise("reliability:requests-lie")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Starlette leaves cut files to Python
@pytest.mark.parametrize("seed", [1, 2])
def test_no_request_is_answered_with_500_or_a_files_content_or_not_at_all(
    seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("CRITICAL"):
        statuses = send_inputs(NUMBER, seed)

    assert sum(statuses.values()) >= NUMBER
    assert statuses["200"] > 50  # many inputs reach the runtime
    assert statuses["400"] > 300
    assert statuses["MCP"] == NUMBER // 5


@pytest.mark.parametrize("status", [500, 503])
async def test_a_server_error_is_found(status: int) -> None:
    with pytest.raises(Found, match=str(status)):
        await RequestTarget(answering(status, b"oops"), "", Path()).send(HttpInput("GET", "/"))


async def test_a_session_that_fails_is_found() -> None:
    async def fail(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 1011})

    with pytest.raises(Found, match="refused or failed"):
        await RequestTarget(fail, "", Path()).send_events(EventsInput((b"{}",)))


async def test_the_content_of_a_file_is_found() -> None:
    with pytest.raises(Found, match="content of a file"):
        await RequestTarget(answering(400, b"bad: " + SECRET), "", Path()).send(HttpInput("GET", "/"))


async def test_a_line_with_another_answer_than_expected_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.fuzz.request_target.expected_answer", lambda line: ExpectedAnswer("7"))

    async with open_target(tmp_path) as target:
        with pytest.raises(Found, match="instead of"):
            await target.send_line(b'{"jsonrpc":"2.0","id":7,"method":"ping"}')


async def test_a_request_without_an_answer_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.fuzz.request_target.ANSWER_SECONDS", 0.01)

    async def hang(scope: Scope, receive: Receive, send: Send) -> None:
        await anyio.sleep_forever()

    with pytest.raises(Found, match="no answer"):
        await RequestTarget(hang, "", Path()).send(HttpInput("GET", "/"))


def answering(status: int, body: bytes) -> ASGIApp:
    """Return an application with one answer."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await Response(body, status)(scope, receive, send)

    return app
