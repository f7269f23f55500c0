"""What the exit of a worker means on macOS."""

import signal
import sys

import pytest

from model_runtime.process.exit_status import describe_exit


@pytest.mark.parametrize(
    ("system", "meaning"),
    [
        ("linux", "as the system does when memory runs out"),
        ("darwin", "as the system does when memory runs out or the code signature of a library is invalid"),
    ],
)
def test_what_a_kill_by_the_system_means_depends_on_the_system(
    system: str, meaning: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", system)

    assert describe_exit(int(signal.SIGKILL), "") == f"the worker was killed by SIGKILL, {meaning}"
