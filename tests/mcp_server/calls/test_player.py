"""Recordings are played by what is installed, one after the other."""

import logging
import subprocess
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from mcp_server.calls.player import PLAYER_COMMANDS, AudioPlayer


class Players:
    """The installed players, and what they were started with."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *installed: str, status: int = 0) -> None:
        self.started: list[list[str]] = []
        self.playing = 0
        self.error: OSError | None = None
        self._status = status
        monkeypatch.setattr("shutil.which", lambda name: f"/bin/{name}" if name in installed else None)
        monkeypatch.setattr(anyio, "run_process", self.run)

    async def run(self, command: list[str], *, check: bool, stdout: int) -> "subprocess.CompletedProcess[bytes]":
        """Play for a moment."""
        assert not check
        assert stdout == subprocess.DEVNULL
        if self.error is not None:
            raise self.error
        self.playing += 1
        assert self.playing == 1, "two at a time"
        self.started.append(command)
        await anyio.lowlevel.checkpoint()
        self.playing -= 1
        return subprocess.CompletedProcess(command, self._status, b"", b"no device\xff")


async def play(*files: str) -> list[bool]:
    """Play files and wait for the end."""
    accepted: list[bool] = []
    async with anyio.create_task_group() as group:
        player = AudioPlayer(group)
        accepted += [player.play(Path(file)) for file in files]
    return accepted


async def test_the_first_installed_player_plays_one_file_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    players = Players(monkeypatch, "aplay", "paplay")

    assert await play("/a.wav", "/b.wav") == [True, True]
    assert players.started == [["paplay", "/a.wav"], ["paplay", "/b.wav"]]


async def test_options_of_a_player_come_before_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    players = Players(monkeypatch, "aplay")

    await play("/a.wav")

    assert players.started == [["aplay", "-q", "/a.wav"]]
    assert [command[0] for command in PLAYER_COMMANDS] == ["afplay", "pw-play", "paplay", "aplay"]


async def test_without_a_player_nothing_is_played(monkeypatch: pytest.MonkeyPatch) -> None:
    players = Players(monkeypatch)

    assert (await play("/a.wav"), players.started) == ([False], [])


@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        (0, None, []),
        (2, None, ["afplay exited with status 2: no device\ufffd"]),
        (0, OSError("busy"), ["afplay cannot be started: busy"]),
    ],
)
async def test_a_player_that_fails_is_told_in_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, status: int, error: Any, words: list[str]
) -> None:
    Players(monkeypatch, "afplay", status=status).error = error
    with caplog.at_level(logging.WARNING):
        await play("/a.wav")

    assert caplog.messages == words
