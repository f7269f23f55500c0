"""Test runs in forks of a process that has imported the libraries already: importing them takes longer than most tests."""

import importlib
import os
import sys
from collections.abc import Collection, Sequence
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest

from tests.mutants.recording import FOLDER, LIBRARIES


class Chosen:
    """A plugin of pytest that runs some tests only."""

    def __init__(self, tests: Collection[str]) -> None:
        self._tests = tests

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep the chosen tests."""
        items[:] = [item for item in items if item.nodeid in self._tests]


def start_warm() -> ForkServerContext:
    """Return what starts processes that have imported the libraries of the recording."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["tests.mutants.libraries"])
    return context


def import_libraries() -> None:
    """Import what the recorded run imported. A module that cannot be imported alone is left out."""
    names = Path(os.environ[FOLDER], LIBRARIES).read_text(encoding="utf-8").splitlines()
    for name in names:
        with suppress(Exception):
            importlib.import_module(name)


def run_in_sources(sources: Path, arguments: Sequence[str], tests: Collection[str], output: Path) -> None:
    """Run pytest on a copy of the repository, print into a file, and exit with its code. Writes no bytecode."""
    with output.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.chdir(sources)
    sys.path.insert(0, str(sources))
    sys.dont_write_bytecode = True
    for name in [name for name in sys.modules if name.partition(".")[0] == "tests"]:
        del sys.modules[name]
    code = pytest.main(list(arguments), plugins=[Chosen(tests)])
    sys.stdout.flush()
    os._exit(code)
