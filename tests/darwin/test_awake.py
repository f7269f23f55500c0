"""A Mac stays awake while it works: when, by what, and what ends it. `caffeinate` itself never ran here."""

import os
import sys
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import anyio
import psutil
import pytest

from mcp_server.daemon import power_assertion
from mcp_server.daemon.background_tasks import background_tasks
from mcp_server.daemon.live_settings import LiveSettings
from mcp_server.daemon.power_assertion import CHECK_SECONDS, PowerAssertion, WorkTimer, awake, stay_awake
from model_runtime.problems import Problems
from model_runtime.settings import Settings
from tests.model_runtime.calls import wait_for_file


@pytest.fixture
def mac(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Mac."""
    monkeypatch.setattr(sys, "platform", "darwin")


def held_during(readings: str) -> str:
    """Return for each second with work ("w") or without ("-") whether the machine is kept awake ("A")."""
    timer = WorkTimer()
    seconds = enumerate(readings, 100)
    return "".join("A" if timer.update(now, is_working=reading == "w") else "-" for now, reading in seconds)


@pytest.mark.promise("runtime:awake")
@pytest.mark.parametrize(
    ("readings", "held"),
    [
        ("-wwwww-----------", "-----------------"),  # short work
        ("-wwwwwwww-----------", "------AAAAAAAAAAAAA-"),  # long work, released ten seconds after it ends
        ("-wwwwwww---www-wwwwww", "------AAAAAAAAAAAAAAA"),  # work of an agent that pauses
        ("w-w-w-w-w-w-w-w-w-w-w", "---------------------"),
    ],
)
def test_long_work_keeps_a_mac_awake_and_for_a_moment_after(readings: str, held: str) -> None:
    assert held_during(readings) == held


class FakeAssertion(PowerAssertion):
    """Records what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[str] = []
        self.holds = False

    @property
    def is_held(self) -> bool:
        """Whether it is held."""
        return self.holds

    def hold(self) -> None:
        """Record it."""
        self.holds = True
        self.events.append("hold")

    def release(self) -> None:
        """Record it."""
        self.holds = False
        self.events.append("release")


class Hours:
    """A clock that only sleeping moves; the work takes from `start` to `end`. The test ends at `stop`."""

    def __init__(self, start: float, end: float, stop: float) -> None:
        self.now = 0.0
        self._start, self._end, self._stop = start, end, stop

    def is_working(self) -> bool:
        """Return whether there is work."""
        return self._start <= self.now < self._end

    async def sleep(self, seconds: float) -> None:
        """Let the time pass."""
        self.now += seconds
        if self.now >= self._stop:
            raise EOFError


@pytest.mark.promise("runtime:awake")
async def test_the_assertion_is_held_once_for_long_work_and_ends_with_it() -> None:
    hours, assertion = Hours(10, 3600, 4000), FakeAssertion()

    with pytest.raises(EOFError):
        await stay_awake(hours.is_working, assertion, sleep=hours.sleep, clock=lambda: hours.now)

    assert assertion.events == ["hold", "release", "release"]


@pytest.mark.promise("runtime:awake")
async def test_an_assertion_that_was_lost_is_held_again() -> None:
    hours, assertion = Hours(0, 100, 50), FakeAssertion()

    async def sleep(seconds: float) -> None:
        if hours.now == 10 * CHECK_SECONDS:
            assertion.holds = False  # somebody has ended caffeinate
        await hours.sleep(seconds)

    with pytest.raises(EOFError):
        await stay_awake(hours.is_working, assertion, sleep=sleep, clock=lambda: hours.now)

    assert assertion.events == ["hold", "hold", "release"]


@pytest.fixture
def caffeinate(tmp_path: Path) -> Generator[str]:
    """A stand-in that writes its arguments into a file and waits, as caffeinate -w does."""
    program = tmp_path / "caffeinate"
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/arguments\n: > {tmp_path}/ready\nexec sleep 600\n')
    program.chmod(0o755)
    before = {child.pid for child in psutil.Process().children()}
    yield str(program)
    for child in psutil.Process().children():
        if child.pid not in before:
            child.kill()


@pytest.mark.process
@pytest.mark.promise("runtime:awake")
async def test_caffeinate_is_told_to_end_with_this_process_and_leaves_none_behind(
    caffeinate: str, tmp_path: Path
) -> None:
    assertion, before = PowerAssertion(caffeinate), psutil.Process().children()

    assertion.hold()
    assertion.hold()
    await wait_for_file(anyio.Path(tmp_path / "ready"))
    during = [child for child in psutil.Process().children() if child not in before]
    assertion.release()

    assert (tmp_path / "arguments").read_text().split() == ["-i", "-w", str(os.getpid())]
    assert len(during) == 1
    assert not during[0].is_running()
    assert not assertion.is_held


@pytest.mark.process
def test_a_mac_without_caffeinate_works_on_and_says_so_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assertion = PowerAssertion(str(tmp_path / "missing"))

    assertion.hold()
    assertion.hold()
    assertion.release()

    assert [record.message.split(":")[0] for record in caplog.records] == ["This Mac may sleep during long work"]


@pytest.mark.parametrize(
    ("system", "keep_awake", "has_task"), [("darwin", True, True), ("darwin", False, False), ("linux", True, False)]
)
def test_only_a_mac_is_kept_awake_and_not_against_its_users_will(
    settings: Settings, system: str, keep_awake: bool, has_task: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", system)

    live = LiveSettings(replace(settings, keep_awake=keep_awake), {}, lambda settings: None, Problems())
    tasks = background_tasks(live, Problems(), lambda: False)

    assert ("awake" in tasks) is has_task


@pytest.mark.promise("runtime:awake")
@pytest.mark.parametrize(("is_enabled", "events"), [(True, ["hold", "release"]), (False, ["release"])])
def test_a_download_keeps_a_mac_awake(
    mac: None, is_enabled: bool, events: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assertion = FakeAssertion()
    monkeypatch.setattr(power_assertion, "PowerAssertion", lambda: assertion)

    with pytest.raises(ConnectionError), awake(is_enabled=is_enabled):
        raise ConnectionError

    assert assertion.events == events
