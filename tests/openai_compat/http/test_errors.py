"""Every error is an answer with OpenAI's envelope and a retry hint."""

from collections.abc import AsyncGenerator

import httpx2
import openai
import pytest
from openai import AsyncOpenAI

from model_runtime import errors
from model_runtime.decoding.process import DecodingFailed
from model_runtime.errors import SensesError
from openai_compat.http.errors import error_response
from tests.fakes import FakeService

TABLE = [
    (errors.InvalidInput("x", param="p"), 400, "invalid_request_error", True),
    (errors.UnknownModel("x", ["y"]), 404, "invalid_request_error", True),
    (errors.WrongTask("x", "speech", "vision", []), 400, "invalid_request_error", True),
    (errors.ContextExceeded(100, "resulted in 101 tokens"), 400, "invalid_request_error", True),
    (errors.InvalidMedia("x", param="p"), 400, "invalid_request_error", True),
    (errors.ModelTooLarge("x", 9, 1), 400, "invalid_request_error", False),
    (errors.ModelMissing("x", 9, "y"), 404, "invalid_request_error", False),
    (errors.ModelBroken("x"), 404, "invalid_request_error", False),
    (errors.QueueFull("x", 3), 429, "rate_limit_error", True),
    (errors.QueueTimeout("x", 3), 503, "server_error", True),
    (errors.ModelUnavailable("x", 3), 503, "server_error", True),
    (errors.ShuttingDown("x", 3), 503, "server_error", True),
    (errors.LoadFailed("x"), 500, "server_error", False),
    (errors.WorkerDied("x"), 502, "server_error", True),
    (errors.InsufficientStorage("x"), 507, "server_error", False),
    (DecodingFailed("x"), 502, "server_error", True),
    (errors.Busy("x", 5), 503, "server_error", True),
    (errors.JobStalled("x"), 504, "server_error", False),
    (errors.OutOfMemory("x"), 500, "server_error", False),
    (errors.JobFailed("x"), 500, "server_error", False),
    (errors.Cancelled("x"), 499, "cancelled", False),
]


@pytest.mark.promise("openai:errors")
@pytest.mark.parametrize(("error", "status", "kind", "retry"), TABLE, ids=lambda value: type(value).__name__)
async def test_every_error_of_the_runtime_has_its_place(
    http: httpx2.AsyncClient, service: FakeService, error: SensesError, status: int, kind: str, retry: bool
) -> None:
    service.error = error

    answer = await http.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": "hi"}]})

    assert answer.status_code == status
    found = answer.json()["error"]
    assert found.pop("message").startswith(error.message)
    assert found == {"type": kind, "param": error.param, "code": error.code}
    assert answer.headers.get("x-should-retry") == (None if retry else "false")
    assert answer.headers["x-request-id"].startswith("req_")


EXCEPTIONS: dict[int, type[openai.APIStatusError]] = {
    400: openai.BadRequestError,
    404: openai.NotFoundError,
    429: openai.RateLimitError,
    499: openai.APIStatusError,
}
"""Status → what the official client raises; `InternalServerError` from 500 up."""
RETRIED = {408, 409, 429}
"""What the official client repeats besides 500 and more, unless an answer forbids it."""


@pytest.mark.promise("openai:errors")
@pytest.mark.parametrize(("error", "status", "kind", "retry"), TABLE, ids=lambda value: type(value).__name__)
async def test_the_official_client_raises_what_its_users_catch_and_repeats_nothing_in_vain(
    sdk: AsyncOpenAI, service: FakeService, error: SensesError, status: int, kind: str, retry: bool
) -> None:
    service.error = error
    may_succeed = retry and (status in RETRIED or status >= 500)
    patient = sdk.with_options(max_retries=0 if may_succeed else 2)

    with pytest.raises(openai.APIStatusError) as caught:
        await patient.chat.completions.create(model="", messages=[{"role": "user", "content": "hi"}])

    assert type(caught.value) is EXCEPTIONS.get(status, openai.InternalServerError)
    assert (caught.value.code, caught.value.param, caught.value.type) == (error.code, error.param, kind)
    assert error.message in caught.value.message
    assert caught.value.response.request.headers["x-stainless-retry-count"] == "0"


@pytest.mark.parametrize(
    ("path", "body", "param", "field"),
    [
        ("audio/speech", {"input": "…"}, "text", "input"),
        ("responses", {"input": "hi"}, "max_tokens", "max_output_tokens"),
        ("responses/", {"input": "hi", "stream": True}, "messages", "input"),
        ("images/generations", {"prompt": "a cat", "size": "2048x2048"}, "width", "size"),
        ("chat/completions", {"messages": [{"role": "user", "content": "hi"}]}, "top_p", "top_p"),
    ],
)
async def test_what_the_runtime_refuses_has_the_clients_name_of_the_field(
    http: httpx2.AsyncClient, service: FakeService, path: str, body: dict[str, object], param: str, field: str
) -> None:
    service.error = errors.InvalidInput("x", param=param)

    answer = await http.post(f"/v1/{path}", json=body)

    assert answer.json()["error"]["param"] == field


def leaf_classes(kind: type[SensesError]) -> set[type[SensesError]]:
    """Return the runtime's error classes below `kind` that have no subclasses in the runtime."""
    children = {child for child in kind.__subclasses__() if child.__module__ == errors.__name__}
    return set().union(*map(leaf_classes, children)) if children else {kind}


def test_the_table_above_covers_the_whole_tree() -> None:
    before_serving = {errors.SettingsError}

    assert leaf_classes(SensesError) - before_serving <= {type(error) for error, *_ in TABLE}


@pytest.mark.parametrize(("seconds", "header"), [(0.0, "1"), (2.1, "3"), (542.3, "543"), (1e6, "3600")])
def test_the_advice_to_wait_is_the_estimate_up_to_an_hour(seconds: float, header: str) -> None:
    assert error_response(errors.QueueFull("x", seconds)).headers["retry-after"] == header


@pytest.mark.parametrize(
    ("method", "path", "hint"),
    [
        ("POST", "/v1/images/variations", "/v1/images/edits, with a prompt"),
        ("POST", "/v1/rerank", "/v1/embeddings"),
        ("GET", "/v1/realtime", "/v1/audio/transcriptions"),
        ("POST", "/v1/nothing", "POST /v1/chat/completions"),
        ("POST", "/chat/completions", "The base URL ends in /v1."),
        ("GET", "/v1/readyz", "not served"),
        ("GET", "/favicon.ico", "not served"),
        ("GET", "/web/none.js", "not served"),
    ],
)
@pytest.mark.promise("openai:errors")
async def test_what_is_not_served_is_404_with_what_is(
    http: httpx2.AsyncClient, method: str, path: str, hint: str
) -> None:
    answer = await http.request(method, path)

    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "unknown_url"
    assert f"{method} {path} is not served." in answer.json()["error"]["message"]
    assert hint in answer.json()["error"]["message"]


async def test_a_wrong_method_names_the_right_one(http: httpx2.AsyncClient) -> None:
    answer = await http.get("/v1/chat/completions")

    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert answer.json()["error"]["message"] == "/v1/chat/completions does not take GET, only POST."


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'"text"', b"\xff\xfe", b'{"messages": 1' + b"0" * 300_000]
)
async def test_a_body_that_is_no_json_object_is_refused(http: httpx2.AsyncClient, body: bytes) -> None:
    answer = await http.post("/v1/chat/completions", content=body)

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid_json"


async def test_a_trailing_slash_does_no_harm(http: httpx2.AsyncClient) -> None:
    assert (await http.get("/v1/models/")).status_code == 200


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_that_is_too_large_is_refused(
    http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch, declared: bool
) -> None:
    monkeypatch.setattr("openai_compat.http.uploads.MAX_BODY_BYTES", 1_000_000)

    async def chunks() -> AsyncGenerator[bytes]:
        for _ in range(3):
            yield b" " * 500_000

    answer = await http.post("/v1/chat/completions", content=b" " * 1_500_000 if declared else chunks())

    assert answer.status_code == 413
    message = "The body is larger than 1 MB, the limit of this endpoint. Send a smaller one."
    assert answer.json()["error"]["message"] == message


async def test_a_bug_shows_only_the_id_of_its_log_entry(
    http: httpx2.AsyncClient, service: FakeService, caplog: pytest.LogCaptureFixture
) -> None:
    service.status = lambda: 1 / 0  # type: ignore[assignment, method-assign, return-value]

    answer = await http.get("/v1/models")

    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (500, "internal_error")
    assert answer.headers["x-request-id"] in error["message"]
    assert "division" not in answer.text
    assert f"{answer.headers['x-request-id']} GET /v1/models failed" in caplog.text


async def test_a_bug_in_a_stream_ends_it_with_an_error(
    sdk: AsyncOpenAI, service: FakeService, caplog: pytest.LogCaptureFixture
) -> None:
    service.error_after_first_event = RuntimeError("secret")  # type: ignore[assignment]
    stream = await sdk.chat.completions.create(model="", messages=[{"role": "user", "content": "hi"}], stream=True)

    with pytest.raises(openai.APIError, match="Internal error in Senses"):
        async for _ in stream:
            pass

    assert "secret" in caplog.text


async def test_every_answer_has_an_id_and_its_duration(http: httpx2.AsyncClient) -> None:
    answers = [await http.get("/health") for _ in range(2)]

    assert len({answer.headers["x-request-id"] for answer in answers}) == 2
    assert all(answer.headers["openai-processing-ms"].isdecimal() for answer in answers)
