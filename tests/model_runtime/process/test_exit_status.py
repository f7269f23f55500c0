"""An exit status in words."""

import signal

import pytest

from model_runtime.process.exit_status import SIGNAL_MEANINGS, describe_exit


@pytest.mark.parametrize(
    ("status", "clause"),
    [
        (0, "the worker exited with code 0"),
        (7 << 8, "the worker exited with code 7"),
        (int(signal.SIGTERM), "the worker was killed by SIGTERM"),
        (99, "the worker was killed by signal 99"),
    ],
)
def test_an_exit_status_becomes_a_clause(status: int, clause: str) -> None:
    assert describe_exit(status, "") == clause


@pytest.mark.parametrize(("name", "meaning"), SIGNAL_MEANINGS.items())
def test_a_signal_with_a_meaning_is_explained(name: str, meaning: str) -> None:
    assert describe_exit(int(signal.Signals[name]), "") == f"the worker was killed by {name}, {meaning}"


def test_the_last_line_is_added() -> None:
    assert describe_exit(9 << 8, "no memory") == "the worker exited with code 9; last log line: no memory"
