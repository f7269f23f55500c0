"""Every failure on Anthropic's routes is its envelope, also where no endpoint is reached."""

from dataclasses import replace

import anthropic
import httpx2
import pytest
from anthropic import AsyncAnthropic
from anthropic.types import MessageParam

from model_runtime import errors
from model_runtime.errors import SensesError
from model_runtime.settings import Settings
from openai_compat.app import create_app
from tests.fakes import FakeService
from tests.openai_compat.conftest import SwitchableApp

HI: list[MessageParam] = [{"role": "user", "content": "hi"}]
BODY = {"model": "auto", "max_tokens": 9, "messages": HI}
TABLE = [
    (errors.InvalidInput("x", param="p"), 400, "invalid_request_error", None),
    (errors.UnknownModel("x", ["y"]), 404, "not_found_error", None),
    (errors.WrongTask("x", "speech", "vision", []), 400, "invalid_request_error", None),
    (errors.ModelTooLarge("x", 9, 1), 400, "invalid_request_error", "false"),
    (errors.ModelMissing("x", 9, "y"), 404, "not_found_error", "false"),
    (errors.QueueFull("x", 3), 429, "rate_limit_error", None),
    (errors.QueueTimeout("x", 3), 529, "overloaded_error", None),
    (errors.ShuttingDown("x", 3), 529, "overloaded_error", None),
    (errors.LoadFailed("x"), 500, "api_error", "false"),
    (errors.WorkerDied("x"), 502, "api_error", None),
    (errors.JobStalled("x"), 504, "timeout_error", "false"),
    (errors.InsufficientStorage("x"), 507, "api_error", "false"),
]


@pytest.mark.promise("anthropic:errors")
@pytest.mark.parametrize(("error", "status", "kind", "retried"), TABLE, ids=lambda value: type(value).__name__)
async def test_every_error_of_the_runtime_has_its_place(
    http: httpx2.AsyncClient, service: FakeService, error: SensesError, status: int, kind: str, retried: str | None
) -> None:
    service.error = error

    answer = await http.post("/v1/messages", json=BODY)

    assert answer.status_code == status
    told = answer.json()
    assert told["error"].pop("message").startswith(error.message)
    assert told == {
        "type": "error",
        "error": {"type": kind, "details": {"error_code": error.code}},
        "request_id": answer.headers["request-id"],
    }
    assert answer.headers.get("x-should-retry") == retried
    assert answer.headers.get("retry-after") == ("3" if isinstance(error, errors.Busy) else None)
    assert int(answer.headers["content-length"]) == len(answer.content)


@pytest.mark.promise("anthropic:errors")
async def test_the_client_raises_what_happened(claude: AsyncAnthropic, service: FakeService) -> None:
    service.error = errors.QueueTimeout("It waited too long.", 3)

    with pytest.raises(anthropic.InternalServerError, match="It waited too long") as raised:
        await claude.messages.create(model="auto", max_tokens=9, messages=HI)

    assert (raised.value.type, raised.value.error_code) == ("overloaded_error", "queue_timeout")
    assert raised.value.request_id


@pytest.mark.promise("anthropic:errors")
@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            errors.ContextExceeded(100, "resulted in 120 tokens", prompt_tokens=120),
            "prompt is too long: 120 tokens > 100 maximum. ",
        ),
        (errors.ContextExceeded(100, "have 9000 bytes"), "prompt is too long: This model's maximum context length"),
    ],
)
async def test_a_prompt_that_is_too_long_has_the_words_that_agents_look_for(
    http: httpx2.AsyncClient, service: FakeService, error: SensesError, words: str
) -> None:
    service.error = error

    answer = await http.post("/v1/messages", json=BODY)

    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith(words)


@pytest.mark.promise("anthropic:errors")
@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "kind", "hint"),
    [
        ("GET", "/v1/messages", {}, 405, "invalid_request_error", "only POST"),
        ("POST", "/v1/messages/batches", {}, 404, "not_found_error", "Senses has no batches"),
        ("POST", "/v1/messages/none", {}, 404, "not_found_error", "POST /v1/messages/count_tokens"),
        ("POST", "/v1/v1/messages", {"anthropic-version": "2023-06-01"}, 404, "not_found_error", "not end in /v1"),
        ("POST", "/v1/complete", {"anthropic-version": "2023-06-01"}, 404, "not_found_error", "Use /v1/messages"),
        ("POST", "/v1/messages", {"host": "evil.example"}, 403, "permission_error", "is not allowed"),
        ("POST", "/v1/messages", {"origin": "https://evil.example"}, 403, "permission_error", "may not call"),
        ("POST", "/v1/messages", {}, 400, "invalid_request_error", "not JSON"),
    ],
)
async def test_what_no_endpoint_answers_has_the_envelope_too(
    http: httpx2.AsyncClient, method: str, path: str, headers: dict[str, str], status: int, kind: str, hint: str
) -> None:
    answer = await http.request(method, path, headers=headers)

    assert answer.status_code == status
    told = answer.json()
    assert (told["type"], told["error"]["type"]) == ("error", kind)
    assert hint in told["error"]["message"]
    assert told["request_id"] == answer.headers["request-id"]


@pytest.mark.promise("anthropic:errors")
async def test_a_body_that_is_too_large_is_told_so(http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openai_compat.http.uploads.MAX_BODY_BYTES", 1000)

    answer = await http.post("/v1/messages", content=b" " * 1001)

    assert (answer.status_code, answer.json()["error"]["type"]) == (413, "request_too_large")


@pytest.mark.promise("anthropic:errors")
async def test_a_bug_is_told_in_the_envelope(
    http: httpx2.AsyncClient, service: FakeService, caplog: pytest.LogCaptureFixture
) -> None:
    service.error = RuntimeError("secret")  # type: ignore[assignment]

    answer = await http.post("/v1/messages", json=BODY)

    assert (answer.status_code, answer.json()["error"]["type"]) == (500, "api_error")
    assert "secret" not in answer.text
    assert "secret" in caplog.text


async def test_a_client_may_look_whether_anybody_is_there(http: httpx2.AsyncClient) -> None:
    assert (await http.head("/")).status_code == 200


@pytest.mark.promise("http:key")
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"x-api-key": "secret"}, 200),
        ({"authorization": "Bearer secret"}, 200),
        ({"x-api-key": "secret", "authorization": "Bearer other"}, 200),
        ({"x-api-key": "other"}, 401),
        ({"x-api-key": ""}, 401),
        ({}, 401),
    ],
)
async def test_the_key_comes_by_either_header(
    server: tuple[SwitchableApp, str], service: FakeService, settings: Settings, headers: dict[str, str], status: int
) -> None:
    switch, address = server
    switch.app = create_app(service, replace(settings, api_key="secret"))

    async with httpx2.AsyncClient(base_url=address) as http:
        answer = await http.post("/v1/messages", json=BODY, headers=headers)

    assert answer.status_code == status
    if status == 401:
        assert answer.json()["error"]["type"] == "authentication_error"
