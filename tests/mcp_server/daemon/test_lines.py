"""Lines that are no messages: each is answered with its JSON-RPC error, and the connection goes on."""

import json
from typing import Any

import anyio
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream
from hypothesis import given
from hypothesis import strategies as st

from mcp_server.daemon import socket_server
from mcp_server.daemon.lines import INVALID_REQUEST, PARSE_ERROR, LineReader, TooLong, refusal_of
from mcp_server.launcher.paths import InstancePaths
from model_runtime.settings import Settings
from tests.mcp_server.daemon.test_daemon import handshake
from tests.mcp_server.daemons import running_daemon

PING = b'{"jsonrpc":"2.0","id":7,"method":"ping"}'
REFUSED: dict[str, tuple[bytes, int, Any]] = {
    "not JSON": (b"GET / HTTP/1.1", PARSE_ERROR, None),
    "cut JSON": (PING[:-1], PARSE_ERROR, None),
    "not UTF-8": (b'{"jsonrpc":"2.0","id":"\xff","method":"ping"}', PARSE_ERROR, None),
    "deep nesting": (b"[" * 100_000, PARSE_ERROR, None),
    "a float id": (b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}', INVALID_REQUEST, 1.5),
    "an object id": (b'{"jsonrpc":"2.0","id":{},"method":"ping"}', INVALID_REQUEST, None),
    "a boolean id": (b'{"jsonrpc":"2.0","id":true,"method":"ping"}', INVALID_REQUEST, None),
    "a null id": (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', INVALID_REQUEST, None),
    "a batch": (b"[" + PING + b"]", INVALID_REQUEST, None),
    "an empty batch": (b"[]", INVALID_REQUEST, None),
    "params as a list": (b'{"jsonrpc":"2.0","id":7,"method":"ping","params":[1]}', INVALID_REQUEST, 7),
    "another version": (b'{"jsonrpc":"1.0","id":"a","method":"ping"}', INVALID_REQUEST, "a"),
    "no method": (b'{"jsonrpc":"2.0","id":7}', INVALID_REQUEST, 7),
    "deep nesting in a request": (
        b'{"jsonrpc":"2.0","id":7,"method":"ping","params":{"a":' + b"[" * 300 + b"]" * 300 + b"}}",
        INVALID_REQUEST,
        7,
    ),
    "a number": (b"5", INVALID_REQUEST, None),
}


def test_the_codes_are_those_of_json_rpc() -> None:
    """<https://www.jsonrpc.org/specification#error_object>"""
    assert (PARSE_ERROR, INVALID_REQUEST) == (-32700, -32600)


@pytest.mark.promise("reliability:stdio")
@pytest.mark.parametrize("kind", REFUSED)
async def test_a_line_that_is_no_message_is_answered_and_the_next_one_served(
    settings: Settings, paths: InstancePaths, kind: str
) -> None:
    line, code, message_id = REFUSED[kind]

    async with running_daemon(settings, paths):
        _, stream = await handshake(paths.socket_path)
        async with stream:
            reader = BufferedByteReceiveStream(stream)
            await stream.send(line + b"\n")
            refused = json.loads(await reader.receive_until(b"\n", 10_000))
            await stream.send(PING + b"\n")
            served = json.loads(await reader.receive_until(b"\n", 10_000))

    assert (refused["jsonrpc"], refused["error"]["code"], refused["id"]) == ("2.0", code, message_id)
    assert refused["error"]["message"].endswith(".")
    assert served["id"] == 7
    assert "result" in served


async def test_a_line_over_the_limit_is_told_as_that(
    settings: Settings, paths: InstancePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket_server, "MAX_LINE_BYTES", 1 << 20)

    async with running_daemon(settings, paths):
        _, stream = await handshake(paths.socket_path)
        async with stream:
            reader = BufferedByteReceiveStream(stream)
            await stream.send(b"x" * (3 << 20) + b"\n" + PING + b"\n")
            refused = json.loads(await reader.receive_until(b"\n", 10_000))
            served = json.loads(await reader.receive_until(b"\n", 10_000))

    assert refused["error"]["message"] == "The message is longer than 1 MB. Pass media by path."
    assert served["id"] == 7


@pytest.mark.parametrize(
    "line",
    [
        b'{"jsonrpc":"1.0","id":1,"result":{}}',
        b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"a":' + b"[" * 300 + b"]" * 300 + b"}}",
    ],
    ids=["response", "notification"],
)
async def test_a_response_and_a_notification_that_cannot_be_read_get_no_answer(line: bytes) -> None:
    assert refusal_of(line) is None


class ChunkStream(anyio.abc.ByteReceiveStream):
    """Yields chunks."""

    def __init__(self, chunks: list[bytes]) -> None:
        self._chunks = [chunk for chunk in chunks if chunk]

    async def receive(self, max_bytes: int = 65536) -> bytes:
        if not self._chunks:
            raise anyio.EndOfStream
        return self._chunks.pop(0)

    async def aclose(self) -> None:
        """Do nothing."""


@given(st.lists(st.binary(max_size=30)), st.integers(1, 20))
async def test_however_a_stream_is_cut_it_has_the_same_lines(chunks: list[bytes], limit_bytes: int) -> None:
    reader = LineReader(ChunkStream(chunks[1:]), limit_bytes, chunks[0] if chunks else b"")
    lines: list[bytes | TooLong] = []

    while (line := await reader.next()) is not None:
        lines.append(line)

    expected = b"".join(chunks).split(b"\n")[:-1]
    assert lines == [line if len(line) <= limit_bytes else TooLong(limit_bytes) for line in expected]
