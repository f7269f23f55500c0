"""Planting one fault and running the tests until one notices it."""

import re
import time
from collections.abc import Collection
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


def attempt(mutation: Mutation, tree: Tree, tests: Collection[str], timeout_seconds: float) -> Outcome:
    """Plant a fault, run the tests that can notice it, the nearest first, and stop at the first failure."""
    started = time.monotonic()
    verdict, failed = Verdict.SURVIVED, ""
    with tree.planted(mutation):
        for stage in stages(mutation.path, tests):
            verdict, failed = run_stage(tree, stage, timeout_seconds)
            if verdict is not Verdict.SURVIVED:
                break
    return Outcome(mutation, verdict, time.monotonic() - started, failed)


def run_stage(tree: Tree, tests: list[str], timeout_seconds: float) -> tuple[Verdict, str]:
    """Run some of the tests."""
    try:
        ran = tree.run_tests(tests, timeout_seconds)
    except TimeoutError:
        return Verdict.HUNG, ""
    if ran.code in UNNOTICED:
        return Verdict.SURVIVED, ""
    failed = FAILED.search(ran.output)
    return Verdict.NOTICED, failed[1] if failed else "collection"


def stages(path: str, tests: Collection[str]) -> list[list[str]]:
    """Return tests in three parts, nearest first: those of the file, of its folder, and all others."""
    file = Path("tests", path)
    own, folder = f"{file.with_name(f'test_{file.name}')}::", f"{file.parent}/"
    parts: list[list[str]] = [[], [], []]
    for test in sorted(tests):
        parts[0 if test.startswith(own) else 1 if test.startswith(folder) else 2].append(test)
    return [part for part in parts if part]
