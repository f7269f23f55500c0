"""Samples reach the program that plays them, and its failures are told."""

import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import anyio
import pytest

from mcp_server.calls import sound_output
from mcp_server.calls.sound_output import LINUX_COMMANDS, ProgramOutput, SoundFailed, system_output


async def chunks_of(*parts: bytes) -> AsyncGenerator[bytes]:
    for part in parts:
        yield part


@pytest.mark.parametrize(
    ("installed", "chosen"),
    [
        ({"pw-play", "ffplay", "aplay", "paplay"}, "paplay"),
        ({"pw-play", "ffplay", "aplay"}, "aplay"),
        ({"pw-play", "ffplay"}, "ffplay"),
        ({"pw-play"}, "pw-play"),
        (set(), None),
    ],
)
def test_linux_plays_with_the_first_program_that_is_installed(
    monkeypatch: pytest.MonkeyPatch, installed: set[str], chosen: str | None
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("shutil.which", lambda name: f"/bin/{name}" if name in installed else None)

    expected = next((ProgramOutput(command) for command in LINUX_COMMANDS if command[0] == chosen), None)
    assert system_output() == expected


@pytest.mark.process
async def test_a_program_gets_every_sample_and_the_rate(tmp_path: Path) -> None:
    heard = tmp_path / "heard"
    output = ProgramOutput(("sh", "-c", f'echo "$0" > {heard}; cat >> {heard}', "{rate}"))

    await output(24_000, chunks_of(b"ab", b"c" * 200_000))

    assert heard.read_bytes() == b"24000\nab" + b"c" * 200_000


@pytest.mark.process
@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("sh", "-c", "echo no device >&2; exit 3"), "sh ended with 3: no device"),
        (("/nonexistent/player",), "/nonexistent/player cannot be run: No such file or directory"),
    ],
)
async def test_a_program_that_fails_says_why(command: tuple[str, ...], words: str) -> None:
    with pytest.raises(SoundFailed, match=words):
        await ProgramOutput(command)(24_000, chunks_of(b"ab", b"c" * 1_000_000))


@pytest.mark.process
@pytest.mark.parametrize("size", [2, 2_000_000])
async def test_a_program_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(sound_output, "SLACK_SECONDS", 0.05)

    with anyio.fail_after(10), pytest.raises(SoundFailed, match="sleep takes no more sound"):
        await ProgramOutput(("sleep", "600"))(96_000_000, chunks_of(b"a" * size))


@pytest.mark.process
async def test_a_cancelled_sound_ends_its_program_at_once(tmp_path: Path) -> None:
    began = anyio.Event()

    async def endless() -> AsyncGenerator[bytes]:
        yield b"ab"
        began.set()
        await anyio.sleep_forever()

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ProgramOutput((sys.executable, "-c", "import time; time.sleep(600)")), 24_000, endless())
            await began.wait()
            tasks.cancel_scope.cancel()
