"""The fence around the fast tests."""

import os
import signal

import pytest

from tests.fast import ProcessFence


@pytest.fixture
def fence() -> ProcessFence:
    """A fence of the test's own, closed."""
    fence = ProcessFence()
    fence.enter("test_x")
    return fence


def test_a_test_that_starts_a_process_without_the_mark_fails_even_if_it_hides_the_error(fence: ProcessFence) -> None:
    with pytest.raises(RuntimeError, match=r"test_x causes subprocess.Popen"):
        fence.audit("subprocess.Popen", ("ls",))

    with pytest.raises(AssertionError, match=r"@pytest\.mark\.process"):
        fence.leave()


def test_a_test_may_signal_its_own_process_and_ask_for_others(fence: ProcessFence) -> None:
    fence.audit("os.kill", (os.getpid(), signal.SIGTERM))
    fence.audit("os.kill", (1, 0))
    fence.audit("open", ("file", "r", 0))

    fence.leave()


@pytest.mark.parametrize(("event", "args"), [("os.kill", (1, signal.SIGTERM)), ("os.killpg", (0, 0))])
def test_a_test_may_not_signal_another_process(fence: ProcessFence, event: str, args: tuple[int, int]) -> None:
    with pytest.raises(RuntimeError, match="test_x"):
        fence.audit(event, args)


def test_outside_fast_tests_processes_are_allowed(fence: ProcessFence) -> None:
    fence.leave()

    fence.audit("subprocess.Popen", ("ls",))
