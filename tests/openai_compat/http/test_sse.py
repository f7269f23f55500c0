"""Streaming responses, driven without a server: when they begin, comments during silence, and errors."""

from collections.abc import AsyncGenerator, Callable

import anyio
import anyio.lowlevel
import pytest
from starlette.types import Message

from model_runtime.errors import Busy, JobFailed
from openai_compat.http.sse import PING_COMMENT, Chunk, DeferredStreamingResponse, LateHeaders, encode_event

QUIET_SECONDS = 0.02


class Client:
    """A fake ASGI client: records what it receives, and disconnects on an event."""

    def __init__(self, *, reads: bool = True) -> None:
        self.messages: list[Message] = []
        self.disconnected = anyio.Event()
        self.reads = reads

    async def receive(self) -> Message:
        """Return the disconnect once it happens."""
        await self.disconnected.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Record a message of the server."""
        self.messages.append(message)
        if message["type"] == "http.response.body" and not self.reads:
            await anyio.sleep_forever()

    @property
    def body(self) -> bytes:
        """All bytes received after the status line."""
        return b"".join(message.get("body", b"") for message in self.messages)

    @property
    def is_whole(self) -> bool:
        """Whether the answer has its final message."""
        return bool(self.messages) and not self.messages[-1].get("more_body", True)


async def answer(client: Client, response: DeferredStreamingResponse) -> None:
    """Run the response to its end."""
    with anyio.fail_after(5):
        await response({"type": "http"}, client.receive, client.send)


async def chunks_after(gate: anyio.Event, *chunks: Chunk, error: Exception | None = None) -> AsyncGenerator[Chunk]:
    """Yield chunks once the gate is open, then raise the error if there is one."""
    await gate.wait()
    for chunk in chunks:
        yield chunk
    if error is not None:
        raise error


def opened() -> anyio.Event:
    """Return an open gate."""
    gate = anyio.Event()
    gate.set()
    return gate


async def open_when(gate: anyio.Event, condition: Callable[[], object]) -> None:
    """Open the gate once a condition is true."""
    while not condition():
        await anyio.lowlevel.checkpoint()
    gate.set()


async def test_chunks_follow_the_initial_body_and_the_answer_ends() -> None:
    client = Client()

    await answer(client, DeferredStreamingResponse(chunks_after(opened(), b"one", b"two"), initial_body=b"zero"))

    assert client.body == b"zeroonetwo"
    assert client.is_whole
    headers = dict(client.messages[0]["headers"])
    assert headers[b"content-type"] == b"text/event-stream"
    assert headers[b"cache-control"] == b"no-cache"


async def test_headers_can_come_with_the_first_chunk() -> None:
    client = Client()

    await answer(
        client,
        DeferredStreamingResponse(chunks_after(opened(), LateHeaders({"content-type": "audio/pcm;rate=8000"}), b"one")),
    )

    assert dict(client.messages[0]["headers"])[b"content-type"] == b"audio/pcm;rate=8000"


async def test_an_error_before_the_first_chunk_is_raised_with_nothing_sent() -> None:
    client = Client()

    with pytest.raises(Busy):
        await answer(
            client, DeferredStreamingResponse(chunks_after(opened(), error=Busy("full", 1)), initial_body=b"zero")
        )

    assert client.messages == []


@pytest.mark.promise("openai:patience")
async def test_a_stream_begins_after_long_silence_and_is_kept_alive() -> None:
    """A comment before any event breaks some clients, so the initial body comes first."""
    client, gate = Client(), anyio.Event()
    response = DeferredStreamingResponse(chunks_after(gate, b"one"), initial_body=b"zero", ping_seconds=QUIET_SECONDS)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(open_when, gate, lambda: client.body.count(PING_COMMENT) == 3)
        await answer(client, response)

    assert client.body == b"zero" + 3 * PING_COMMENT + b"one"


async def test_an_error_after_the_stream_began_is_an_event() -> None:
    client, gate = Client(), anyio.Event()
    response = DeferredStreamingResponse(chunks_after(gate, error=JobFailed("broke")), ping_seconds=QUIET_SECONDS)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(open_when, gate, lambda: client.body)
        await answer(client, response)

    body = {"error": {"message": "broke", "type": "server_error", "param": None, "code": "job_failed"}}
    assert client.body.endswith(encode_event(body))
    assert client.is_whole


async def test_audio_that_fails_is_cut_off_without_a_final_message() -> None:
    client = Client()

    await answer(
        client, DeferredStreamingResponse(chunks_after(opened(), b"one", error=JobFailed("broke")), encode_error=None)
    )

    assert client.body == b"one"
    assert not client.is_whole


async def test_a_client_that_disconnects_closes_the_generator() -> None:
    closed = anyio.Event()

    async def chunks() -> AsyncGenerator[Chunk]:
        try:
            yield b"one"
            await anyio.sleep_forever()
        finally:
            closed.set()

    client = Client()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(answer, client, DeferredStreamingResponse(chunks()))
        while not client.body:
            await anyio.lowlevel.checkpoint()
        client.disconnected.set()

    assert closed.is_set()
    assert not client.is_whole


async def test_a_client_that_stops_reading_closes_the_generator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openai_compat.http.sse.SEND_TIMEOUT_SECONDS", QUIET_SECONDS)
    closed = anyio.Event()

    async def chunks() -> AsyncGenerator[Chunk]:
        try:
            while True:
                yield b"one"
        finally:
            closed.set()

    await answer(Client(reads=False), DeferredStreamingResponse(chunks()))

    assert closed.is_set()


def test_an_event_is_one_line_of_json_whatever_it_says() -> None:
    written = encode_event({"text": "a\nb\r\n\u2028c"}, "name").decode()

    assert written.startswith('event: name\ndata: {"text":"a\\nb\\r\\n')
    assert written.count("\n") == 3
