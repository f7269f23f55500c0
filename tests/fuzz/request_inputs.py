"""Random requests: JSON bodies, forms, data URLs, headers, query strings, and lines of MCP.

Most are nearly right, so that they reach the code behind the first check. Some name a file that must never be read.
"""

import base64
import io
import json
import wave
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote

from hypothesis import strategies as st
from PIL import Image

Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class HttpInput:
    """A request as a server hands it to the application. `target` is the path, percent-encoded, with its query."""

    method: str
    target: str
    headers: Headers = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class EventsInput:
    """The events that a client sends to `/v1/realtime`, one message each."""

    events: tuple[bytes, ...]


def _png() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 6), "red").save(out, "PNG")
    return out.getvalue()


def _wav() -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(b"\0\0" * 1_600)
    return out.getvalue()


PNG, WAV = _png(), _wav()
MEDIA = st.sampled_from([PNG, WAV])
JSON_ROUTES: Mapping[str, dict[str, Any]] = {
    "/v1/chat/completions": {
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
        "stream": False,
        "temperature": 0.5,
        "max_tokens": 5,
        "seed": 1,
        "stop": ["x"],
        "n": 1,
        "tools": [],
        "tool_choice": "auto",
        "modalities": ["text", "audio"],
        "audio": {"voice": "alma", "format": "wav"},
        "response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "object"}}},
    },
    "/v1/responses": {
        "input": [{"role": "user", "content": [{"type": "input_text", "text": "hi"}]}],
        "instructions": "be kind",
        "text": {"format": {"type": "json_schema", "name": "x", "schema": {}}},
        "stream": True,
    },
    "/v1/images/generations": {"prompt": "a circle", "size": "64x64", "n": 1, "stream": True, "partial_images": 1},
    "/v1/images/edits": {
        "prompt": "a circle",
        "images": [{"image_url": f"data:image/png;base64,{base64.b64encode(PNG).decode()}"}],
    },
    "/v1/messages": {
        "max_tokens": 5,
        "system": "be kind",
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "hi"}]},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "look", "input": {"a": 1}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "red"}]},
        ],
        "tools": [{"name": "look", "input_schema": {"type": "object"}}],
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "stream": True,
    },
    "/v1/messages/count_tokens": {"messages": [{"role": "user", "content": "hi"}], "system": [{"type": "text"}]},
    "/v1/completions": {"prompt": ["hi", "you"], "max_tokens": 5, "n": 2, "echo": True, "logprobs": 2, "stream": True},
    "/v1/embeddings": {"input": ["hello"], "dimensions": 2, "encoding_format": "base64"},
    "/v1/audio/speech": {"input": "hello", "voice": {"id": "alma"}, "speed": 1.0, "response_format": "wav"},
    "/v1/audio/transcriptions": {"input_audio": {"data": base64.b64encode(WAV).decode(), "format": "wav"}},
    "/v1/voice-memo": {"input_audio": {"data": base64.b64encode(WAV).decode()}, "briefing": True, "voice": "alma"},
}
FORM_ROUTES = ("/v1/audio/transcriptions", "/v1/audio/translations", "/v1/images/edits", "/v1/voice-memo")
COMMANDS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("POST", "/api/login", {"key": "a key"}),
    ("POST", "/api/logout", {}),
    ("GET", "/api/session", {}),
    ("GET", "/api/jobs/1/preview", {}),
    ("POST", "/api/models/tts-starter/keep", {"seconds": 60}),
    ("POST", "/api/models/tts-starter/unpin", {}),
    ("GET", "/api/models/tts-starter/download", {}),
    ("POST", "/api/models/tts-starter/download/cancel", {}),
    ("DELETE", "/api/models/tts-starter", {}),
    ("DELETE", "/api/artifacts/x", {}),
    ("POST", "/api/folders/x/session", {}),
    ("POST", "/api/folders/x/revoke", {}),
    ("GET", "/api/settings", {}),
    ("PUT", "/api/settings/memory.idle_seconds", {"value": 60}),
    ("DELETE", "/api/settings/memory.idle_seconds", {}),
)
"""What the status page sends: method, path, and an example of the body."""
REALTIME_EVENTS: tuple[dict[str, Any], ...] = (
    {
        "type": "session.update",
        "session": {
            "type": "transcription",
            "audio": {"input": {"transcription": {"model": "stt-starter"}, "turn_detection": {"type": "server_vad"}}},
        },
    },
    {"type": "input_audio_buffer.append", "audio": base64.b64encode(b"\0\1" * 2_400).decode()},
    {"type": "input_audio_buffer.commit"},
    {"type": "input_audio_buffer.clear", "event_id": "e1"},
)
GET_ROUTES = (
    "/",
    "/health",
    "/metrics",
    "/api/status",
    "/api/artifacts",
    "/api/artifacts/",
    "/api/clients",
    "/api/connections",
    "/api/folders",
    "/api/history",
    "/docs",
    "/openapi.json",
    "/v1/models",
    "/v1/models/",
    "/v1/audio/models",
    "/v1/audio/voices",
    "/v1/files/images/",
    "/v1/realtime",
    "/v1/responses/",
    "/v1/responses/resp_1/input_items",
    "/artifacts/images/",
    "/artifacts/",
    "/web/",
    "/web/app.js",
    "/mcp",
)
POST_ROUTES = tuple(f"/api/models/{{}}/{action}" for action in ("start", "stop", "pin", "keep", "download"))
HEADER_NAMES = (
    "accept",
    "authorization",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "host",
    "last-event-id",
    "mcp-protocol-version",
    "mcp-session-id",
    "origin",
    "range",
    "referer",
    "if-none-match",
    "if-modified-since",
    "sec-fetch-site",
    "transfer-encoding",
    "user-agent",
    "x-forwarded-host",
)


class Inputs:
    """Strategies that know the path of the secret file."""

    def __init__(self, secret_path: str) -> None:
        self._secret_path = secret_path
        self.odd_texts = self._odd_texts()
        self.data_urls = self._data_urls()
        self.values = self._values()

    def by_share(self) -> Mapping[st.SearchStrategy[Any], int]:
        """Return each kind of input with its share in percent."""
        return {
            self.json_requests(): 30,
            self.form_requests(): 22,
            self.plain_requests(): 15,
            self.commands(): 5,
            self.realtime_events(): 3,
            self.mcp_requests(): 5,
            self.lines(): 20,
        }

    def _odd_texts(self) -> st.SearchStrategy[str]:
        """Return names, paths and texts that break careless code."""
        path = self._secret_path
        return st.one_of(
            st.text(max_size=20),
            st.sampled_from(
                [
                    "",
                    "\0",
                    "a\0b",
                    "..",
                    "../" * 8 + path,
                    path,
                    f"file://{path}",
                    f"~nosuchuser/{path}",
                    "~",
                    "/dev/zero",
                ]
            ),
            st.sampled_from(
                ["a" * 5000, "\ud7ff", "\x1b[31m\n", "tts-starter", "auto", "org/name", "NaN", "1e999", "-1"]
            ),
        )

    def _data_urls(self) -> st.SearchStrategy[str]:
        """Return data: URLs with right and wrong media types, encodings and contents."""
        contents = st.one_of(st.binary(max_size=60), mutated(MEDIA), MEDIA)
        kinds = st.sampled_from(
            ["image/png", "audio/wav", "", "image/svg+xml", "text/html;charset=x", "image/png;x=\0"]
        )
        encoded = st.builds(lambda kind, data: f"data:{kind};base64,{base64.b64encode(data).decode()}", kinds, contents)
        plain = st.builds(lambda kind, data: f"data:{kind},{quote(data)}", kinds, contents)
        return st.one_of(encoded, plain, st.builds("data:{}".format, self.odd_texts))

    def _values(self) -> st.SearchStrategy[Any]:
        """Return JSON values of any type, some of them deep or large."""
        leaves = st.one_of(
            st.none(),
            st.booleans(),
            st.integers(),
            st.sampled_from([10**400, -(2**63), 2**64, 0.0, -0.0, 1e308, {"$ref": "#"}]),
            st.floats(allow_nan=False, allow_infinity=False),
            self.odd_texts,
            self.data_urls,
        )
        inner = st.recursive(
            leaves,
            lambda children: (
                st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=8), children, max_size=4)
            ),
        )
        return inner | st.builds(nested, st.integers(1, 400), inner)

    def mutated_json(self, example: Any) -> st.SearchStrategy[bytes]:
        """Return the JSON of a body with some values replaced, or cut, or with bytes changed."""
        whole = st.builds(
            replace_values, st.just(example), st.lists(st.tuples(st.integers(0, 40), self.values), max_size=3)
        )
        texts = whole.map(lambda value: json.dumps(value, allow_nan=True).encode())
        return st.one_of(
            texts, mutated(texts), st.binary(max_size=40), self.values.map(lambda v: json.dumps(v).encode())
        )

    def json_requests(self) -> st.SearchStrategy[HttpInput]:
        """Return bodies for OpenAI's endpoints."""
        headers = self.headers(st.just(b"application/json"))
        return st.one_of(
            [
                st.builds(HttpInput, st.just("POST"), st.just(route), headers, self.mutated_json(example))
                for route, example in JSON_ROUTES.items()
            ]
        )

    def form_requests(self) -> st.SearchStrategy[HttpInput]:
        """Return forms with files, fields in any order and number, and broken boundaries."""
        names = st.sampled_from(
            ["file", "model", "language", "prompt", "response_format", "temperature", "stream", "keep_alive"]
        )
        field = st.tuples(names | st.text(max_size=6), self.odd_texts)
        bodies = st.builds(
            form_body,
            st.lists(field, max_size=6),
            st.sampled_from(["file", "file", "image", "image[]", "mask"]),
            self.odd_texts,
            mutated(MEDIA) | MEDIA | st.binary(max_size=60),
        )
        types = st.sampled_from(
            [
                b"multipart/form-data; boundary=XX",
                b'multipart/form-data; boundary="XX"; charset=utf-7',
                b"multipart/form-data",
                b"multipart/form-data; boundary=",
                b"multipart/form-data; boundary=" + b"x" * 300,
                b"multipart/form-data; boundary=XX; charset=utf-16",
                b"multipart/form-data; boundary=XX; charset=idna",
                b"multipart/form-data; boundary=\xff\xfe",
                b"application/x-www-form-urlencoded",
            ]
        )
        headers = self.headers(types)
        return st.builds(HttpInput, st.just("POST"), st.sampled_from(FORM_ROUTES), headers, bodies | mutated(bodies))

    def plain_requests(self) -> st.SearchStrategy[HttpInput]:
        """Return any method on any path, with query strings."""
        tails = st.one_of(
            st.just(""),
            self.odd_texts.map(lambda text: quote(text, safe="/~")),
            st.just("%00"),
            st.just("%ff%2e%2e/"),
        )
        gets = st.builds(str.__add__, st.sampled_from(GET_ROUTES), tails)
        posts = st.builds(str.format, st.sampled_from(POST_ROUTES), tails)
        jobs = st.integers().map(lambda number: f"/api/jobs/{number}/cancel") | st.just(
            f"/api/jobs/{'9' * 5000}/cancel"
        )
        queries = st.one_of(
            st.just(""),
            self.odd_texts.map(lambda text: "?model=" + quote(text)),
            st.text(max_size=9).map(lambda t: "?" + quote(t, safe="=&;%")),
        )
        targets = st.builds(str.__add__, st.one_of(gets, posts, jobs), queries)
        methods = st.sampled_from(
            ["GET", "GET", "GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE", "get", "X"]
        )
        return st.builds(HttpInput, methods, targets, self.headers(st.just(b"text/plain")), st.binary(max_size=20))

    def commands(self) -> st.SearchStrategy[HttpInput]:
        """Return what the status page sends, with odd bodies and names."""
        headers = self.headers(st.just(b"application/json"))
        odd = self.odd_texts.map(lambda text: quote(text, safe=""))
        return st.one_of(
            [
                st.builds(HttpInput, st.just(method), targets, headers, self.mutated_json(example))
                for method, path, example in COMMANDS
                for targets in (st.just(path), odd.map(partial(replace_name, path)))
            ]
        )

    def realtime_events(self) -> st.SearchStrategy[EventsInput]:
        """Return some events of a session, in any order."""
        events = st.one_of([self.mutated_json(event) for event in REALTIME_EVENTS])
        return st.lists(events, min_size=1, max_size=5).map(lambda some: EventsInput(tuple(some)))

    def mcp_requests(self) -> st.SearchStrategy[HttpInput]:
        """Return messages of MCP over HTTP."""
        headers = self.headers(st.just(b"application/json"), accept=b"application/json, text/event-stream")
        return st.builds(HttpInput, st.just("POST"), st.just("/mcp"), headers, self.lines())

    def lines(self) -> st.SearchStrategy[bytes]:
        """Return lines of JSON-RPC: tool calls with odd arguments, other methods, and what is no JSON-RPC."""
        return st.one_of([self.mutated_json(message) for message in MESSAGES])

    def headers(self, content_types: st.SearchStrategy[bytes], accept: bytes = b"*/*") -> st.SearchStrategy[Headers]:
        """Return headers of a local client, with some odd ones."""
        odd_values = st.one_of(
            st.binary(max_size=20).map(header_value),
            self.odd_texts.map(lambda text: header_value(text.encode())),
            st.sampled_from(
                [b"cross-site", b"bytes=0-", b"bytes=9-1,-,5-", b"Bearer \xff", b"gzip", b"chunked", b"-5", b"9" * 30]
            ),
        )
        odd = st.tuples(st.sampled_from(HEADER_NAMES).map(str.encode), odd_values)
        return st.builds(
            lambda some, content_type: without_repeats(
                (*some, (b"host", b"localhost"), (b"content-type", content_type), (b"accept", accept))
            ),
            st.lists(odd, max_size=2),
            content_types,
        )


MESSAGES: tuple[dict[str, Any], ...] = (
    {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}},
    {"jsonrpc": "2.0", "id": 2, "method": "resources/read", "params": {"uri": "senses://status"}},
    {"jsonrpc": "2.0", "id": 3, "method": "prompts/get", "params": {"name": "x", "arguments": {"a": "b"}}},
    {"jsonrpc": "2.0", "id": 4, "method": "resources/subscribe", "params": {"uri": "senses://status"}},
    {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1, "reason": "x"}},
    {"jsonrpc": "2.0", "id": 5, "method": "logging/setLevel", "params": {"level": "debug"}},
    {
        "jsonrpc": "2.0",
        "id": 6,
        "method": "completion/complete",
        "params": {"ref": {"type": "ref/prompt", "name": "x"}},
    },
    *(
        {"jsonrpc": "2.0", "id": 7 + index, "method": "tools/call", "params": {"name": name, "arguments": arguments}}
        for index, (name, arguments) in enumerate(
            (
                ("describe_image", {"image": "red.png", "prompt": "what", "wait_seconds": 1}),
                ("generate_image", {"prompt": "a circle", "width": 64, "height": 64, "count": 1, "preview": False}),
                ("transcribe", {"audio": "beep.wav", "language": "en", "format": "srt"}),
                ("speak", {"text": "hello", "voice": "alma", "speed": 1, "output_path": "out.wav", "overwrite": True}),
                ("save_media", {"uri": "senses://images/x", "path": "x.png"}),
                ("media_status", {"section": "models"}),
                ("get_job", {"job_id": 1, "wait_seconds": 0}),
                ("cancel_job", {"job_id": 1}),
            )
        )
    ),
)


def replace_name(path: str, name: str) -> str:
    """Return the path of a command with another name in its third place, if it has one."""
    parts = path.split("/")
    return "/".join([*parts[:3], name, *parts[4:]]) if len(parts) > 3 else f"{path}/{name}"


def nested(depth: int, value: Any) -> Any:
    """Return a value inside lists inside lists."""
    for _ in range(depth):
        value = [value]
    return value


def replace_values(example: Any, replacements: list[tuple[int, Any]]) -> Any:
    """Return a copy of a JSON value in which the n-th values are replaced."""
    for index, value in replacements:
        example = _replace(example, [index], value)
    return example


def _replace(example: Any, countdown: list[int], value: Any) -> Any:
    countdown[0] -= 1
    if countdown[0] == -1:
        return value
    if isinstance(example, dict):
        return {key: _replace(inner, countdown, value) for key, inner in example.items()}
    if isinstance(example, list):
        return [_replace(inner, countdown, value) for inner in example]
    return example


def mutated(texts: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Return texts with a piece cut out, replaced or repeated."""

    def mutate(text: bytes, start: int, length: int, piece: bytes, repeat: int) -> bytes:
        start %= len(text) + 1
        return text[:start] + piece * repeat + text[start + length :]

    lengths = st.just(0) | st.integers(0, 2000)
    return st.builds(mutate, texts, st.integers(0, 2000), lengths, st.binary(max_size=8), st.integers(0, 3))


def form_body(fields: list[tuple[str, str]], file_field: str, filename: str, file: bytes) -> bytes:
    """Return the body of a form with the boundary XX."""
    parts = [f'name="{name}"\r\n\r\n{value}'.encode() for name, value in fields]
    parts.append(f'name="{file_field}"; filename="{filename}"\r\nContent-Type: audio/wav\r\n\r\n'.encode() + file)
    return b"".join(b"--XX\r\nContent-Disposition: form-data; " + part + b"\r\n" for part in parts) + b"--XX--\r\n"


def header_value(raw: bytes) -> bytes:
    """Return bytes without those that the HTTP server refuses in a header."""
    return bytes(byte for byte in raw if byte == 9 or (byte >= 32 and byte != 127)).strip()


def without_repeats(headers: Headers) -> Headers:
    """Return headers without a second one of the same name; the server refuses a second Host."""
    return tuple({name: (name, value) for name, value in reversed(headers)}.values())
