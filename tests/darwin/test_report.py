"""What the doctor's report asks of macOS."""

import subprocess
from typing import Any

import pytest

from mcp_server.cli.machine_facts import SYSCTLS, sysctl_values, system_facts

pytestmark = pytest.mark.usefixtures("mac")

PRINTED = """machdep.cpu.brand_string: Apple M2 Pro
hw.model: Mac14,9
hw.perflevel0.physicalcpu: 6
hw.perflevel1.physicalcpu: 4
sysctl.proc_translated: 0
kern.memorystatus_vm_pressure_level: 1
vm.swapusage: total = 0.00M  used = 0.00M  free = 0.00M  (encrypted)
"""
"""sysctl(8) prints "name: value" for each name, in the form of its own manual; names that a kernel lacks are errors."""


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that are started; each prints what a Mac's sysctl prints."""
    commands: list[list[str]] = []

    def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        return subprocess.CompletedProcess(command, 1, PRINTED, "sysctl: unknown oid 'iogpu.wired_limit_mb'\n")

    monkeypatch.setattr(subprocess, "run", run)
    return commands


def test_the_report_tells_chip_pressure_swap_and_rosetta(commands: list[list[str]]) -> None:
    told = system_facts()["sysctl"]

    assert told["machdep.cpu.brand_string"] == "Apple M2 Pro"
    assert told["kern.memorystatus_vm_pressure_level"] == "1"
    assert told["sysctl.proc_translated"] == "0"
    assert told["vm.swapusage"].startswith("total = ")
    assert "iogpu.wired_limit_mb" not in told
    assert commands == [["/usr/sbin/sysctl", *SYSCTLS]]


@pytest.mark.parametrize("failure", [FileNotFoundError(2, "No such file"), subprocess.TimeoutExpired("sysctl", 10)])
def test_without_its_answer_the_rest_is_told(failure: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(command: list[str], **options: Any) -> None:
        raise failure

    monkeypatch.setattr(subprocess, "run", fail)

    assert sysctl_values() == {}
    assert system_facts()["processor"] == "arm64"
