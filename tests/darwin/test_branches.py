"""Every branch on the platform runs on its Mac's side in a test, although no Mac is here."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.darwin.branches import (
    MAC_ANSWERS,
    ROOT,
    Branch,
    find_branches,
    hidden_readings,
    mac_answers,
    product_branches,
    read_product,
)
from tests.darwin.recorder import BranchRecorder, files_of_macos

HOW_TO_TEST = (
    "No test runs these as a Mac does. Fake what macOS answers in a test of tests/darwin, or mark the test that does so "
    "with @pytest.mark.darwin:"
)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> set[tuple[str, int, str]]:
    """What the tests of macOS run as on a Mac, in a process of their own."""
    report = tmp_path_factory.mktemp("branches") / "ran.json"
    arguments = ["-q", "-p", "no:randomly", "-p", "no:cacheprovider", "-p", "tests.darwin.recorder"]
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("COVERAGE_", "PYTEST_"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments, "--ran", str(report), *files_of_macos()],
        cwd=ROOT,
        env=environ,
        check=False,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout
    return {(file, line, expression) for file, line, expression in json.loads(report.read_text(encoding="utf-8"))}


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.promise("macos:branches")
def test_every_branch_on_the_platform_runs_in_a_test_as_on_a_mac(ran: set[tuple[str, int, str]]) -> None:
    untested = [
        f"{branch}, line {line}"
        for branch in product_branches()
        for line in sorted(branch.mac_lines)
        if (branch.file, line, branch.expression) not in ran
    ]

    assert untested == [], "\n".join([HOW_TO_TEST, *untested])


def test_the_platform_is_asked_in_functions_only_where_a_test_can_change_the_answer() -> None:
    assert [str(branch) for branch in product_branches() if not branch.function] == []


def test_the_platform_is_asked_in_ways_that_are_found() -> None:
    assert {file: found for file, tree in read_product().items() if (found := hidden_readings(tree))} == {}


def test_the_product_is_read_at_all() -> None:
    expressions = {branch.expression for branch in product_branches()}

    assert {"sys.platform", "platform.machine()", "has_apple_gpu()", "mx.metal.is_available()"} <= expressions


def branches_of(source: str) -> list[Branch]:
    """The branches of a text."""
    return find_branches("file.py", ast.parse(source), MAC_ANSWERS)


@pytest.mark.parametrize(
    ("condition", "side"),
    [
        ('sys.platform == "darwin"', {3}),
        ('sys.platform != "darwin"', {5}),
        ('not sys.platform.startswith("darwin")', {5}),
        ('sys.platform in ("linux", "freebsd")', {5}),
        ('platform.system() == "Darwin" and platform.machine() == "arm64"', {3}),
        ('sys.platform == "linux" and spare', {5}),
        ('sys.platform != "linux" or spare', {3}),
        ('sys.platform == "darwin" and spare', {3, 5}),
        ("mx.metal.is_available()", {3}),
    ],
)
def test_the_side_of_a_mac_is_found(condition: str, side: set[int]) -> None:
    branches = branches_of(f"def ask(spare):\n if {condition}:\n  return 1\n else:\n  return 2")

    assert {branch.function for branch in branches} == {"ask"}
    assert {branch.mac_lines for branch in branches} == {frozenset({2} | side)}


@pytest.mark.parametrize(
    "source",
    ['IS_MAC = sys.platform == "darwin"', 'def ask(mac=sys.platform == "darwin"): ...', "class A:\n b = sys.platform"],
)
def test_an_answer_that_is_kept_at_import_is_in_no_function(source: str) -> None:
    assert [branch.function for branch in branches_of(source)] == [""]


@pytest.mark.parametrize("value", ['sys.platform == "linux"', "bool(not mx.metal.is_available())"])
def test_a_function_that_returns_the_answer_is_a_way_to_ask(value: str) -> None:
    trees = {"file.py": ast.parse(f'def is_linux() -> bool:\n  """It is."""\n  return {value}')}

    assert mac_answers(trees)["is_linux()"] is False


@pytest.mark.parametrize(
    "source", ["from sys import platform", "import platform as p", 'x = os.name == "nt"', "from os import uname"]
)
def test_another_way_to_ask_is_refused(source: str) -> None:
    assert hidden_readings(ast.parse(source))


BOTH_SIDES = """
import sys

def ask():
    if sys.platform == "darwin":
        return 1
    return 2
"""


def test_a_line_counts_only_while_the_platform_is_a_macs(monkeypatch: pytest.MonkeyPatch) -> None:
    (branch,) = branches_of(BOTH_SIDES)
    recorder = BranchRecorder([branch], dict(MAC_ANSWERS))
    names: dict[str, object] = {}
    exec(compile(BOTH_SIDES, str(ROOT / branch.file), "exec"), names)  # noqa: S102 - the text above
    ask = names["ask"]
    assert callable(ask)

    ran = []
    for platform in ("linux", "darwin"):
        monkeypatch.setattr(sys, "platform", platform)
        before = sys.gettrace()
        sys.settrace(recorder.trace_call)
        try:
            ask()
        finally:
            sys.settrace(before)
        ran.append({line for _file, line, _expression in recorder.ran})

    assert ran == [set(), set(branch.mac_lines)]


def test_the_files_of_macos_are_those_with_the_mark_and_the_folder() -> None:
    files = files_of_macos()

    assert files[0] == str(Path(__file__).parent)
    assert any(file.endswith("test_service_manager.py") for file in files)
