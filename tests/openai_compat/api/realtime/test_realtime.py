"""A session as OpenAI's own client holds it, and what it makes of everything else."""

import asyncio
import base64
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import anyio
import pytest
import websockets
from openai import AsyncOpenAI
from openai.types.beta.realtime import RealtimeServerEvent as BetaServerEvent
from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter
from websockets.asyncio.client import ClientConnection

from model_runtime.errors import ModelMissing
from openai_compat.api.realtime import connection as connections
from openai_compat.http import web_sockets
from tests.fakes import FakeService
from tests.openai_compat.api.realtime.sounds import RATE, clip_24k, pieces
from tests.openai_compat.clients import wait_until, wait_until_cancelled

KNOWN: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)
KNOWN_IN_BETA: TypeAdapter[Any] = TypeAdapter(BetaServerEvent)
COMPLETED = "conversation.item.input_audio_transcription.completed"
DELTA = "conversation.item.input_audio_transcription.delta"
BY_HAND = {"type": "transcription", "audio": {"input": {"turn_detection": None}}}
Event = dict[str, Any]


async def next_event(connection: Any, known: TypeAdapter[Any] = KNOWN) -> Event:
    """Receive an event, which the SDK's types describe."""
    with anyio.fail_after(20):
        raw = await connection.recv_bytes()
    known.validate_json(raw)
    return dict(json.loads(raw))


async def events_until(connection: Any, kind: str, known: TypeAdapter[Any] = KNOWN) -> list[Event]:
    """Receive events up to one of a type."""
    events = [await next_event(connection, known)]
    while events[-1]["type"] != kind:
        events.append(await next_event(connection, known))
    return events


@asynccontextmanager
async def session_of(sdk: AsyncOpenAI, **settings: Any) -> AsyncGenerator[Any]:
    """Open a session of the SDK, past its first event, and change its settings."""
    async with sdk.realtime.connect(extra_query={"intent": "transcription"}) as connection:
        created = await next_event(connection)
        assert created["type"] == "session.created"
        if settings:
            await connection.session.update(session=cast(Any, settings))
            assert (await next_event(connection))["type"] == "session.updated"
        yield connection


@asynccontextmanager
async def raw_session(url: str) -> AsyncGenerator[ClientConnection]:
    """Open a session without the SDK, past its first event."""
    address = f"{url.replace('http', 'ws', 1)}/v1/realtime?intent=transcription"
    async with websockets.connect(address, max_size=None) as connection:
        await connection.recv()
        yield connection


async def answer_of(connection: ClientConnection) -> Event:
    with anyio.fail_after(20):
        return dict(json.loads(await connection.recv()))


async def append(connection: ClientConnection, audio: str) -> None:
    await connection.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))


@pytest.mark.promise("openai:realtime")
async def test_a_sentence_is_heard_from_its_first_sound_to_its_transcript(
    sdk: AsyncOpenAI, service: FakeService
) -> None:
    async with session_of(sdk) as connection:
        for piece in pieces(clip_24k()):
            await connection.input_audio_buffer.append(audio=piece)
        events = await events_until(connection, COMPLETED)

    kinds = [event["type"] for event in events]
    expected = [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        COMPLETED,
    ]
    assert [kind for kind in kinds if kind != DELTA] == expected
    assert "".join(event["delta"] for event in events if event["type"] == DELTA) == "a red circle"
    assert events[-1]["transcript"] == "a red circle"
    assert events[-1]["usage"]["type"] == "duration"
    assert {event.get("item_id") or event["item"]["id"] for event in events} == {events[0]["item_id"]}
    assert len({event["event_id"] for event in events}) == len(events)
    assert 0 <= events[0]["audio_start_ms"] <= 400
    assert service.clients[-1] == "AsyncOpenAI/Python"


async def test_the_turn_is_ended_by_the_client_where_it_wants_to(sdk: AsyncOpenAI, service: FakeService) -> None:
    async with session_of(sdk, **BY_HAND) as connection:
        for piece in pieces(bytes(RATE * 2)):  # a second
            await connection.input_audio_buffer.append(audio=piece)
        await connection.input_audio_buffer.commit()
        events = await events_until(connection, COMPLETED)
        await connection.input_audio_buffer.append(audio=base64.b64encode(bytes(RATE)).decode())
        await connection.input_audio_buffer.clear()
        cleared = await next_event(connection)
        await connection.input_audio_buffer.commit()
        empty = await next_event(connection)

    assert [event["type"] for event in events if event["type"] != DELTA][:2] == [
        "input_audio_buffer.committed",
        "conversation.item.added",
    ]
    assert cleared["type"] == "input_audio_buffer.cleared"
    assert empty["error"]["code"] == "input_audio_buffer_commit_empty"
    assert service.requests[-1].audio.duration_seconds == pytest.approx(1, abs=0.01)  # type: ignore[union-attr]


async def test_the_settings_reach_the_model(sdk: AsyncOpenAI, service: FakeService) -> None:
    heard = {"model": "stt-starter", "language": "ko", "prompt": "Shapes.", "keywords": ["star"]}
    async with session_of(
        sdk, type="transcription", audio={"input": {"transcription": heard, "turn_detection": None}}
    ) as connection:
        await connection.input_audio_buffer.append(audio=base64.b64encode(bytes(RATE)).decode())
        await connection.input_audio_buffer.commit()
        await events_until(connection, COMPLETED)

    request: Any = service.requests[-1]
    assert (request.model, request.language, request.prompt) == ("stt-starter", "ko", "Shapes. star")


@pytest.mark.parametrize("form", ["audio/pcmu", "audio/pcma"])
async def test_the_sound_of_a_telephone_is_heard(sdk: AsyncOpenAI, service: FakeService, form: str) -> None:
    settings = {"type": "transcription", "audio": {"input": {"format": {"type": form}, "turn_detection": None}}}
    async with session_of(sdk, **settings) as connection:
        await connection.input_audio_buffer.append(audio=base64.b64encode(b"\xd5" * 8000).decode())
        await connection.input_audio_buffer.commit()
        await events_until(connection, COMPLETED)

    assert service.requests[-1].audio.duration_seconds == pytest.approx(1, abs=0.01)  # type: ignore[union-attr]


async def test_a_client_of_the_beta_gets_its_own_words(url: str) -> None:
    async with (
        AsyncOpenAI(base_url=f"{url}/v1", websocket_base_url=f"{url.replace('http', 'ws', 1)}/v1", api_key="x") as sdk,
        sdk.beta.realtime.connect(model="stt-starter", extra_query={"intent": "transcription"}) as connection,
    ):
        created = json.loads(await connection.recv_bytes())
        await connection.transcription_session.update(session={"input_audio_format": "pcm16", "turn_detection": None})  # type: ignore[typeddict-item]
        updated = json.loads(await connection.recv_bytes())
        await connection.input_audio_buffer.append(audio=base64.b64encode(bytes(RATE)).decode())
        await connection.input_audio_buffer.commit()
        events = await events_until(connection, COMPLETED, KNOWN_IN_BETA)

    assert (created["type"], updated["type"]) == ("transcription_session.created", "transcription_session.updated")
    assert (updated["session"]["input_audio_format"], updated["session"]["turn_detection"]) == ("pcm16", None)
    assert [event["type"] for event in events][:2] == ["input_audio_buffer.committed", "conversation.item.created"]


@pytest.mark.promise("openai:realtime-errors")
@pytest.mark.parametrize(
    ("event", "code", "param"),
    [
        ({"type": "response.create"}, "unsupported_event", "type"),
        ({"type": "conversation.item.create"}, "unsupported_event", "type"),
        ({}, "unsupported_event", "type"),
        ({"type": ["x"]}, "unsupported_event", "type"),
        ({"type": "input_audio_buffer.append"}, "invalid_value", "audio"),
        ({"type": "input_audio_buffer.append", "audio": "%%%"}, "invalid_value", "audio"),
        ({"type": "input_audio_buffer.append", "audio": 5}, "invalid_value", "audio"),
        ({"type": "input_audio_buffer.commit"}, "input_audio_buffer_commit_empty", None),
        ({"type": "session.update"}, "invalid_value", "session"),
        ({"type": "session.update", "session": {"type": "realtime"}}, "invalid_value", "session.type"),
        (
            {"type": "session.update", "session": {"audio": {"input": {"transcription": {"model": "nothing"}}}}},
            "model_not_found",
            "model",
        ),
        (
            {"type": "session.update", "session": {"audio": {"input": {"transcription": {"model": "tts-starter"}}}}},
            "unsupported_model",
            "model",
        ),
        (
            {"type": "session.update", "session": {"audio": {"input": {"transcription": {"language": "elvish"}}}}},
            "invalid_value",
            "language",
        ),
    ],
)
async def test_an_event_that_cannot_be_is_answered_and_the_session_goes_on(
    url: str, event: Event, code: str, param: str | None
) -> None:
    async with raw_session(url) as connection:
        await connection.send(json.dumps({"event_id": "mine", **event}))
        answer = await answer_of(connection)
        await connection.send(json.dumps({"type": "session.update", "session": BY_HAND}))
        after = await answer_of(connection)

    KNOWN.validate_python(answer)
    error = answer["error"]
    assert (answer["type"], error["event_id"], error["param"]) == ("error", "mine", param)
    assert error["code"] == code
    assert after["type"] == "session.updated"


@pytest.mark.promise("openai:realtime-errors")
@pytest.mark.parametrize(
    "message", [b"\x00\x01", "no json", "[]", '"text"', "", '{"a":' + "[" * 400, "[" + "0," * 20_000 + "0]"]
)
async def test_a_message_that_is_no_event_is_answered_and_the_session_goes_on(url: str, message: str | bytes) -> None:
    async with raw_session(url) as connection:
        await connection.send(message)
        answer = await answer_of(connection)
        await connection.send(json.dumps({"type": "input_audio_buffer.clear"}))
        after = await answer_of(connection)

    assert answer["error"]["code"] == "invalid_json"
    assert after["type"] == "input_audio_buffer.cleared"


async def test_a_message_that_is_too_long_ends_the_session(url: str) -> None:
    async with raw_session(url) as connection:
        with pytest.raises(websockets.exceptions.ConnectionClosed) as closed:  # noqa: PT012 - either may see it
            await connection.send("x" * (16 * 1024 * 1024 + 1))
            await answer_of(connection)

    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009


async def test_a_flood_is_answered_in_order(url: str) -> None:
    async with raw_session(url) as connection, anyio.create_task_group() as tasks:
        tasks.start_soon(flood, connection, 500)
        answers = [await answer_of(connection) for _ in range(500)]

    assert [answer["error"]["event_id"] for answer in answers] == [str(index) for index in range(500)]


async def flood(connection: ClientConnection, count: int) -> None:
    for index in range(count):
        await connection.send(json.dumps({"type": "nonsense", "event_id": str(index)}))


@pytest.mark.promise("openai:leaving")
async def test_a_client_that_goes_cancels_its_transcription(url: str, service: FakeService) -> None:
    service.gate = anyio.Event()
    async with raw_session(url) as connection:
        await connection.send(json.dumps({"type": "session.update", "session": BY_HAND}))
        await append(connection, base64.b64encode(bytes(RATE * 4)).decode())
        await wait_until(lambda: service.requests)

    await wait_until_cancelled(service)


@pytest.mark.promise("openai:realtime-bounds")
async def test_a_slow_model_has_one_pass_at_a_time_and_a_commit_replaces_the_unfinished_one(
    url: str, service: FakeService
) -> None:
    service.gate = anyio.Event()
    async with raw_session(url) as connection:
        await connection.send(json.dumps({"type": "session.update", "session": BY_HAND}))
        await answer_of(connection)
        for _ in range(20):
            await append(connection, base64.b64encode(bytes(RATE * 2)).decode())
        await wait_until(lambda: service.requests)
        requested = len(service.requests)
        await connection.send(json.dumps({"type": "input_audio_buffer.commit"}))
        await answer_of(connection)
        await wait_until_cancelled(service)
        await wait_until(lambda: len(service.requests) > requested)
        service.gate.set()
        events = [await answer_of(connection) for _ in range(4)]

    assert requested == 1
    assert service.requests[-1].audio.duration_seconds == pytest.approx(20, abs=0.01)  # type: ignore[union-attr]
    assert events[-1]["type"] == COMPLETED


@pytest.mark.promise("openai:realtime-bounds")
async def test_more_sound_than_can_wait_is_refused(url: str, service: FakeService) -> None:
    service.gate = anyio.Event()
    minute = base64.b64encode(bytes(RATE * 2 * 60)).decode()
    async with raw_session(url) as connection:
        await connection.send(json.dumps({"type": "session.update", "session": BY_HAND}))
        for _ in range(6):
            await append(connection, minute)
        answer = await answer_of(connection)
        while answer["type"] != "error":
            answer = await answer_of(connection)

    assert answer["error"]["code"] == "input_audio_buffer_full"
    assert "300 s" in answer["error"]["message"]


async def test_a_turn_that_cannot_be_transcribed_is_told_with_its_item(url: str, service: FakeService) -> None:
    async with raw_session(url) as connection:
        await connection.send(json.dumps({"type": "session.update", "session": BY_HAND}))
        service.resolve_error = ModelMissing("stt-fast", 9, "senses pull stt-fast")
        await append(connection, base64.b64encode(bytes(RATE)).decode())
        await connection.send(json.dumps({"type": "input_audio_buffer.commit"}))
        events = [await answer_of(connection) for _ in range(5)]

    assert events[-1]["type"] == "conversation.item.input_audio_transcription.failed"
    assert events[-1]["item_id"] == events[1]["item_id"]
    assert "senses pull stt-fast" in events[-1]["error"]["message"]


@pytest.mark.promise("openai:realtime-errors")
@pytest.mark.parametrize(
    ("query", "status", "says"),
    [
        ("?model=gpt-realtime", 400, "no conversations"),
        ("?intent=conversation", 400, "intent=transcription"),
        ("", 400, "intent=transcription"),
        ("?intent=transcription&model=nothing", 404, "nothing"),
        ("?intent=transcription&model=tts-starter", 400, "tts-starter"),
    ],
)
async def test_what_is_no_transcription_is_refused_in_the_handshake(
    url: str, query: str, status: int, says: str
) -> None:
    with pytest.raises(websockets.exceptions.InvalidStatus) as refused:
        async with websockets.connect(f"{url.replace('http', 'ws', 1)}/v1/realtime{query}"):
            raise NotImplementedError

    assert refused.value.response.status_code == status
    assert says in json.loads(refused.value.response.body or b"")["error"]["message"]


async def test_a_silent_session_is_closed(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "IDLE_SECONDS", 0.05)

    async with raw_session(url) as connection:
        with pytest.raises(websockets.exceptions.ConnectionClosedOK) as closed:
            await answer_of(connection)

    assert closed.value.rcvd is not None
    assert "sent nothing" in closed.value.rcvd.reason


def open_descriptors() -> int:
    return len(list(Path("/dev/fd").iterdir()))


@pytest.mark.promise("openai:realtime-bounds")
async def test_a_hundred_sessions_that_are_dropped_leave_nothing(url: str, service: FakeService) -> None:
    service.gate = anyio.Event()
    async with raw_session(url):
        pass  # the libraries are imported, and open what they need
    await asyncio.sleep(0)
    before, tasks = open_descriptors(), len(asyncio.all_tasks())

    for index in range(100):
        await open_and_drop(url, abruptly=bool(index % 2))

    await wait_until(lambda: (open_descriptors(), len(asyncio.all_tasks())) <= (before, tasks))
    assert len(service.cancelled_requests) == len(service.requests)
    async with raw_session(url):
        pass


async def open_and_drop(url: str, *, abruptly: bool) -> None:
    async with raw_session(url) as connection:
        await connection.send(json.dumps({"type": "session.update", "session": BY_HAND}))
        await append(connection, base64.b64encode(bytes(RATE * 4)).decode())
        await answer_of(connection)
        if abruptly:
            connection.transport.abort()


class DeafClient:
    """An ASGI connection whose client accepts a session, sends one wrong event and never reads an answer to it."""

    def __init__(self) -> None:
        self.messages: list[Event] = [
            {"type": "websocket.connect"},
            {"type": "websocket.receive", "text": "{}"},
        ]
        self.sent: list[str] = []

    async def receive(self) -> Event:
        """Send what is left, then nothing."""
        if not self.messages:
            await anyio.sleep_forever()
        return self.messages.pop(0)

    async def send(self, message: Event) -> None:
        """Take the first event only."""
        self.sent.append(message["type"])
        if len(self.sent) > 2:
            await anyio.sleep_forever()


async def test_a_client_that_does_not_read_is_left(service: FakeService, monkeypatch: pytest.MonkeyPatch) -> None:
    from openai_compat.api.realtime.endpoint import RealtimeEndpoint

    monkeypatch.setattr(web_sockets, "SEND_TIMEOUT_SECONDS", 0.01)
    client, app = DeafClient(), RealtimeEndpoint(service).routes()[0]
    scope = {
        "type": "websocket",
        "path": "/v1/realtime",
        "headers": [],
        "query_string": b"intent=transcription",
        "subprotocols": [],
    }

    with anyio.fail_after(10):
        await app.handle({**scope}, client.receive, client.send)  # type: ignore[arg-type]

    assert client.sent == ["websocket.accept", "websocket.send", "websocket.send"]
