"""A copy of the repository in which one fault at a time is planted. The working tree is never touched."""

import os
import shutil
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.mutation import Mutation
from tests.mutants.warm import run_in_sources, start_warm

NOT_COPIED = (
    *(".git", ".venv", ".*_cache", ".hypothesis", ".coverage*", "node_modules", "build", "dist"),
    *(".models", ".recordings"),
)
"""The last two are a gigabyte that no fast test reads."""
PYTEST = (
    *("--fast", "--hypothesis-profile=mutants", "--ignore=tests/mutants"),
    *("-q", "-p", "no:cacheprovider", "-p", "no:randomly"),
)
RECORDED = ("-o", "timeout=600", "-p", "tests.mutants.recording")
"""A busy machine takes long to record a test, which is no fault."""
WARM = ("-x", "--tb=no", "-o", "timeout=60", "-W", "ignore::pytest.PytestAssertRewriteWarning")
"""A test that takes more than 60 seconds hangs, and a hang is noticed. Asserts of libraries that are imported already
are not rewritten, and need not be."""


@dataclass(frozen=True, slots=True)
class TestRun:
    """How a run of tests ended."""

    __test__ = False

    code: int
    output: str


class Tree:
    """One copy of the sources."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sources = folder / "sources"
        self._arguments = (*PYTEST, f"--basetemp={folder / 'tmp'}")

    @contextmanager
    def planted(self, mutation: Mutation) -> Generator[None]:
        """Have the fault in the copy for the duration of the block."""
        file = self.sources / mutation.path
        source, times = file.read_bytes(), file.stat()
        file.write_bytes(mutation.plant(source))
        try:
            yield
        finally:
            file.write_bytes(source)
            os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))

    def record(self) -> TestRun:
        """Run all fast tests and record which lines each of them runs."""
        ran = subprocess.run(
            [sys.executable, "-m", "pytest", *self._arguments, *RECORDED, "tests"],
            cwd=self.sources,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return TestRun(ran.returncode, ran.stdout)

    def run_tests(self, tests: Sequence[str], timeout_seconds: float) -> TestRun:
        """Run tests by their ids until one fails.

        Raises:
            TimeoutError: they took longer.
            RuntimeError: the process ended before it began with them, which says nothing about the fault.
        """
        files = dict.fromkeys(test.partition("::")[0] for test in tests)
        output = self.folder / "output"
        output.unlink(missing_ok=True)
        arguments = (*self._arguments, *WARM, *files)
        process = start_warm().Process(target=run_in_sources, args=(self.sources, arguments, frozenset(tests), output))
        process.start()
        try:
            process.join(timeout_seconds)
            if process.exitcode is None:
                raise TimeoutError
            if not output.exists():
                raise RuntimeError(f"The tests were not started: the process ended with {process.exitcode}.")
            return TestRun(process.exitcode, output.read_text(encoding="utf-8", errors="replace"))
        finally:
            process.kill()
            process.join()


def copy_tree(repository: Path, folder: Path) -> Tree:
    """Copy the sources of a repository into a new folder."""
    tree = Tree(folder)
    shutil.copytree(repository, tree.sources, ignore=shutil.ignore_patterns(*NOT_COPIED))
    return tree
