"""Answers in pieces, driven directly: when the status line goes out, what silence looks like, how a stream breaks."""

from collections.abc import AsyncGenerator, Callable

import anyio
import anyio.lowlevel
import pytest
from starlette.types import Message

from model_runtime.errors import Busy, JobFailed
from openai_compat.http.sse import PING_COMMENT, Chunk, DeferredStreamingResponse, LateHeaders, encode_event

QUIET_SECONDS = 0.02


class Client:
    """A client by hand: what it was sent, and when it leaves."""

    def __init__(self, *, reads: bool = True) -> None:
        self.messages: list[Message] = []
        self.left = anyio.Event()
        self.reads = reads

    async def receive(self) -> Message:
        """Tell that the client is gone, once it is."""
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Take what the server sends."""
        self.messages.append(message)
        if message["type"] == "http.response.body" and not self.reads:
            await anyio.sleep_forever()

    @property
    def body(self) -> bytes:
        """All that came after the status line."""
        return b"".join(message.get("body", b"") for message in self.messages)

    @property
    def is_whole(self) -> bool:
        """Whether the answer was ended."""
        return bool(self.messages) and not self.messages[-1].get("more_body", True)


async def answer(client: Client, response: DeferredStreamingResponse) -> None:
    """Let the response run to its end."""
    with anyio.fail_after(5):
        await response({"type": "http"}, client.receive, client.send)


async def held(gate: anyio.Event, *pieces: Chunk, error: Exception | None = None) -> AsyncGenerator[Chunk]:
    """Pieces that come once the gate is open."""
    await gate.wait()
    for piece in pieces:
        yield piece
    if error is not None:
        raise error


def opened() -> anyio.Event:
    """A gate that is open."""
    gate = anyio.Event()
    gate.set()
    return gate


async def silence(client: Client, gate: anyio.Event, until: Callable[[], object]) -> None:
    """Open the gate once the client has seen something."""
    while not until():
        await anyio.lowlevel.checkpoint()
    gate.set()


async def test_pieces_follow_the_opening_and_the_answer_ends() -> None:
    client = Client()

    await answer(client, DeferredStreamingResponse(held(opened(), b"one", b"two"), initial_body=b"zero"))

    assert client.body == b"zeroonetwo"
    assert client.is_whole
    headers = dict(client.messages[0]["headers"])
    assert headers[b"content-type"] == b"text/event-stream"
    assert headers[b"cache-control"] == b"no-cache"


async def test_headers_can_come_with_the_first_piece() -> None:
    client = Client()

    await answer(
        client, DeferredStreamingResponse(held(opened(), LateHeaders({"content-type": "audio/pcm;rate=8000"}), b"one"))
    )

    assert dict(client.messages[0]["headers"])[b"content-type"] == b"audio/pcm;rate=8000"


async def test_an_error_before_the_first_piece_is_raised_with_nothing_sent() -> None:
    client = Client()

    with pytest.raises(Busy):
        await answer(client, DeferredStreamingResponse(held(opened(), error=Busy("full", 1)), initial_body=b"zero"))

    assert client.messages == []


@pytest.mark.promise("openai:patience")
async def test_a_stream_begins_after_long_silence_and_is_kept_alive() -> None:
    """A comment before any event breaks some clients, so the opening comes first."""
    client, gate = Client(), anyio.Event()
    response = DeferredStreamingResponse(held(gate, b"one"), initial_body=b"zero", ping_seconds=QUIET_SECONDS)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(silence, client, gate, lambda: client.body.count(PING_COMMENT) == 3)
        await answer(client, response)

    assert client.body == b"zero" + 3 * PING_COMMENT + b"one"


async def test_an_error_after_the_stream_began_is_an_event() -> None:
    client, gate = Client(), anyio.Event()
    response = DeferredStreamingResponse(held(gate, error=JobFailed("broke")), ping_seconds=QUIET_SECONDS)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(silence, client, gate, lambda: client.body)
        await answer(client, response)

    told = {"error": {"message": "broke", "type": "server_error", "param": None, "code": "job_failed"}}
    assert client.body.endswith(encode_event(told))
    assert client.is_whole


async def test_sound_that_fails_is_cut_off_without_an_end() -> None:
    client = Client()

    await answer(client, DeferredStreamingResponse(held(opened(), b"one", error=JobFailed("broke")), encode_error=None))

    assert client.body == b"one"
    assert not client.is_whole


async def test_a_client_that_leaves_closes_the_pieces() -> None:
    closed = anyio.Event()

    async def pieces() -> AsyncGenerator[Chunk]:
        try:
            yield b"one"
            await anyio.sleep_forever()
        finally:
            closed.set()

    client = Client()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(answer, client, DeferredStreamingResponse(pieces()))
        while not client.body:
            await anyio.lowlevel.checkpoint()
        client.left.set()

    assert closed.is_set()
    assert not client.is_whole


async def test_a_client_that_stops_reading_closes_the_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openai_compat.http.sse.SEND_TIMEOUT_SECONDS", QUIET_SECONDS)
    closed = anyio.Event()

    async def pieces() -> AsyncGenerator[Chunk]:
        try:
            while True:
                yield b"one"
        finally:
            closed.set()

    await answer(Client(reads=False), DeferredStreamingResponse(pieces()))

    assert closed.is_set()


def test_an_event_is_one_line_of_json_whatever_it_says() -> None:
    written = encode_event({"text": "a\nb\r\n\u2028c"}, "name").decode()

    assert written.startswith('event: name\ndata: {"text":"a\\nb\\r\\n')
    assert written.count("\n") == 3
