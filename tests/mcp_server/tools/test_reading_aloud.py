"""speak(play=true) reads aloud while it speaks; stop_speaking and a cancelled call end the sound."""

import os
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from mcp import Client
from mcp_types import CallToolResult

from mcp_server.daemon.lifetime import is_working
from mcp_server.files.client import ClientConnection
from model_runtime.settings import Settings
from tests.fakes import FakeService
from tests.mcp_server.conftest import Connect, ProtocolMode, open_server
from tests.mcp_server.fake_sound import FakeSound
from tests.mcp_server.tools.test_tools import data_of, file_of

CHUNK = b"\x00\x10" * 2400
"""What the fake service speaks, three times."""


@pytest.mark.promise("mcp:aloud")
async def test_speech_is_heard_while_it_is_made_and_whole_in_the_end(
    connect: Connect, era: ProtocolMode, service: FakeService
) -> None:
    sound, service.gate = FakeSound(), anyio.Event()
    results: list[CallToolResult] = []

    async def speak(client: Client) -> None:
        results.append(await client.call_tool("speak", {"text": "x", "play": True}))

    with anyio.fail_after(10):
        async with connect(era, find_output=lambda: sound) as client, anyio.create_task_group() as tasks:
            tasks.start_soon(speak, client)
            await sound.began.wait()
            heard_while_made = sound.heard[0]
            service.gate.set()
            await sound.ended.wait()

    assert heard_while_made == CHUNK
    assert sound.heard == [CHUNK * 3]
    assert data_of(results[0])["playing"] is True


@pytest.mark.promise("mcp:aloud")
async def test_stop_speaking_silences_a_text_and_its_recording_is_kept(connect: Connect, service: FakeService) -> None:
    sound, service.gate = FakeSound(), anyio.Event()

    with anyio.fail_after(10):
        async with connect(find_output=lambda: sound) as client:
            running = data_of(await client.call_tool("speak", {"text": "x", "play": True, "wait_seconds": 0}))
            await sound.began.wait()
            stopped = data_of(await client.call_tool("stop_speaking", {}))
            await sound.ended.wait()
            service.gate.set()
            data = data_of(await client.call_tool("get_job", {"job_id": running["job_id"]}))

    assert stopped == {"stopped": 1}
    assert (sound.heard, sound.endings) == ([CHUNK], ["silenced"])
    assert data["playing"] is False
    assert "It is not read aloud: stop_speaking was called." in data["warnings"]
    assert file_of(data).read_bytes().endswith(CHUNK * 3)


@pytest.mark.promise("mcp:aloud")
async def test_a_cancelled_call_falls_silent(connect: Connect, era: ProtocolMode, service: FakeService) -> None:
    sound, service.gate = FakeSound(), anyio.Event()

    with anyio.fail_after(10):
        async with connect(era, find_output=lambda: sound) as client:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(client.call_tool, "speak", {"text": "x", "play": True})
                await sound.began.wait()
                tasks.cancel_scope.cancel()
            await sound.ended.wait()

    assert sound.endings == ["silenced"]
    assert len(service.cancelled_requests) == 1


@pytest.mark.process
async def test_a_program_of_the_system_gets_the_samples(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    heard = tmp_path / "heard"
    os.mkfifo(heard)
    player = tmp_path / "paplay"
    player.write_text(f"#!/bin/sh\ncat > {heard}\n")
    player.chmod(0o755)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")

    async with connect() as client:
        data = data_of(await client.call_tool("speak", {"text": "x", "play": True}))
        with anyio.fail_after(10):
            played = await anyio.Path(heard).read_bytes()

    assert data["playing"] is True
    assert played == CHUNK * 3


async def test_a_daemon_that_still_reads_aloud_is_at_work_and_does_not_end(
    service: FakeService, settings: Settings
) -> None:
    gate = anyio.Event()
    sound = FakeSound(gate=gate)
    async with (
        open_server(service, settings, ClientConnection(), find_output=lambda: sound) as server,
        Client(server) as client,
    ):
        data_of(await client.call_tool("speak", {"text": "x", "play": True}))
        is_working_while_it_sounds = is_working(server)
        gate.set()
        await sound.ended.wait()
        await anyio.lowlevel.checkpoint()

        assert (is_working_while_it_sounds, is_working(server)) == (True, False)


async def test_with_nothing_to_stop_stop_speaking_says_so(connect: Connect) -> None:
    async with connect() as client:
        assert data_of(await client.call_tool("stop_speaking", {})) == {"stopped": 0}


async def test_where_nothing_plays_speech_is_saved_and_the_answer_says_it_was_not_heard(connect: Connect) -> None:
    async with connect(find_output=lambda: None) as client:
        data = data_of(await client.call_tool("speak", {"text": "x", "play": True}))

    assert data["playing"] is False
    assert any("has no program that plays sound" in warning for warning in data["warnings"])
    assert file_of(data).exists()


async def test_a_device_that_fails_is_told_in_the_answer(connect: Connect, service: FakeService) -> None:
    sound, service.gate = FakeSound(problem="no device"), anyio.Event()
    async with connect(find_output=lambda: sound) as client:
        running = data_of(await client.call_tool("speak", {"text": "x", "play": True, "wait_seconds": 0}))
        service.gate.set()
        data = data_of(await client.call_tool("get_job", {"job_id": running["job_id"]}))

    assert (data["playing"], data["warnings"][-1]) == (False, "It is not read aloud: no device")


async def test_a_text_that_is_not_to_be_played_is_silent(connect: Connect) -> None:
    sound = FakeSound()
    async with connect(find_output=lambda: sound) as client:
        data = data_of(await client.call_tool("speak", {"text": "x"}))

    assert (data["playing"], sound.heard) == (False, [])
