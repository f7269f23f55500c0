"""The daemon in this process, over the fake runtime: its socket, its HTTP side, and how it stops."""

import json
import os
import signal
import socket
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream
from mcp import Client

from mcp_server.client_setup.config_files import shim_command
from mcp_server.daemon.daemon import Daemon
from mcp_server.daemon.http_server import base_url, bind_sockets
from mcp_server.daemon.lifetime import is_newer
from mcp_server.daemon.lock import AlreadyRunning, acquire_lock, read_daemon_info
from mcp_server.files.artifacts import ArtifactKind, ArtifactStore
from mcp_server.launcher.paths import PROTOCOL_VERSION, VERSION, InstancePaths
from model_runtime.settings import Settings, SettingsError
from model_runtime.status import ModelState
from tests.mcp_server.conftest import ProtocolMode
from tests.mcp_server.daemons import running_daemon, service_opener
from tests.mcp_server.fake_daemon import ClosableFakeService
from tests.mcp_server.tools.test_tools import data_of

HANDSHAKE = {"protocol": PROTOCOL_VERSION, "version": VERSION, "pid": 1, "cwd": "/", "project": "", "folders": []}


async def children(folder: str) -> list[anyio.Path]:
    return [path async for path in anyio.Path(folder).iterdir()]


async def handshake(path: str, **changes: object) -> tuple[dict[str, Any], anyio.abc.SocketStream]:
    stream = await anyio.connect_unix(path)
    await stream.send(json.dumps(HANDSHAKE | changes).encode() + b"\n")
    answer: dict[str, Any] = json.loads(await BufferedByteReceiveStream(stream).receive_until(b"\n", 10_000))
    return answer, stream


@pytest.mark.promise("daemon:http")
async def test_mcp_is_served_over_http_next_to_the_other_api(
    settings: Settings, paths: InstancePaths, era: ProtocolMode
) -> None:
    async with running_daemon(settings, paths) as info:
        async with Client(f"{info.url}/mcp", mode=era) as client:
            answer = await client.call_tool("speak", {"text": "x"})
            refused = await client.call_tool("describe_image", {"image": "/data/a.png"})
            spoken = data_of(answer)
        async with httpx2.AsyncClient() as http:
            sound = await http.get(spoken["url"])
            folders = (await http.get(f"{info.url}/api/folders")).json()
            models = await http.get(f"{info.url}/v1/models")

    assert sound.headers["content-type"] == "audio/wav"
    assert sound.content[:4] == b"RIFF"
    assert [block.type for block in answer.content].count("audio") == 1
    assert refused.is_error
    assert [(asked["client"], asked["folder"]) for asked in folders["requested"]] == [("http", "/data")]
    assert models.status_code == 200


async def test_a_web_page_of_another_site_cannot_reach_mcp(settings: Settings, paths: InstancePaths) -> None:
    async with running_daemon(settings, paths) as info, httpx2.AsyncClient() as http:
        foreign_host = await http.post(f"{info.url}/mcp", json={}, headers={"host": "evil.example"})
        foreign_origin = await http.post(f"{info.url}/mcp", json={}, headers={"origin": "https://evil.example"})

    assert foreign_host.status_code == 403
    assert foreign_origin.status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "host.docker.internal:7367"},
        {"host": "mac.example"},
        {"origin": "vscode-webview://0ab1"},
        {"origin": "https://mine.example"},
    ],
)
async def test_whoever_may_call_the_other_api_may_call_mcp(
    settings: Settings, paths: InstancePaths, headers: dict[str, str]
) -> None:
    more = replace(settings, allowed_hosts=("mac.example",), allowed_origins=("https://mine.example",))
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    accept = {"accept": "application/json, text/event-stream"}

    async with running_daemon(more, paths) as info, httpx2.AsyncClient() as http:
        usual = await http.post(f"{info.url}/mcp", json=ping, headers=accept)
        answer = await http.post(f"{info.url}/mcp", json=ping, headers=accept | headers)

    assert answer.status_code == usual.status_code
    assert answer.json() == usual.json()


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("localhost", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),  # noqa: S104
        ("::", "http://[::1]:80"),
        ("192.168.1.5", "http://192.168.1.5:80"),
    ],
)
def test_the_address_told_is_one_that_this_machine_reaches(host: str, url: str) -> None:
    assert base_url(host, 80) == url


async def test_a_link_to_a_result_needs_no_key_where_mcp_does(settings: Settings, paths: InstancePaths) -> None:
    guarded = replace(settings, api_key="key")
    result = ArtifactStore(settings.folders.artifacts).add(ArtifactKind.AUDIO, b"RIFF")

    async with running_daemon(guarded, paths) as info, httpx2.AsyncClient(base_url=info.url) as http:
        linked = await http.get(f"/artifacts/audio/{result.path.name}")
        unknown = await http.get("/artifacts/audio/")
        mcp = await http.post("/mcp", json={})

    assert [answer.status_code for answer in (linked, unknown, mcp)] == [200, 404, 401]
    assert linked.content == b"RIFF"


@pytest.mark.parametrize("path", ["images/../../config.toml", "images/x.png", "nothing/x.png", "audio/..%2f..%2fx"])
async def test_only_results_are_served_as_artifacts(settings: Settings, paths: InstancePaths, path: str) -> None:
    async with running_daemon(settings, paths) as info, httpx2.AsyncClient() as http:
        answer = await http.get(f"{info.url}/artifacts/{path}")

    assert answer.status_code == 404


async def test_the_page_can_tell_how_clients_of_this_installation_are_set_up(
    settings: Settings, paths: InstancePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENSES_HOME", "elsewhere")  # as it was called, from a folder that is no longer the daemon's

    async with running_daemon(settings, paths) as info, httpx2.AsyncClient() as http:
        clients = (await http.get(f"{info.url}/api/clients")).json()["clients"]

    texts = {client["name"]: client["text"] for client in clients}
    assert texts["Claude Code"].endswith(f"senses -- {shim_command()}")
    assert f"--env SENSES_HOME={settings.folders.data} " in texts["Claude Code"]
    assert json.loads(texts["Others"])["mcpServers"]["senses"]["command"] == shim_command()


async def test_localhost_may_be_either_protocol(settings: Settings, paths: InstancePaths) -> None:
    async with running_daemon(settings, paths) as info, httpx2.AsyncClient() as http:
        port = info.url.rpartition(":")[2]
        answers = [await http.get(f"http://{host}:{port}/health") for host in ("127.0.0.1", "[::1]")]

    assert [answer.status_code for answer in answers] == [200, 200]


async def test_a_connection_begins_with_a_handshake_and_serves_both_eras(
    settings: Settings, paths: InstancePaths
) -> None:
    async with running_daemon(settings, paths) as info:
        answer, stream = await handshake(paths.socket_path)
        async with stream:
            await stream.send(b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n')
            reply = json.loads(await stream.receive())

    assert answer == {"protocol": PROTOCOL_VERSION, "version": VERSION, "pid": info.pid, "welcome": True}
    assert reply["id"] == 1


async def test_another_protocol_is_told_what_to_do(settings: Settings, paths: InstancePaths) -> None:
    async with running_daemon(settings, paths):
        answer, stream = await handshake(paths.socket_path, protocol=PROTOCOL_VERSION + 1)
        await stream.aclose()

    assert "then reconnect the client" in answer["error"]


async def test_noise_instead_of_a_handshake_is_refused(settings: Settings, paths: InstancePaths) -> None:
    async with running_daemon(settings, paths), await anyio.connect_unix(paths.socket_path) as stream:
        await stream.send(b"GET / HTTP/1.1\r\n\r\n")
        answer = json.loads(await stream.receive())

    assert "error" in answer


@pytest.mark.promise("daemon:upgrade")
async def test_a_daemon_with_idle_clients_stops_for_a_newer_one(settings: Settings, paths: InstancePaths) -> None:
    async with running_daemon(settings, paths):
        _, idle = await handshake(paths.socket_path)
        answer, newcomer = await handshake(paths.socket_path, version="99.0.0")
        async with idle, newcomer:
            await end_of(idle)
        has_socket = await anyio.Path(paths.socket_path).exists()

    assert answer["welcome"] is False
    assert not has_socket, "so that the shim of the newer client starts its own daemon"


@pytest.mark.promise("daemon:upgrade")
async def test_a_daemon_that_works_serves_a_newer_client_and_stops_when_the_work_is_done(
    settings: Settings, paths: InstancePaths
) -> None:
    service = ClosableFakeService(gate=anyio.Event())

    async with running_daemon(settings, paths, service) as info:
        async with Client(f"{info.url}/mcp") as client:
            await client.call_tool("speak", {"text": "x", "wait_seconds": 0})
        answer, newcomer = await handshake(paths.socket_path, version="99.0.0")
        async with newcomer:
            await newcomer.send(b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n')
            served = json.loads(await newcomer.receive())
            assert service.gate is not None
            service.gate.set()
            await end_of(newcomer)

    assert answer["welcome"] is True
    assert served["id"] == 1


async def end_of(stream: anyio.abc.SocketStream) -> None:
    """Wait until the daemon closes a connection."""
    with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
        while await stream.receive():
            pass


def test_versions_are_compared_by_number() -> None:
    assert is_newer("0.10.0", other="0.9.3")
    assert not is_newer("0.9.3", other="0.9.3")
    assert not is_newer("", other="0.9.3")


@pytest.mark.promise("daemon:idle-exit")
async def test_an_idle_daemon_exits(settings: Settings, paths: InstancePaths) -> None:
    daemon = Daemon(settings, paths, auto=True, on_ready=lambda info: None, idle_exit_seconds=0.05)

    with anyio.fail_after(30):
        await daemon.serve(service_opener(ClosableFakeService()))

    assert [path.name for path in await children(paths.run_folder)] == ["daemon.json"]


async def test_a_daemon_with_a_model_in_memory_stays(settings: Settings, paths: InstancePaths) -> None:
    service = ClosableFakeService()
    service.update_models(lambda models: [replace(models[0], state=ModelState.READY), *models[1:]])
    checks = anyio.Event()
    asked = 0
    status = service.status

    def counted() -> Any:
        nonlocal asked
        asked += 1
        if asked > 20:
            checks.set()
        return status()

    service.status = counted  # type: ignore[method-assign]

    async with running_daemon(settings, paths, service, idle_exit_seconds=0.01):
        await checks.wait()
        assert Path(paths.socket_path).exists()  # noqa: ASYNC240


async def test_a_port_in_use_is_replaced_if_a_shim_started_the_daemon(settings: Settings, paths: InstancePaths) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        async with running_daemon(replace(settings, port=port), paths) as info:
            assert not info.url.endswith(f":{port}")


async def test_a_port_in_use_is_named_if_a_person_started_the_daemon(settings: Settings, paths: InstancePaths) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        daemon = Daemon(replace(settings, port=taken.getsockname()[1]), paths, auto=False, on_ready=lambda info: None)
        with pytest.raises(SettingsError, match="is in use by another program"):
            daemon.bind_http()


def test_a_host_that_others_reach_needs_a_key(settings: Settings, paths: InstancePaths) -> None:
    daemon = Daemon(replace(settings, host="0.0.0.0"), paths, auto=False, on_ready=lambda info: None)  # noqa: S104

    with pytest.raises(SettingsError, match="Set api_key"):
        daemon.bind_http()


async def test_its_address_can_be_read_while_it_runs(settings: Settings, paths: InstancePaths) -> None:
    assert read_daemon_info(paths) is None

    lock = acquire_lock(paths.instance_lock)
    async with running_daemon(settings, paths) as info:
        assert read_daemon_info(paths) == info
    os.close(lock)

    assert read_daemon_info(paths) is None


def test_only_one_daemon_runs(paths: InstancePaths) -> None:
    lock = acquire_lock(paths.instance_lock)

    with pytest.raises(AlreadyRunning):
        acquire_lock(paths.instance_lock)

    os.close(lock)
    os.close(acquire_lock(paths.instance_lock))


@pytest.mark.promise("daemon:stops")
async def test_a_signal_ends_it_and_takes_the_socket_away_first(settings: Settings, paths: InstancePaths) -> None:
    service = ClosableFakeService()
    existed: list[bool] = []

    async def close(grace_seconds: float) -> None:
        existed.append(await anyio.Path(paths.socket_path).exists())

    service.close = close  # type: ignore[method-assign]
    daemon = Daemon(settings, paths, auto=True, on_ready=lambda info: os.kill(os.getpid(), signal.SIGTERM))

    with anyio.fail_after(30):
        await daemon.serve(service_opener(service))

    assert existed == [False]


def test_small_answers_do_not_wait_for_an_acknowledgement() -> None:
    """asyncio sets TCP_NODELAY only where the listener names its protocol; an answer would wait 40 ms otherwise."""
    listeners = bind_sockets("127.0.0.1", 0)

    protocols = {listener.proto for listener in listeners}
    for listener in listeners:
        listener.close()

    assert protocols == {socket.IPPROTO_TCP}
