"""Planting one fault and running the tests until one notices it."""

import re
import subprocess
import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import pytest

from tests.mutants.mutation import Mutation
from tests.mutants.tree import Tree

FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)
UNNOTICED = (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)


class Verdict(StrEnum):
    """What the tests made of a fault."""

    NOTICED = "noticed"
    HUNG = "hung"
    """Noticed, too: a run that never ends does not pass."""
    SURVIVED = "survived"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The verdict on one fault, and the first test that failed."""

    mutation: Mutation
    verdict: Verdict
    seconds: float
    failed: str = ""


def attempt(mutation: Mutation, tree: Tree, timeout_seconds: float) -> Outcome:
    """Plant a fault, run the nearest tests and then the others, and stop at the first failure."""
    started = time.monotonic()
    verdict, failed = Verdict.SURVIVED, ""
    with tree.planted(mutation):
        for arguments in stages(tree.sources, mutation.path):
            verdict, failed = run_stage(tree, arguments, timeout_seconds)
            if verdict is not Verdict.SURVIVED:
                break
    return Outcome(mutation, verdict, time.monotonic() - started, failed)


def run_stage(tree: Tree, arguments: tuple[str, ...], timeout_seconds: float) -> tuple[Verdict, str]:
    """Run some of the tests."""
    try:
        ran = tree.run_tests("-x", "--tb=no", *arguments, timeout_seconds=timeout_seconds)
    except subprocess.TimeoutExpired:
        return Verdict.HUNG, ""
    if ran.returncode in UNNOTICED:
        return Verdict.SURVIVED, ""
    failed = FAILED.search(ran.stdout)
    return Verdict.NOTICED, failed[1] if failed else "collection"


def stages(root: Path, path: str) -> list[tuple[str, ...]]:
    """Return pytest's arguments, nearest tests first: those of the file, of its folder, and all others."""
    file = Path("tests", path)
    folder = next(folder for folder in file.parents if (root / folder).is_dir())
    own = file.with_name(f"test_{file.name}")
    if not (root / own).is_file():
        return [(str(folder),), ("tests", f"--ignore={folder}")]
    return [(str(own),), (str(folder), f"--ignore={own}"), ("tests", f"--ignore={folder}")]
