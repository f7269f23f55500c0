"""A pytest plugin that runs the tests of macOS and records which lines of `branches` ran as on a Mac.

`pytest -p tests.darwin.recorder --ran FILE` runs what is marked `darwin` or is in tests/darwin.
"""

import json
import sys
import threading
from collections import defaultdict
from collections.abc import Generator, Sequence
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

from tests.darwin.branches import ROOT, Branch, mac_answers, product_branches, read_product

FOLDER = Path(__file__).parent


class BranchRecorder:
    """Traces the lines of branches, and keeps those that ran while their expression had the answer of a Mac."""

    def __init__(self, branches: Sequence[Branch], answers: dict[str, Any]) -> None:
        self.ran: set[tuple[str, int, str]] = set()
        """(file from the root, line, expression)"""
        self._answers = answers
        self._wanted: dict[str, dict[int, dict[str, CodeType]]] = defaultdict(lambda: defaultdict(dict))
        for branch in branches:
            for line in branch.mac_lines:
                code = compile(branch.expression, branch.file, "eval")
                self._wanted[str(ROOT / branch.file)][line][branch.expression] = code

    def trace_call(self, frame: FrameType, event: str, arg: object) -> Any:
        """Trace the lines of a function whose file has branches."""
        return self.trace_line if frame.f_code.co_filename in self._wanted else None

    def trace_line(self, frame: FrameType, event: str, arg: object) -> Any:
        """Record a line if the platform is that of a Mac now."""
        file = frame.f_code.co_filename
        if event == "line" and frame.f_lineno in self._wanted[file]:
            for expression, code in self._wanted[file][frame.f_lineno].items():
                if eval(code, frame.f_globals, frame.f_locals) == self._answers[expression]:  # noqa: S307 - our own source
                    self.ran.add((str(Path(file).relative_to(ROOT)), frame.f_lineno, expression))
        return self.trace_line

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self) -> Generator[None]:
        """Trace every thread while a test runs."""
        threading.settrace(self.trace_call)
        sys.settrace(self.trace_call)
        try:
            return (yield)
        finally:
            sys.settrace(None)
            threading.settrace(None)

    @pytest.hookimpl
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write what was recorded."""
        Path(session.config.getoption("ran")).write_text(json.dumps(sorted(self.ran)), encoding="utf-8")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option `--ran`."""
    parser.addoption("--ran", required=True, help="where to write which branches ran as on a Mac")


def pytest_configure(config: pytest.Config) -> None:
    """Install the recorder."""
    config.pluginmanager.register(BranchRecorder(product_branches(), mac_answers(read_product())))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the tests of macOS."""
    items[:] = [item for item in items if is_of_macos(item)]


def is_of_macos(item: pytest.Item) -> bool:
    """Return whether a test has the mark, or is of the folder and starts no process, which would not be traced."""
    if item.get_closest_marker("darwin"):
        return True
    return item.path.is_relative_to(FOLDER) and not item.get_closest_marker("process")


def files_of_macos() -> list[str]:
    """Return the folder and the files that have such tests."""
    marked = [file for file in (ROOT / "tests").rglob("test_*.py") if "mark.darwin" in file.read_text(encoding="utf-8")]
    return [str(FOLDER), *(str(file) for file in sorted(marked) if not file.is_relative_to(FOLDER))]
