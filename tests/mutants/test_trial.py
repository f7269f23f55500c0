"""What becomes of one fault."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.mutants.points import mutations_of
from tests.mutants.report import noticed_percent, progress, survivors
from tests.mutants.tree import TestRun, Tree, copy_tree
from tests.mutants.trial import Outcome, Verdict, attempt, stages

SOURCE = b"def larger(a, b):\n    return a if a > b else b\n"
OWN, NEAR, FAR = (
    "tests/pack/test_larger.py::test_it",
    "tests/pack/test_smaller.py::test_it",
    "tests/test_all.py::test_it",
)
NEGATED, COMPARED = mutations_of("pack/larger.py", SOURCE)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one file and the folders of its tests."""
    for name in ("pack", "tests/pack", ".git"):
        (tmp_path / "repository" / name).mkdir(parents=True)
    (tmp_path / "repository/pack/larger.py").write_bytes(SOURCE)
    return tmp_path / "repository"


class ScriptedTree(Tree):
    """A copy whose test runs end as a script says."""

    def __init__(self, repository: Path, *ends: int | Exception) -> None:
        super().__init__(copy_tree(repository, repository.parent / "copy").folder)
        self.ends = list(ends)
        self.seen: list[bytes] = []
        """What was in the file during each run."""

    @property
    def file(self) -> Path:
        """The copied file."""
        return self.sources / "pack/larger.py"

    def run_tests(self, tests: Sequence[str], timeout_seconds: float) -> TestRun:
        """End as scripted."""
        self.seen.append(self.file.read_bytes())
        end = self.ends.pop(0)
        if isinstance(end, Exception):
            raise end
        return TestRun(end, "FAILED tests/pack/test_larger.py::test_it - assert 1 == 2\n")


def test_a_fault_is_in_the_copy_while_the_tests_run_and_nowhere_afterwards(repository: Path) -> None:
    tree = ScriptedTree(repository, pytest.ExitCode.TESTS_FAILED)

    outcome = attempt(COMPARED, tree, [OWN], timeout_seconds=60)

    assert tree.seen == [b"def larger(a, b):\n    return a if a >= b else b\n"]
    assert tree.file.read_bytes() == (repository / "pack/larger.py").read_bytes() == SOURCE
    assert tree.file.stat().st_mtime_ns == (repository / "pack/larger.py").stat().st_mtime_ns
    assert not (tree.sources / ".git").exists()
    assert (outcome.verdict, outcome.failed) == (Verdict.NOTICED, "tests/pack/test_larger.py::test_it")


@pytest.mark.parametrize(
    ("ends", "verdict"),
    [
        ([pytest.ExitCode.OK, pytest.ExitCode.OK], Verdict.SURVIVED),
        ([pytest.ExitCode.NO_TESTS_COLLECTED, pytest.ExitCode.OK], Verdict.SURVIVED),
        ([pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED], Verdict.NOTICED),
        ([pytest.ExitCode.USAGE_ERROR], Verdict.NOTICED),
        ([TimeoutError()], Verdict.HUNG),
    ],
    ids=str,
)
def test_a_fault_survives_only_if_every_run_passes(
    repository: Path, ends: list[int | Exception], verdict: Verdict
) -> None:
    tree = ScriptedTree(repository, *ends)

    assert attempt(NEGATED, tree, [OWN, NEAR], timeout_seconds=60).verdict is verdict
    assert tree.ends == []


def test_the_nearest_tests_run_first() -> None:
    assert stages("pack/larger.py", {FAR, NEAR, OWN}) == [[OWN], [NEAR], [FAR]]
    assert stages("pack/deeper/larger.py", {FAR, NEAR}) == [[NEAR, FAR]]


def test_a_fault_that_no_test_runs_survives_at_once(repository: Path) -> None:
    assert attempt(NEGATED, ScriptedTree(repository), [], timeout_seconds=60).verdict is Verdict.SURVIVED


def test_the_report_shows_survivors_as_differences_and_counts_a_hang_as_noticed() -> None:
    outcomes = [
        Outcome(COMPARED, Verdict.SURVIVED, 40.0),
        Outcome(NEGATED, Verdict.HUNG, 90.0),
        Outcome(NEGATED, Verdict.NOTICED, 1.25, "tests/pack/test_larger.py::test_it"),
    ]

    assert survivors(outcomes) == [
        "",
        "pack/larger.py:2 in larger",
        "- return a if a > b else b",
        "+ return a if a >= b else b",
    ]
    assert round(noticed_percent(outcomes)) == 67
    assert progress(outcomes[2], 3, 3).startswith("   3/3  noticed     1.2 s  pack/larger.py:2 larger: ")
    assert progress(outcomes[2], 3, 3).endswith("[tests/pack/test_larger.py::test_it]")
