"""How long a request may go without progress on this machine, and on others."""

from dataclasses import replace

import pytest

from model_runtime.requests import Task
from model_runtime.supervisor.watchdog import EndStalled, WatchdogLimits, check
from tests.model_runtime.supervisor.test_watchdog import CALM, NOW, RUNNING, view


@pytest.mark.darwin
@pytest.mark.promise("runtime:slow-machines-finish")
@pytest.mark.parametrize(
    ("platform", "machine", "silent_seconds", "is_ended"),
    [
        ("linux", "x86_64", 65, False),
        ("linux", "x86_64", 300, True),
        ("darwin", "arm64", 59, False),
        ("darwin", "arm64", 65, True),
    ],
)
def test_without_an_apple_gpu_work_may_be_five_times_as_slow(
    monkeypatch: pytest.MonkeyPatch, platform: str, machine: str, silent_seconds: float, is_ended: bool
) -> None:
    monkeypatch.setattr("sys.platform", platform)
    monkeypatch.setattr("platform.machine", lambda: machine)
    speaking = replace(RUNNING, task=Task.SPEECH, last_progress_at=NOW - silent_seconds)

    actions = check(view(requests=(speaking,)), CALM, WatchdogLimits(), NOW)

    assert any(isinstance(action, EndStalled) for action in actions) == is_ended
