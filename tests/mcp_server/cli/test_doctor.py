"""The check of an installation, through a shim and a daemon over the fake runtime."""

import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from mcp_server.cli import doctor
from mcp_server.cli.stop import stop_daemon
from mcp_server.demo import agent
from mcp_server.demo.trip import RoundTrip, Sense, StepResult
from mcp_server.launcher.paths import InstancePaths
from model_runtime.settings import Settings

REPOSITORY = Path(__file__).parents[3]


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
    monkeypatch.setattr(agent, "shim_command", lambda: str(shim))


@pytest.mark.process
@pytest.mark.promise("cli:doctor")
async def test_every_tool_is_tried_by_meaning(
    settings: Settings, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = f'export PYTHONPATH={REPOSITORY}\nexec {sys.executable} -m tests.mcp_server.fake_shim "$@"\n'
    install(monkeypatch, tmp_path / "shim", run)
    said: list[str] = []

    well = await anyio.to_thread.run_sync(doctor.run_checks, settings, said.append)
    await anyio.to_thread.run_sync(stop_daemon, InstancePaths({"SENSES_HOME": str(home)}))

    assert well, said
    for verb, gave in (
        ("speaks", "recording"),
        ("hears", "a red circle"),
        ("draws", "picture"),
        ("sees", "red circle"),
    ):
        assert any(line.startswith(f"ok   {verb} in") and gave in line for line in said)
    assert said[-1] == (
        'ok   spoke "a red circle", heard "a red circle", drew it, saw "A red circle on a white background."'
    )


def test_what_is_heard_or_seen_wrong_is_a_failed_check_and_what_failed_ends_the_sentence() -> None:
    said: list[str] = []
    steps = (
        StepResult(Sense.SAID, 1.0),
        StepResult(Sense.HEARD, 0.5, text="a red ring"),
        StepResult(Sense.DRAWN, 2.0, error="No room."),
    )
    trip = RoundTrip(1, "a red circle", steps)

    for step in steps:
        doctor.print_step(said.append, trip, step)

    assert [line.split(" in ")[0] for line in said] == ["ok   speaks", "FAIL hears", "FAIL draws"]
    assert said[-1].endswith(": No room.")
    assert doctor.summary_of(trip) == 'spoke "a red circle", heard "a red ring"'
    assert doctor.summary_of(RoundTrip(1, "a red circle")) == 'no step succeeded for "a red circle"'


@pytest.mark.process
@pytest.mark.usefixtures("home")
async def test_a_daemon_that_cannot_be_reached_is_a_failed_check(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, tmp_path / "shim", "exit 1\n")
    said: list[str] = []

    well = await anyio.to_thread.run_sync(doctor.run_checks, settings, said.append)

    assert not well
    assert said[-1].startswith("FAIL Senses does not answer: senses-mcp exited without a message. Its log is in")


@pytest.mark.usefixtures("home")
async def test_the_reason_of_a_failure_is_told_without_the_groups_around_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    @asynccontextmanager
    async def fail(folder: Path) -> AsyncGenerator[agent.DemoClient]:
        raise ExceptionGroup("outer", [ExceptionGroup("inner", [OSError("The disk is full.")])])
        yield

    monkeypatch.setattr(doctor, "connect_through_shim", fail)
    said: list[str] = []

    assert not await anyio.to_thread.run_sync(doctor.run_checks, settings, said.append)
    assert "Senses does not answer: The disk is full. Its log is in" in said[-1]
