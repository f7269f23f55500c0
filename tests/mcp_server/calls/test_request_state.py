"""What a client sends back with a person's answer is understood by the daemon that comes after the one that asked."""

import json
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from anyio.streams.buffered import BufferedByteReceiveStream

from mcp_server.calls.request_state import KEY_BYTES, request_state_key
from mcp_server.launcher.paths import InstancePaths
from mcp_server.launcher.session import VERSION_KEY
from model_runtime.errors import ModelMissing
from model_runtime.settings import Settings
from tests.mcp_server.daemon.test_daemon import handshake
from tests.mcp_server.daemons import running_daemon
from tests.mcp_server.fake_daemon import ClosableFakeService


@pytest.mark.promise("shim:questions")
def test_the_next_daemon_has_the_key_and_no_other_user(tmp_path: Path) -> None:
    path = tmp_path / "data" / "key"
    key = request_state_key(path)

    assert request_state_key(path) == key
    assert len(key) == KEY_BYTES
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_damaged_key_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"short")

    assert request_state_key(path) == path.read_bytes() != b"short"


def test_without_a_disk_the_key_is_one_of_the_process(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert len(request_state_key(tmp_path / "file" / "key")) == KEY_BYTES


CLIENT = {
    VERSION_KEY: "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {"elicitation": {"form": {}}},
}


async def ask(settings: Settings, paths: InstancePaths, **params: Any) -> dict[str, Any]:
    """Start a daemon without the model that speaks, ask it to speak, and return its answer."""
    service = ClosableFakeService(error=ModelMissing("tts-starter", 5, "senses pull tts-starter", "MIT"))
    service.update_models(lambda models: [replace(one, present=False, starter=False) for one in models])
    call = {"name": "speak", "arguments": {"text": "x"}, "_meta": CLIENT, **params}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
    async with running_daemon(settings, paths, service):
        _, stream = await handshake(paths.socket_path)
        async with stream:
            await stream.send(json.dumps(message).encode() + b"\n")
            answer: dict[str, Any] = json.loads(await BufferedByteReceiveStream(stream).receive_until(b"\n", 100_000))
    return answer


async def test_an_answer_to_the_question_of_an_earlier_daemon_is_taken(
    settings: Settings, paths: InstancePaths
) -> None:
    asked = (await ask(settings, paths))["result"]
    answers = {key: {"action": "decline"} for key in asked["inputRequests"]}

    answered = await ask(settings, paths, inputResponses=answers, requestState=asked["requestState"])
    forged = await ask(settings, paths, inputResponses=answers, requestState="v1.forged")

    assert answered["result"]["isError"], "the person does not want the model"
    assert "error" in forged
