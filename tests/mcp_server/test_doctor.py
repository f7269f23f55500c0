"""The check of an installation, through a shim and a daemon over the fake runtime."""

import sys
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from mcp_server import doctor
from mcp_server.places import Places
from mcp_server.report import stop_daemon
from model_runtime.settings import Settings

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def home(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an instance of its own."""
    monkeypatch.setenv("SENSES_HOME", str(settings.folders.data))
    monkeypatch.setenv("SENSES_PORT", "0")
    return settings.folders.data


def install(monkeypatch: pytest.MonkeyPatch, shim: Path, script: str) -> None:
    """Put a shell script where the shim is looked for."""
    shim.write_text("#!/bin/sh\n" + script)
    shim.chmod(0o755)
    monkeypatch.setattr(doctor, "shim_command", lambda: str(shim))


@pytest.mark.promise("cli:doctor")
async def test_every_tool_is_tried_by_meaning(
    settings: Settings, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = f"export PYTHONPATH={REPOSITORY}\nexec {sys.executable} -m tests.mcp_server.fake_shim\n"
    install(monkeypatch, tmp_path / "shim", run)
    said: list[str] = []

    well = await anyio.to_thread.run_sync(doctor.examine, settings, said.append)
    await anyio.to_thread.run_sync(stop_daemon, Places({"SENSES_HOME": str(home)}))

    assert well
    for verb, seen in (("draws", ".png"), ("sees", "A red circle"), ("speaks", ".wav"), ("hears", "a red circle")):
        assert any(line.startswith(f"ok   {verb} in") and seen in line for line in said)


@pytest.mark.usefixtures("home")
async def test_a_daemon_that_cannot_be_reached_is_a_failed_check(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, tmp_path / "shim", "exit 1\n")
    said: list[str] = []

    well = await anyio.to_thread.run_sync(doctor.examine, settings, said.append)

    assert not well
    assert said[-1].startswith("FAIL the daemon does not serve: Connection closed. Its log is in ")
