"""The daemon's HTTP application and its socket for MCP, in this process, over the fake runtime."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

import anyio
from anyio.abc import SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream
from starlette.types import ASGIApp, Message

from mcp_server.daemon.descriptors import DescriptorReserve, raise_descriptor_limit
from mcp_server.daemon.http_server import artifact_routes, mcp_routes
from mcp_server.daemon.live_settings import LiveSettings
from mcp_server.daemon.model_storage import ModelStorage
from mcp_server.daemon.socket_server import SocketServer
from mcp_server.files.artifacts import ArtifactStore
from mcp_server.files.connected_clients import ClientList
from mcp_server.files.folder_requests import FolderControl
from mcp_server.files.grants import FolderGrantStore
from mcp_server.launcher.paths import PROTOCOL_VERSION, VERSION
from mcp_server.server import create_server
from model_runtime.errors import InvalidInput
from model_runtime.problems import Problems
from model_runtime.settings import InstanceFolders, Settings
from openai_compat.app import create_app
from tests.fakes import FakeService
from tests.fuzz.mcp_answers import ExpectedAnswer, expected_answer
from tests.fuzz.request_inputs import PNG, WAV, EventsInput, HttpInput

SECRET = b"hunter2-5ecret-c0ntent"
ANSWER_SECONDS = 60.0
"""Far more than any answer takes, also on a busy machine."""
INTERNAL_ERROR = 1011
"""Code by which a WebSocket is closed that failed (RFC 6455, section 7.4.1)."""
STREAM_SECONDS = 0.05
"""How long an endless stream is read before its client leaves."""


class Found(AssertionError):
    """An input was answered with 500, wrongly, not at all, or with the content of a file."""


@dataclass(slots=True)
class Answer:
    """What the application sent."""

    status: int = 0
    body: bytearray = field(default_factory=bytearray)


class RequestTarget:
    """Sends inputs, and raises `Found` for what must not happen."""

    def __init__(self, app: ASGIApp, socket_path: str, project: Path) -> None:
        self._app = app
        self._socket_path = socket_path
        self._project = project
        self._connection: tuple[SocketStream, BufferedByteReceiveStream] | None = None
        self._pings = 0

    async def send(self, request: HttpInput) -> int:
        """Send an HTTP request and return the status of its answer."""
        answer = Answer()
        try:
            with anyio.fail_after(ANSWER_SECONDS):
                await self._call(request, answer)
        except TimeoutError:
            raise Found("no answer") from None
        _check_secret(answer.body)
        if answer.status >= 500 and answer.status != 501:
            raise Found(f"{answer.status}: {bytes(answer.body)!r}")
        return answer.status

    async def _call(self, request: HttpInput, answer: Answer) -> None:
        path, _, query = request.target.partition("?")
        finished = anyio.Event()
        incoming = [{"type": "http.request", "body": request.body, "more_body": False}]
        is_stream = request.method == "GET" and path.startswith(("/api/events", "/mcp"))

        async def receive() -> Message:
            if incoming:
                return incoming.pop()
            with anyio.move_on_after(STREAM_SECONDS if is_stream else None):
                await finished.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
            answer.body.extend(message.get("body", b""))
            if message["type"] == "http.response.body" and not message.get("more_body"):
                finished.set()

        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": request.method,
            "scheme": "http",
            "path": unquote(path),  # as uvicorn does
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": list(request.headers),
            "server": ("127.0.0.1", 7367),
            "client": ("127.0.0.1", 50_000),
        }
        await self._app(scope, receive, send)

    async def send_events(self, session: EventsInput) -> None:
        """Send events to `/v1/realtime`, and check that the session ends without an internal error."""
        sent: list[Message] = []
        incoming: list[Message] = [
            {"type": "websocket.connect"},
            *({"type": "websocket.receive", "text": event.decode(errors="replace")} for event in session.events),
        ]

        async def receive() -> Message:
            if incoming:
                return incoming.pop(0)
            await anyio.sleep(STREAM_SECONDS)
            return {"type": "websocket.disconnect", "code": 1000}

        async def send(message: Message) -> None:
            sent.append(message)

        scope = {
            "type": "websocket",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "scheme": "ws",
            "path": "/v1/realtime",
            "raw_path": b"/v1/realtime",
            "query_string": b"intent=transcription",
            "root_path": "",
            "headers": [(b"host", b"localhost")],
            "subprotocols": [],
            "server": ("127.0.0.1", 7367),
            "client": ("127.0.0.1", 50_000),
        }
        try:
            with anyio.fail_after(ANSWER_SECONDS):
                await self._app(scope, receive, send)
        except TimeoutError:
            raise Found("the session does not end") from None
        for message in sent:
            _check_secret((message.get("text") or "").encode())
        if not sent or sent[0]["type"] != "websocket.accept" or sent[-1].get("code") == INTERNAL_ERROR:
            raise Found(f"the session was refused or failed: {sent[-1:]}")

    async def send_line(self, line: bytes) -> None:
        """Send a line of MCP and a ping, and check that both are answered as they must be."""
        try:
            with anyio.fail_after(ANSWER_SECONDS):
                await self._send_and_ping(line.replace(b"\n", b" "))
        except (Found, TimeoutError, anyio.EndOfStream, anyio.BrokenResourceError, anyio.IncompleteRead) as error:
            await self.disconnect()  # its late answers belong to no other line
            raise error if isinstance(error, Found) else Found(f"no answer: {type(error).__name__}") from error

    async def _send_and_ping(self, line: bytes) -> None:
        stream, reader = self._connection or await self._connect()
        self._pings += 1
        ping = {"jsonrpc": "2.0", "id": f"ping-{self._pings}", "method": "ping"}
        await stream.send(line + b"\n" + json.dumps(ping).encode() + b"\n")
        expected = [ExpectedAnswer(ping["id"]), *filter(None, [expected_answer(line)])]
        while expected:
            reply = json.loads(await self._receive_line(reader))
            if "method" in reply:  # the server asks or notifies
                continue
            met = next((one for one in expected if one.is_met_by(reply)), None)
            if met is None:
                raise Found(f"{reply} instead of {expected}")
            expected.remove(met)

    async def _receive_line(self, reader: BufferedByteReceiveStream) -> bytes:
        line = await reader.receive_until(b"\n", 64_000_000)
        _check_secret(line)
        return line

    async def _connect(self) -> tuple[SocketStream, BufferedByteReceiveStream]:
        stream = await anyio.connect_unix(self._socket_path)
        reader = BufferedByteReceiveStream(stream)
        self._connection = stream, reader
        handshake = {"protocol": PROTOCOL_VERSION, "version": VERSION, "pid": 1, "cwd": str(self._project)}
        info = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "fuzz", "version": "1"}}
        initialize = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": info}
        await stream.send(json.dumps(handshake).encode() + b"\n")
        await reader.receive_until(b"\n", 65_536)
        await stream.send(json.dumps(initialize).encode() + b"\n")
        await reader.receive_until(b"\n", 1_000_000)
        await stream.send(b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n')
        return self._connection

    async def disconnect(self) -> None:
        """Close the connection for MCP, if there is one."""
        connection, self._connection = self._connection, None
        if connection:
            await connection[0].aclose()


def _check_secret(text: bytes | bytearray) -> None:
    if SECRET in text:
        raise Found("the content of a file is in the answer")


@asynccontextmanager
async def open_target(folder: Path) -> AsyncGenerator[RequestTarget]:
    """Serve from a folder that holds a secret and a client's project."""
    (folder / "secret.txt").write_bytes(SECRET * 3)
    project = folder / "project"
    project.mkdir()
    (project / "red.png").write_bytes(PNG)
    (project / "beep.wav").write_bytes(WAV)
    settings = Settings(InstanceFolders.from_home(folder / "home"), port=0, keep_spare_worker=False)
    service, artifacts = FakeService(), ArtifactStore(settings.folders.artifacts)
    async with anyio.create_task_group() as tasks:
        server = create_server(service, settings, artifacts, tasks, downloader=_refuse_download)
        routes = [*mcp_routes(server), *artifact_routes(artifacts)]
        app = create_app(
            service,
            settings,
            artifacts=artifacts,
            folders=FolderControl(FolderGrantStore(settings.folders), server.app_context.folder_requests),
            clients=ClientList(server.app_context.clients, settings),
            live_settings=LiveSettings(settings, {}, service.apply, service.problems),
            model_files=ModelStorage(service, settings, server.app_context.download, tasks),
            extra_routes=routes,
            contexts=[server.session_manager.run],
        )
        socket_server = SocketServer(server, str(folder / "s"), DescriptorReserve(raise_descriptor_limit()), Problems())
        await socket_server.listen()
        tasks.start_soon(socket_server.serve)
        async with app.router.lifespan_context(app):
            target = RequestTarget(app, str(folder / "s"), project)
            try:
                yield target
            finally:
                await target.disconnect()
                await socket_server.close()
        tasks.cancel_scope.cancel()


async def _refuse_download(model: str, report: object) -> None:
    raise InvalidInput("Nothing is downloaded here.")
