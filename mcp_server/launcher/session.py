"""What a shim remembers of its client's session, so that another daemon can go on with it. Standard library only.

Pure: lines of JSON-RPC in, lines out. Both protocol eras: up to 2025-11-25 a session begins with `initialize`, and
`resources/subscribe` is answered at once; from 2026-07-28 on each request stands alone, and `subscriptions/listen` is a
request that stays open. Of a line only id, method and a few parameters are read; a line that is no message passes unread.
"""

import json
from collections.abc import Callable

MAX_LINE_BYTES = (64 << 20) + 1
"""A longer line passes in pieces; the daemon refuses it."""
MAX_ATTEMPTS = 2
INTERNAL_ERROR = -32603
"""https://www.jsonrpc.org/specification#error_object"""
VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
"""In `_meta` of each request from 2026-07-28 on."""
SUBSCRIPTION_KEY = "io.modelcontextprotocol/subscriptionId"
LISTEN = "subscriptions/listen"
ENDED_TWICE = (
    "The Senses daemon ended twice while it worked on this, so it was not tried a third time. Senses starts again by "
    "itself: other calls work. What it was to write may be there already; look before you call it again. "
    "[code: daemon_ended]"
)

RequestId = int | str
RpcMessage = dict[str, object]


class OpenRequest:
    """A request of the client without an answer. `attempts` says how often a daemon got it."""

    __slots__ = ("attempts", "is_acknowledged", "line", "message", "progress")

    def __init__(self, line: bytes, message: RpcMessage) -> None:
        self.line = line
        self.message = message
        self.attempts = 0
        self.is_acknowledged = False
        self.progress = float("-inf")

    @property
    def listens(self) -> bool:
        """Whether it stays open to follow changes."""
        return self.message["method"] == LISTEN


class Session:
    """The session of one client: its handshake, its subscriptions and its open requests."""

    def __init__(self) -> None:
        self._handshake: dict[RequestId, bytes] = {}
        self._initialized = b""
        self._subscribed: dict[str, tuple[RequestId, bytes]] = {}
        self._open: dict[RequestId, OpenRequest] = {}
        self._replayed: dict[RequestId, bytes] = {}
        """Ids of requests whose second answer the client must not see, and what it sees instead."""
        self._asked: dict[RequestId, RequestId] = {}
        """Open requests of the daemon: the id that the client knows, and the daemon's."""
        self._losses = 0

    @property
    def waits(self) -> bool:
        """Whether the client waits for an answer."""
        return any(not request.listens for request in self._open.values())

    @property
    def follows(self) -> bool:
        """Whether the client wants to be told of changes."""
        return bool(self._subscribed) or any(request.listens for request in self._open.values())

    @property
    def repeated_ids(self) -> list[RequestId]:
        """The ids of the open requests that a daemon has got before."""
        return [request_id for request_id, request in self._open.items() if request.attempts]

    def from_client(self, line: bytes, *, is_connected: bool = True) -> bytes:
        """Take a line of the client; return what the daemon gets. What is sent while none is connected is replayed."""
        message = _read(line)
        method, request_id = message.get("method"), _id_of(message.get("id"))
        if method is None:
            return self._answer_of_client(line, message, request_id)
        if request_id is not None:
            self._open[request_id] = OpenRequest(line, message)
            self._open[request_id].attempts = int(is_connected)
        elif method == "notifications/initialized":
            self._initialized = line
        elif method == "notifications/cancelled":
            cancelled = _id_of(_params(message).get("requestId"))
            if cancelled is not None:
                self._open.pop(cancelled, None)
        return line

    def from_daemon(self, line: bytes) -> bytes:
        """Take a line of the daemon; return what the client gets: the line, another one, or nothing."""
        message = _read(line)
        if "method" not in message:
            return self._answer_of_daemon(line, message)
        if "id" in message:
            return self._question_of_daemon(line, message)
        return self._notice_of_daemon(line, message)

    def connection_lost(self) -> bytes:
        """Return what the client gets: answers to what is not tried again, and that the daemon's questions are void."""
        self._losses += 1
        void = [_cancelled(known) for known in self._asked]
        self._asked.clear()
        self._replayed.clear()
        return b"".join(void) + self._fail(
            lambda request: request.attempts >= MAX_ATTEMPTS and not request.listens, ENDED_TWICE
        )

    def give_up(self, reason: str) -> bytes:
        """Return an answer to every open request: no daemon can be reached."""
        return self._fail(lambda request: True, f"Senses cannot be reached: {reason} [code: daemon_unreachable]")

    def replay(self) -> list[bytes]:
        """Return what another daemon gets: the handshake, the subscriptions and the open requests."""
        self._replayed = dict.fromkeys(self._handshake, b"")
        self._replayed |= {request_id: _updated(uri) for uri, (request_id, _) in self._subscribed.items()}
        lines = [*self._handshake.values(), self._initialized, *(line for _, line in self._subscribed.values())]
        for request in self._open.values():
            request.attempts += 1
            lines.append(request.line)
        return [line for line in lines if line]

    def _answer_of_client(self, line: bytes, message: RpcMessage, known: RequestId | None) -> bytes:
        """Forward an answer to the daemon that asked; drop one to a daemon that has gone."""
        if known is None:
            return line
        if known not in self._asked:
            return b""
        asked = self._asked.pop(known)
        return line if asked == known else _line({**message, "id": asked})

    def _question_of_daemon(self, line: bytes, message: RpcMessage) -> bytes:
        """Forward a request of the daemon. Those of later daemons get ids of their own: each counts from the start."""
        asked = _id_of(message["id"])
        if asked is None:
            return line
        known = f"{self._losses}:{asked}" if self._losses else asked
        self._asked[known] = asked
        return _line({**message, "id": known}) if self._losses else line

    def _answer_of_daemon(self, line: bytes, message: RpcMessage) -> bytes:
        request_id = _id_of(message.get("id"))
        if request_id is None:
            return line
        if request_id in self._replayed:
            return self._replayed.pop(request_id)
        request = self._open.pop(request_id, None)
        if request is not None and "result" in message:
            self._remember(request_id, request)
        return line

    def _remember(self, request_id: RequestId, request: OpenRequest) -> None:
        """Keep what the next daemon has to know of a request that has succeeded."""
        uri, method = str(_params(request.message).get("uri")), request.message["method"]
        if method == "initialize":
            self._handshake = {request_id: request.line}
        elif method == "resources/subscribe":
            self._subscribed[uri] = request_id, request.line
        elif method == "resources/unsubscribe":
            self._subscribed.pop(uri, None)

    def _notice_of_daemon(self, line: bytes, message: RpcMessage) -> bytes:
        params = _params(message)
        if message["method"] == "notifications/progress" and not self._rises(params):
            return b""
        if message["method"] == "notifications/subscriptions/acknowledged":
            return self._acknowledged(line, _dict(params.get("_meta")).get(SUBSCRIPTION_KEY))
        return line

    def _rises(self, params: RpcMessage) -> bool:
        """Return whether progress goes on: MCP demands that it rises, and a repeated call begins again."""
        token, progress = params.get("progressToken"), params.get("progress")
        if token is None or not isinstance(progress, int | float):
            return True
        for request in self._open.values():
            if _dict(_params(request.message).get("_meta")).get("progressToken") == token:
                is_repeated, highest = request.attempts > 1, request.progress
                request.progress = max(highest, progress)
                return progress > highest or not is_repeated
        return True

    def _acknowledged(self, line: bytes, subscription: object) -> bytes:
        """Forward the first acknowledgement; instead of another one tell that all has changed."""
        request_id = _id_of(subscription)
        request = self._open.get(request_id) if request_id is not None else None
        if request is None or not request.is_acknowledged:
            if request is not None:
                request.is_acknowledged = True
            return line
        uris = _dict(_params(request.message).get("notifications")).get("resourceSubscriptions")
        return b"".join(_updated(uri, request_id) for uri in uris) if isinstance(uris, list) else b""

    def _fail(self, is_failed: Callable[[OpenRequest], bool], text: str) -> bytes:
        failed = {request_id: request for request_id, request in self._open.items() if is_failed(request)}
        for request_id in failed:
            del self._open[request_id]
        return b"".join(_failure(request_id, request.message, text) for request_id, request in failed.items())


class LineBuffer:
    """Splits bytes into lines, each with its newline; a line over `MAX_LINE_BYTES` comes in pieces."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that end in `data`."""
        searched = len(self._buffer)
        self._buffer += data
        end = self._buffer.rfind(b"\n", searched) + 1
        if len(self._buffer) - end > MAX_LINE_BYTES:
            end = len(self._buffer)
        whole = bytes(self._buffer[:end])
        del self._buffer[:end]
        *lines, piece = whole.split(b"\n")
        return [line + b"\n" for line in lines] + ([piece] if piece else [])


def _read(line: bytes) -> RpcMessage:
    """Return the message of a line; empty if it is none."""
    try:
        return _dict(json.loads(line))
    except (ValueError, RecursionError):
        return {}


def _dict(value: object) -> RpcMessage:
    return value if isinstance(value, dict) else {}


def _params(message: RpcMessage) -> RpcMessage:
    return _dict(message.get("params"))


def _id_of(value: object) -> RequestId | None:
    return value if isinstance(value, int | str) and not isinstance(value, bool) else None


def _line(message: RpcMessage) -> bytes:
    return json.dumps({"jsonrpc": "2.0"} | message).encode() + b"\n"


def _updated(uri: object, subscription: RequestId | None = None) -> bytes:
    meta = {} if subscription is None else {"_meta": {SUBSCRIPTION_KEY: subscription}}
    return _line({"method": "notifications/resources/updated", "params": {"uri": uri, **meta}})


def _cancelled(request_id: RequestId) -> bytes:
    params = {"requestId": request_id, "reason": "The Senses daemon that asked has ended."}
    return _line({"method": "notifications/cancelled", "params": params})


def _failure(request_id: RequestId, message: RpcMessage, text: str) -> bytes:
    """Return the answer to a request that failed: a tool's error is one that the model reads."""
    if message["method"] != "tools/call":
        return _line({"id": request_id, "error": {"code": INTERNAL_ERROR, "message": text}})
    result: RpcMessage = {"content": [{"type": "text", "text": text}], "isError": True}
    if VERSION_KEY in _dict(_params(message).get("_meta")):
        result["resultType"] = "complete"
    return _line({"id": request_id, "result": result})
