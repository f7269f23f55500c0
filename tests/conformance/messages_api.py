"""A stand-in for the Messages API that asks for scripted tools one after the other, in a network that ends at this process.

`unshare --net python -m tests.conformance.messages_api '[["name", {…}], …]' CLIENT …` runs the client and prints the
messages of its last request: what a model is told of every result. With `--answers '[["words on the screen", "keys"], …]'`
the client runs in a terminal, and a person answers what it asks.
"""

import argparse
import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.conformance.day import filled
from tests.conformance.terminal import Answer, run_in_terminal

ScriptedCall = tuple[str, dict[str, Any]] | tuple[str, dict[str, Any], list[str]]
"""A tool, its arguments, in which placeholders of `day.filled` may stand, and a command to run before."""
TERMINAL_SECONDS = 240.0
API_KEY = "sk-ant-none-0123456789abcdefghij"
SIOCSIFFLAGS, IFF_UP = 0x8914, 0x1
FINAL_ANSWER = ({"type": "text", "text": ""}, {"type": "text_delta", "text": "Done."}, "end_turn")


class FakeMessagesServer(ThreadingHTTPServer):
    """Requests the next call of the script after each tool result. `last_conversation` is the last one with tools.

    `has_ended` is set when the client was told the final answer.
    """

    def __init__(self, script: Sequence[ScriptedCall]) -> None:
        super().__init__(("127.0.0.1", 0), MessagesHandler)
        self.script = script
        self.last_conversation: list[dict[str, Any]] = []
        self.has_ended = threading.Event()

    def next_block(self, request: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], str]:
        """Return the next block's start and delta, and why the answer stops."""
        if not request.get("tools"):
            return FINAL_ANSWER
        self.last_conversation = request["messages"]
        results = tool_results(self.last_conversation)
        if len(results) == len(self.script):
            self.has_ended.set()
            return FINAL_ANSWER
        name, arguments, *before = self.script[len(results)]
        for command in before:
            subprocess.run(command, check=True)
        start = {"type": "tool_use", "id": f"toolu_{len(results)}", "name": name, "input": {}}
        told = json.dumps(filled(arguments, [structured(result) for result in results]))
        return start, {"type": "input_json_delta", "partial_json": told}, "tool_use"


class MessagesHandler(BaseHTTPRequestHandler):
    """Streams answers to POST /v1/messages; everything else is an empty object."""

    server: FakeMessagesServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer nothing of interest."""
        self._send("application/json", b"{}")

    def do_POST(self) -> None:
        """Answer a request for messages."""
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path.partition("?")[0] != "/v1/messages":
            self._send("application/json", b'{"input_tokens": 1}')
            return
        events = answer_events(*self.server.next_block(json.loads(body)))
        lines = [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events]
        self._send("text/event-stream", "".join(lines).encode())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Stay silent."""

    def _send(self, kind: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def answer_events(start: dict[str, Any], delta: dict[str, Any], reason: str) -> Iterator[dict[str, Any]]:
    """The events of an answer with one block."""
    message_fields = {"id": "msg_1", "type": "message", "role": "assistant", "model": "stand-in", "content": []}
    counts = {"input_tokens": 1, "output_tokens": 1}
    yield {
        "type": "message_start",
        "message": message_fields | {"stop_reason": None, "stop_sequence": None, "usage": counts},
    }
    yield {"type": "content_block_start", "index": 0, "content_block": start}
    yield {"type": "content_block_delta", "index": 0, "delta": delta}
    yield {"type": "content_block_stop", "index": 0}
    yield {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": counts}
    yield {"type": "message_stop"}


def content_blocks(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """All blocks of a conversation."""
    return [block for message in messages if isinstance(message["content"], list) for block in message["content"]]


def tool_results(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The results of the tools that were called in a conversation."""
    return [block for block in content_blocks(messages) if block["type"] == "tool_result"]


def structured(result: dict[str, Any]) -> dict[str, Any]:
    """The JSON that a model finds in a result; an error has none."""
    content = result["content"]
    texts = [content] if isinstance(content, str) else [block["text"] for block in content if block["type"] == "text"]
    found: dict[str, Any] = next((json.loads(text) for text in texts if text.startswith("{")), {})
    return found


def raise_loopback() -> None:
    """Start the loopback interface of a network namespace that is still empty."""
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", IFF_UP))


def main() -> None:
    """Run the client against the stand-in."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--answers", type=json.loads, default=None)
    parser.add_argument("script", type=json.loads)
    parser.add_argument("client", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    raise_loopback()
    with FakeMessagesServer(arguments.script) as model:
        threading.Thread(target=model.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{model.server_address[1]}"
        environ = os.environ | {"ANTHROPIC_BASE_URL": address, "ANTHROPIC_API_KEY": API_KEY}
        status = run_client(arguments.client, environ, arguments.answers, model)
        model.shutdown()
    sys.stdout.write(json.dumps(model.last_conversation))
    sys.exit(status)


def run_client(
    command: list[str], environ: dict[str, str], answers: list[tuple[str, str]] | None, model: FakeMessagesServer
) -> int:
    """Run the client to its end, or, in a terminal, until it was told the final answer; return its exit status."""
    if answers is None:
        completed = subprocess.run(command, check=False, env=environ, stdin=subprocess.DEVNULL, stdout=sys.stderr)
        return completed.returncode
    answered = [Answer(*answer) for answer in answers]
    run_in_terminal(command, environ, answered, model.has_ended.is_set, timeout_seconds=TERMINAL_SECONDS)
    return 0


if __name__ == "__main__":
    main()
