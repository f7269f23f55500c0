"""Bodies: stored while they come, bounded over all requests, and ended when their client stops sending."""

import base64
import errno
import io
import json
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx2
import pytest
from anyio.abc import SocketStream
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from model_runtime.requests import Chat
from model_runtime.settings import Settings
from openai_compat.api import bodies
from openai_compat.api.chat_body import ChatBody
from openai_compat.app import create_app
from openai_compat.http import uploads
from openai_compat.http.errors import UploadsFull
from openai_compat.http.json_counter import JsonValueCounter
from openai_compat.http.uploads import UploadCapacity, UploadMiddleware
from tests.fakes import FakeService
from tests.openai_compat.clients import wait_until
from tests.openai_compat.conftest import SwitchableApp

CHAT = "/v1/chat/completions"
TRANSCRIBE = "/v1/audio/transcriptions"
BIG = 600_000


@asynccontextmanager
async def unfinished_upload(
    url: str, path: str, sent_bytes: int, content_type: str = "application/json"
) -> AsyncGenerator[SocketStream]:
    """Send the head of a request and the first bytes of its body; the last ten never come."""
    host, _, port = url.removeprefix("http://").partition(":")
    form = '--XX\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' if "form" in content_type else ""
    length = len(form) + sent_bytes + 10
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n"
    async with await anyio.connect_tcp(host, int(port)) as stream:
        await stream.send((head + form).encode() + b" " * sent_bytes)
        yield stream


def envelope_of(raw: bytes) -> tuple[int, dict[str, str], dict[str, str]]:
    """Return status, headers and error of a raw answer."""
    head, _, body = raw.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
    return int(lines[0].split()[1]), headers, json.loads(body)["error"]


@pytest.mark.promise("reliability:stalled-uploads")
@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        (CHAT, "application/json"),
        ("/mcp", "application/json"),
        (TRANSCRIBE, "application/json"),
        (TRANSCRIBE, "multipart/form-data; boundary=XX"),
    ],
)
async def test_an_upload_that_sends_nothing_for_half_a_minute_is_ended(
    server: tuple[SwitchableApp, str],
    service: FakeService,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    content_type: str,
) -> None:
    async def read(request: Request) -> Response:
        return PlainTextResponse(str(len(await request.body())))

    switch, url = server
    switch.app = create_app(service, settings, extra_routes=[Route("/mcp", read, methods=["POST"])])
    monkeypatch.setattr(uploads, "STALL_SECONDS", 0.05)

    async with unfinished_upload(url, path, 1000, content_type) as stream:
        raw = b"".join([piece async for piece in stream])

    status, headers, error = envelope_of(raw)
    assert (status, error["code"], headers["connection"]) == (408, "upload_timed_out", "close")
    assert error["message"].startswith("The upload sent nothing for 0 s after 1")


@pytest.mark.promise("reliability:uploads-bounded")
@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data; boundary=XX"])
async def test_uploads_of_all_clients_together_are_bounded(
    server: tuple[SwitchableApp, str], settings: Settings, monkeypatch: pytest.MonkeyPatch, content_type: str
) -> None:
    monkeypatch.setattr(uploads, "CAPACITY_BYTES", 1_000_000)
    switch, url = server
    switch.app = app = create_app(FakeService(), settings)

    async with httpx2.AsyncClient(base_url=url) as http:
        alone = await http.post(CHAT, content=pieces(chat(BIG)))
        async with unfinished_upload(url, TRANSCRIBE, uploads.MEMORY_BYTES + 800_000, content_type):
            await wait_until(lambda: capacity_of(app).used_bytes >= 800_000)
            full = await http.post(CHAT, content=pieces(chat(BIG)))
            declared = await http.post(CHAT, content=chat(BIG))
            small = await http.post(CHAT, content=chat(1000))
            health = await http.get("/health")
        await wait_until(lambda: capacity_of(app).used_bytes == 0)
        afterwards = await http.post(CHAT, content=pieces(chat(BIG)))

    assert [answer.status_code for answer in (alone, small, health, afterwards)] == [200] * 4
    assert (full.status_code, full.headers["retry-after"], full.json()["error"]["code"]) == (503, "30", "uploads_full")
    assert declared.status_code == 503


def capacity_of(app: Starlette) -> UploadCapacity:
    """Return what counts the bytes of an application's uploads."""
    layer: Any = app.middleware_stack
    while not isinstance(layer, UploadMiddleware):
        layer = layer.app
    return layer.capacity


def chat(text_bytes: int) -> bytes:
    """Return the body of a chat with a text of this size."""
    return json.dumps({"messages": [{"role": "user", "content": "x" * text_bytes}]}).encode()


def noise_url(side: int) -> str:
    """Return a data: URL of a picture that cannot be compressed."""
    picture = io.BytesIO()
    Image.effect_noise((side, side), 99).convert("RGB").save(picture, "BMP")
    return "data:image/bmp;base64," + base64.b64encode(picture.getvalue()).decode()


async def pieces(body: bytes) -> AsyncGenerator[bytes]:
    """Yield a body in pieces, without a Content-Length."""
    for start in range(0, len(body), 50_000):
        yield body[start : start + 50_000]


@pytest.mark.promise("reliability:uploads-bounded")
async def test_a_parsed_body_no_longer_counts(
    server: tuple[SwitchableApp, str], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long answer to a large body does not keep others from sending theirs."""
    monkeypatch.setattr(uploads, "CAPACITY_BYTES", 1_000_000)
    switch, url = server
    service = FakeService(gate=anyio.Event())
    switch.app = create_app(service, settings)

    async with httpx2.AsyncClient(base_url=url) as http, anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(lambda: http.post(CHAT, content=chat(BIG)))
            await wait_until(lambda: len(service.requests) == 3 or service.requests)
        await wait_until(lambda: len(service.requests) == 3)
        assert service.gate is not None
        service.gate.set()


@pytest.mark.promise("reliability:uploads-bounded")
async def test_a_body_counts_until_its_pictures_are_decoded(
    server: tuple[SwitchableApp, str], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "CAPACITY_BYTES", 1_000_000)
    switch, url = server
    service = FakeService()
    switch.app = app = create_app(service, settings)
    part = {"type": "image_url", "image_url": {"url": noise_url(490)}}
    body = {"messages": [{"role": "user", "content": [part]}]}

    async with httpx2.AsyncClient(base_url=url) as http, anyio.create_task_group() as tasks:
        async with service.media.admission.admit(service.media.admission.free_bytes):
            tasks.start_soon(lambda: http.post(CHAT, content=json.dumps(body).encode()))
            await wait_until(lambda: service.media.admission.waiting_count == 1)
            while_it_waits = capacity_of(app).used_bytes
            refused = await http.post(CHAT, content=chat(BIG))
        await wait_until(lambda: capacity_of(app).used_bytes == 0)

    assert while_it_waits >= 3 * 490 * 490 - uploads.MEMORY_BYTES
    assert refused.status_code == 503


async def test_a_large_body_arrives_unchanged(http: httpx2.AsyncClient, service: FakeService) -> None:
    text = "".join(chr(32 + index % 90) for index in range(BIG))

    answer = await http.post(
        CHAT, content=pieces(json.dumps({"messages": [{"role": "user", "content": text}]}).encode())
    )

    assert answer.status_code == 200
    (request,) = service.requests
    assert isinstance(request, Chat)
    assert request.messages[0].content == (text,)


async def test_a_full_disk_is_told(http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(uploads, "TemporaryFile", fail)

    answer = await http.post(CHAT, content=chat(BIG))

    assert answer.status_code == 507
    assert "No space left on device" in answer.json()["error"]["message"]


@pytest.mark.promise("reliability:many-messages")
async def test_millions_of_messages_are_refused_before_they_are_parsed(
    http: httpx2.AsyncClient, service: FakeService
) -> None:
    message = b'{"role":"user","content":"x"},'
    body = b'{"messages":[' + message * 200_000 + message[:-1] + b"]}"

    for path in (CHAT, "/v1/responses", "/mcp"):
        answer = await http.post(path, content=body)

        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "too_many_values")
        assert "200000 JSON values" in answer.json()["error"]["message"]


@pytest.mark.promise("reliability:many-messages")
@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        (CHAT, {"messages": [{"role": "user"}] * 4097}, "messages: 4097 messages are more than the limit of 4096."),
        (
            "/v1/responses",
            {"input": [{"role": "user"}] * 4097},
            "input: 4097 messages are more than the limit of 4096.",
        ),
        (
            CHAT,
            {"messages": [{"role": "user", "content": [{"text": "x"}] * 4097}]},
            "messages[0].content: 4097 parts are more than the limit of 4096.",
        ),
        (
            CHAT,
            {"messages": [{"role": "user", "content": [{"text": "x"}] * 2049}] * 2},
            "messages has 4098 parts; the limit is 4096 per request.",
        ),
        (
            CHAT,
            {"messages": [{"role": "user", "content": "x"}], "tools": [{}] * 1025},
            "tools: 1025 tools are more than the limit of 1024.",
        ),
        (
            "/v1/responses",
            {"input": "x", "tools": [{}] * 1025},
            "tools: 1025 tools are more than the limit of 1024.",
        ),
    ],
)
async def test_numbers_of_messages_parts_and_tools_are_bounded(
    http: httpx2.AsyncClient, path: str, body: dict[str, object], message: str
) -> None:
    answer = await http.post(path, json=body)

    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == f"{message} Send fewer."


@pytest.mark.promise("reliability:many-messages")
async def test_a_long_text_full_of_brackets_and_escapes_is_no_long_list(http: httpx2.AsyncClient) -> None:
    text = '{"a": [1, 2, "\\"]},\n' * 50_000

    answer = await http.post(CHAT, json={"messages": [{"role": "user", "content": text}]})

    assert answer.status_code == 200


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.sampled_from('ab"\\,[]{}: \n')),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.sampled_from('a"\\,[{')), inner),
)


@given(value=json_values, split=st.integers(1, 7))
def test_values_are_counted_whatever_their_texts_hold_and_wherever_the_body_is_split(value: object, split: int) -> None:
    text = json.dumps(value).encode()
    counter = JsonValueCounter()

    for start in range(0, len(text), split):
        counter.feed(text[start : start + split])

    assert counter.count == commas_and_brackets(value)


def commas_and_brackets(value: object) -> int:
    """Return how many commas and opening brackets the JSON of a value has outside strings."""
    if not isinstance(value, (list, dict)):
        return 0
    inner = value.values() if isinstance(value, dict) else value
    return 1 + max(len(value) - 1, 0) + sum(map(commas_and_brackets, inner))


@pytest.mark.promise("reliability:many-messages")
@pytest.mark.parametrize(("text_bytes", "in_thread"), [(1000, False), (BIG, True)])
async def test_a_large_body_is_parsed_and_validated_off_the_event_loop(
    http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch, text_bytes: int, in_thread: bool
) -> None:
    threads: list[int] = []
    validate_fields = bodies.validate_fields

    def record(values: dict[str, Any], schema: type[ChatBody]) -> ChatBody:
        threads.append(threading.get_ident())
        return validate_fields(values, schema)

    monkeypatch.setattr(bodies, "validate_fields", record)

    answer = await http.post(CHAT, content=chat(text_bytes))

    assert answer.status_code == 200
    assert [thread != threading.get_ident() for thread in threads] == [in_thread]


@pytest.mark.promise("reliability:uploads-bounded")
async def test_memory_goes_back_after_the_last_unfinished_upload(
    url: str, http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    released: list[int] = []
    monkeypatch.setattr(uploads, "release_memory", lambda: released.append(1))
    await http.post(CHAT, content=chat(1000))

    async with unfinished_upload(url, CHAT, BIG), unfinished_upload(url, CHAT, BIG):
        assert released == []
    await wait_until(lambda: released)

    assert released


async def answer_to(app: Any, headers: dict[str, str], body: bytes | None = None) -> int | None:
    """Return the status of a request; without a body its client leaves at once."""
    statuses: list[int] = []
    message = {"type": "http.disconnect"} if body is None else {"type": "http.request", "body": body}

    async def receive() -> Any:
        return message

    async def send(sent: Any) -> None:
        statuses.extend([sent["status"]] if "status" in sent else [])

    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await UploadMiddleware(app)({"type": "http", "method": "POST", "path": "/", "headers": raw}, receive, send)
    return statuses[0] if statuses else None


JSON, FORM = "application/json", "Multipart/Form-Data; boundary=XX"


@pytest.mark.parametrize(("content_type", "limit"), [(JSON, 67_108_864), (FORM, 200_000_000)])
async def test_a_body_of_the_largest_size_is_read_and_one_byte_more_is_refused_unread(
    content_type: str, limit: int
) -> None:
    reached: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await PlainTextResponse("read")(scope, receive, send)

    for length in (limit, limit + 1):
        headers = {"content-type": content_type, "content-length": str(length)}
        reached.append(await answer_to(app, headers, b"{}") or 0)

    assert reached == [200, 413]


def test_the_limits_of_uploads_are_these() -> None:
    assert (uploads.STALL_SECONDS, uploads.MEMORY_BYTES, uploads.CAPACITY_BYTES) == (30, 256_000, 512_000_000)
    assert (uploads.MAX_BODY_BYTES, uploads.MAX_FORM_BYTES) == (67_108_864, 200_000_000)
    assert (uploads.MAX_JSON_VALUES, uploads.RETRY_AFTER_SECONDS) == (200_000, 30)


@pytest.mark.parametrize(
    ("declared", "byte_count"),
    [("", 0), ("12", 12), ("-1", 0), ("1e3", 0), ("9" * 18, 10**18 - 1), ("9" * 5000, 10**18 - 1)],
)
def test_a_length_that_is_no_number_is_none_and_one_without_end_is_cut(declared: str, byte_count: int) -> None:
    assert uploads.declared_bytes(Headers({"content-length": declared})) == byte_count
    assert uploads.declared_bytes(Headers()) == 0


def test_uploads_may_fill_their_room_to_the_last_byte() -> None:
    capacity = UploadCapacity(10)
    capacity.reserve(4)
    capacity.reserve(6)

    with pytest.raises(UploadsFull) as full:
        capacity.reserve(1)

    assert capacity.used_bytes == 10
    assert full.value.retry_after_seconds == 30
