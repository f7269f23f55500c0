"""`pytest --fast` runs the tests that start no process; all of them together take less than a minute.

`make test-fast` and `make mutants` run this set. A test that starts a process
is marked `process`; an unmarked test that starts or signals a process fails in every run.
"""

import os
import platform
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
SLOW_MARKS = ("browser", "engines", "process", "real", "slow")
SLOW_FOLDERS = ("clients", "conformance", "end_to_end", "engines", "mutations")
"""Not collected by `--fast`: their tests start processes or engines, and importing MLX takes seconds."""
STARTS = {"os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system", "subprocess.Popen"}
"""Audit events of the standard library: https://docs.python.org/3/library/audit_events.html"""


def is_fast(item: pytest.Item) -> bool:
    """Return whether a test belongs to the fast set."""
    return not in_slow_folder(item.path) and not any(item.get_closest_marker(mark) for mark in SLOW_MARKS)


def in_slow_folder(path: Path) -> bool:
    """Return whether a file or folder of tests is, or lies in, one of `SLOW_FOLDERS`."""
    return path.is_relative_to(TESTS) and not set(path.relative_to(TESTS).parts).isdisjoint(SLOW_FOLDERS)


class ProcessFence:
    """Refuses to start or signal a process while a fast test runs, and fails the test."""

    def __init__(self) -> None:
        self._test = ""
        self._refused: list[str] = []

    def enter(self, test: str) -> None:
        """Refuse processes from now on."""
        self._test = test
        self._refused.clear()

    def leave(self) -> None:
        """Allow processes again. Raises `AssertionError` if one was refused, whatever the test made of that."""
        self._test = ""
        assert not self._refused, self._refused[0]

    def audit(self, event: str, args: tuple[object, ...]) -> None:
        """Raise `RuntimeError` for an event that starts or signals another process."""
        if self._test and (event in STARTS or signals_another(event, args)):
            refusal = f"{self._test} causes {event}{args!r}. Mark the test with @pytest.mark.process."
            self._refused.append(refusal)
            raise RuntimeError(refusal)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None]:
        """Keep the fence closed while fixtures are set up."""
        return (yield from self._fenced(item))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None]:
        """Keep the fence closed while the test runs."""
        return (yield from self._fenced(item))

    def _fenced(self, item: pytest.Item) -> Generator[None]:
        if not is_fast(item):
            return (yield)
        self.enter(item.nodeid)
        try:
            return (yield)
        finally:
            self.leave()


def signals_another(event: str, args: tuple[object, ...]) -> bool:
    """Return whether an audit event signals a process that is not this one. Signal 0 only asks whether it exists."""
    if event == "os.kill":
        return args[0] != os.getpid() and args[1] != 0
    return event == "os.killpg"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option `--fast`."""
    parser.addoption("--fast", action="store_true", help="run only the tests that start no process and no engine")


def pytest_configure(config: pytest.Config) -> None:
    """Install the fence. Python never removes an audit hook."""
    platform.processor()  # starts `uname`, and is remembered: clients put it into their headers
    fence = ProcessFence()
    config.pluginmanager.register(fence)
    sys.addaudithook(fence.audit)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Import nothing of the slow folders for `--fast`."""
    return True if config.getoption("fast") and in_slow_folder(collection_path) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what is not fast for `--fast`."""
    if config.getoption("fast"):
        config.hook.pytest_deselected(items=[item for item in items if not is_fast(item)])
        items[:] = [item for item in items if is_fast(item)]
