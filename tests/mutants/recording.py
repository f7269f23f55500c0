"""A plugin of pytest that records which lines each test runs, and which libraries all of them import."""

import os
import sys
from collections.abc import Generator
from pathlib import Path

import coverage
import pytest

from tests.mutants.points import PACKAGES

FOLDER = "MUTANTS_RECORDING"
"""The variable that names the folder of the recording."""
LINES = "lines"
LIBRARIES = "libraries"
TESTS = "tests"
"""The files of the recording: a database of coverage, and two lists."""


class Recorder:
    """Records into a folder. Each line has the ids of the tests that ran it as its contexts."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._tests: list[str] = []
        self._coverage = coverage.Coverage(str(folder / LINES), config_file=False, source=list(PACKAGES))

    def pytest_sessionstart(self) -> None:
        """Begin."""
        self._coverage.start()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Count the lines for a test and its fixtures."""
        self._tests.append(item.nodeid)
        self._coverage.switch_context(item.nodeid)
        return (yield)

    def pytest_sessionfinish(self) -> None:
        """Write what was recorded."""
        self._coverage.stop()
        self._coverage.save()
        (self._folder / TESTS).write_text("\0".join(self._tests), encoding="utf-8")
        (self._folder / LIBRARIES).write_text("\n".join(libraries(Path.cwd())), encoding="utf-8")


def pytest_configure(config: pytest.Config) -> None:
    """Record this run."""
    config.pluginmanager.register(Recorder(Path(os.environ[FOLDER])))


def libraries(sources: Path) -> list[str]:
    """Return the modules that were imported from elsewhere than the sources, in the order of their import."""
    files = {name: getattr(module, "__file__", None) for name, module in sys.modules.items()}
    return [name for name, file in files.items() if file and not Path(file).is_relative_to(sources)]
