"""On battery or in Low Power Mode nothing is done in advance: what `pmset` prints, and what follows from it."""

import subprocess
import sys
from dataclasses import replace
from typing import Any

import anyio
import pytest

from model_runtime.ipc.messages import Load
from model_runtime.process.process import WorkerProcess
from model_runtime.settings import Settings
from model_runtime.supervisor import energy
from model_runtime.supervisor.energy import EnergySaving, is_saving, read_is_saving
from tests.clocks import FakeSleep
from tests.model_runtime.calls import chat, run_chat, wait_for_status
from tests.model_runtime.library import ScriptedCatalog, open_runtime, scripted_model

ON_MAINS = """Now drawing from 'AC Power'
 -InternalBattery-0 (id=22282339)\t100%; charged; 0:00 remaining present: true
"""
ON_BATTERY = """Now drawing from 'Battery Power'
 -InternalBattery-0 (id=22282339)\t87%; discharging; 4:12 remaining present: true
"""
WITHOUT_BATTERY = "Now drawing from 'AC Power'\n"
ON_UPS = """Now drawing from 'UPS Power'
 -Back-UPS ES 700 (id=32309248)\t98%; discharging; 0:21 remaining present: true
"""


def settings_with(line: str) -> str:
    """Return what `pmset -g` prints with this line."""
    return f"""System-wide power settings:
Currently in use:
 standby              1
 Sleep On Power Button 1
 hibernatefile        /var/vm/sleepimage
 networkoversleep     0
 displaysleep         10
 tcpkeepalive         1
{line}
 womp                 1
"""


NORMAL_POWER = settings_with(" lowpowermode         0")


@pytest.mark.parametrize(
    ("power_source", "power_settings", "saves"),
    [
        (ON_MAINS, NORMAL_POWER, False),
        (WITHOUT_BATTERY, NORMAL_POWER, False),
        (ON_BATTERY, NORMAL_POWER, True),
        (ON_UPS, NORMAL_POWER, True),
        (ON_MAINS, settings_with(" lowpowermode         1"), True),
        (ON_MAINS, settings_with(" powermode            1"), True),
        (ON_MAINS, settings_with(" powermode            2"), False),
        (ON_MAINS, settings_with(" powernap             1"), False),
        ("", "", False),
    ],
)
def test_a_mac_saves_energy_on_battery_and_in_low_power_mode(
    power_source: str, power_settings: str, saves: bool
) -> None:
    assert is_saving(power_source, power_settings) is saves


class FakePmset:
    """`subprocess.run` of `pmset`."""

    def __init__(self, *outputs: str | Exception) -> None:
        self._outputs = list(outputs)
        self.commands: list[list[str]] = []

    def __call__(self, command: list[str], **options: Any) -> "subprocess.CompletedProcess[str]":
        """Return or raise the next output."""
        assert options["close_fds"] is False, "otherwise Python forks on a Mac"
        self.commands.append(command)
        output = self._outputs.pop(0)
        if isinstance(output, Exception):
            raise output
        return subprocess.CompletedProcess(command, 0, output)


def test_a_mac_is_asked_for_its_source_of_power_and_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    pmset = FakePmset(ON_BATTERY, NORMAL_POWER)
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(subprocess, "run", pmset)

    assert read_is_saving()
    assert pmset.commands == [["/usr/bin/pmset", "-g", "batt"], ["/usr/bin/pmset", "-g"]]


@pytest.mark.parametrize(
    "failure", [FileNotFoundError(), subprocess.TimeoutExpired("pmset", 5), subprocess.CalledProcessError(1, "pmset")]
)
def test_a_mac_that_does_not_answer_saves_no_energy(failure: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(subprocess, "run", FakePmset(failure))

    assert not read_is_saving()


@pytest.mark.skipif(sys.platform == "darwin", reason="pmset is a Mac's")
def test_nothing_is_asked_on_another_system() -> None:
    assert not read_is_saving()


async def test_the_answer_is_kept_for_a_minute() -> None:
    answers, sleep = [True, False], FakeSleep()
    saving, seen = EnergySaving(lambda: answers.pop(0)), list[bool]()

    async def note(seconds: float) -> None:
        seen.append(saving.is_on)
        await sleep(seconds)

    with anyio.fail_after(20), pytest.raises(IndexError):
        await saving.watch(sleep=note)

    assert seen == [True, False]
    assert sleep.delays == [energy.READ_INTERVAL_SECONDS] * 2


@pytest.mark.process
@pytest.mark.promise("runtime:saves-energy")
@pytest.mark.parametrize("saves", [True, False])
async def test_on_battery_there_is_no_spare_worker_and_nothing_is_read_ahead(
    settings: Settings, saves: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefetched: list[bool] = []
    send = WorkerProcess.send

    def note(process: WorkerProcess, command: Any) -> None:
        prefetched.extend([command.spec.prefetch] if isinstance(command, Load) else [])
        send(process, command)

    monkeypatch.setattr(WorkerProcess, "send", note)
    saving, library = EnergySaving(lambda: saves, is_on=saves), ScriptedCatalog(scripted_model("m"))
    async with open_runtime(replace(settings, keep_spare_worker=True), library, energy=saving) as runtime:
        await run_chat(runtime, chat("say a"))
        await runtime.unload("m")
        since = runtime.status().uptime_seconds
        status = await wait_for_status(
            runtime, lambda status: bool(status.memory.spare_engine) or status.uptime_seconds > since + 0.5
        )

    assert prefetched == [not saves]
    assert bool(status.memory.spare_engine) is not saves
