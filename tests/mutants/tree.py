"""A copy of the repository in which one fault at a time is planted. The working tree is never touched."""

import os
import shutil
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.mutants.mutation import Mutation

NOT_COPIED = (".git", ".venv", ".*_cache", ".hypothesis", ".coverage*", "node_modules", "build", "dist")
USER_VARIABLES = ("HF_", "SENSES_", "XDG_")
PYTEST = (
    *("-m", "pytest", "--fast", "--hypothesis-profile=mutants", "--ignore=tests/mutants"),
    *("-q", "-p", "no:cacheprovider", "-p", "no:randomly", "-o", "timeout=60"),
)
"""A test that takes more than 60 seconds hangs, and a hang is noticed."""


class Tree:
    """One copy of the sources. Its folder is the home folder of faulty code."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sources = folder / "sources"

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

    def run_tests(self, *arguments: str, timeout_seconds: float | None = None) -> "subprocess.CompletedProcess[str]":
        """Run fast tests of the copy. Raises `subprocess.TimeoutExpired`."""
        return subprocess.run(
            [sys.executable, *PYTEST, f"--basetemp={self.folder / 'tmp'}", *arguments],
            cwd=self.sources,
            env=self._environ(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )

    def _environ(self, environ: Mapping[str, str]) -> dict[str, str]:
        kept = {name: value for name, value in environ.items() if not name.startswith(USER_VARIABLES)}
        return kept | {"HOME": str(self.folder), "PYTHONPATH": str(self.sources)}


def copy_tree(repository: Path, folder: Path) -> Tree:
    """Copy the sources of a repository into a new folder."""
    tree = Tree(folder)
    shutil.copytree(repository, tree.sources, ignore=shutil.ignore_patterns(*NOT_COPIED))
    return tree
