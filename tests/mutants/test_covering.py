"""Which tests can notice a fault."""

import ast
from pathlib import Path

import coverage
import pytest

from tests.mutants.covering import Covering, function_lines, importers, statement_lines
from tests.mutants.mutation import Mutation
from tests.mutants.points import mutations_of
from tests.mutants.recording import LINES, TESTS, libraries

SOURCE = """LIMIT = 1

class Larger:
    kept: int = 2

    def of(self, a, b=3):
        if (
            a > b
        ):
            return call(
                a,
                4,
            )
        try:
            match a:
                case 5:
                    return 6
        except Error:
            return b

def table():
    return 7
"""


@pytest.mark.parametrize(
    ("line", "lines"),
    [(8, (7, 9)), (12, (10, 13)), (15, (15, 15)), (16, (16, 16)), (17, (17, 17)), (18, (18, 18))],
)
def test_a_statement_without_its_body_is_what_runs(line: int, lines: tuple[int, int]) -> None:
    found = statement_lines(ast.parse(SOURCE), line)

    assert (found[0], found[-1]) == lines


@pytest.mark.parametrize(("line", "lines"), [(1, None), (4, None), (6, None), (7, (7, 19)), (19, (7, 19))])
def test_what_is_in_no_function_runs_at_import(line: int, lines: tuple[int, int] | None) -> None:
    found = function_lines(ast.parse(SOURCE), line)

    assert (found and (found[0], found[-1])) == lines


@pytest.fixture
def covering(tmp_path: Path) -> Covering:
    """Two tests, of which the second runs a branch."""
    sources = tmp_path / "sources"
    sources.mkdir()
    (sources / "__init__.py").touch()
    (sources / "larger.py").write_text(SOURCE, encoding="utf-8")
    data = coverage.CoverageData(str(tmp_path / LINES))
    for test, lines in {"": [1, 3, 4, 6, 21, 22], "test_one": [7, 8, 14], "test_two": [7, 8, 10, 12]}.items():
        data.set_context(test)
        data.add_lines({str(sources / "larger.py"): lines})
    data.write()
    (sources / "test_table.py").write_text("from larger import LIMIT", encoding="utf-8")
    (tmp_path / TESTS).write_text("test_one\0test_two\0test_table.py::test_it", encoding="utf-8")
    return Covering(tmp_path, sources)


def fault(line: int) -> Mutation:
    return next(one for one in mutations_of("larger.py", SOURCE.encode()) if one.line == line)


def test_a_test_can_notice_a_fault_in_a_statement_that_it_runs(covering: Covering) -> None:
    assert covering.tests(fault(8)) == {"test_one", "test_two"}
    assert covering.tests(fault(12)) == {"test_two"}


def test_where_no_line_of_a_statement_was_recorded_its_function_tells(covering: Covering) -> None:
    assert covering.tests(fault(17)) == {"test_one", "test_two"}


def test_what_runs_at_import_is_noticed_where_it_is_used(covering: Covering) -> None:
    expected = {"test_one", "test_two", "test_table.py::test_it"}

    assert covering.tests(fault(1)) == covering.tests(fault(4)) == expected


def test_a_function_that_ran_at_import_is_noticed_where_its_module_is_used(covering: Covering) -> None:
    assert covering.tests(fault(22)) == {"test_one", "test_two", "test_table.py::test_it"}


def test_a_module_is_imported_by_its_name_or_from_the_package_that_hands_it_on(tmp_path: Path) -> None:
    texts = {
        "pack/__init__.py": "from pack.table import LIMIT",
        "pack/table.py": "LIMIT = 1",
        "one.py": "from pack import LIMIT",
        "two.py": "def f():\n    from pack.table import LIMIT",
        "tables.py": "from pack.tables import LIMIT\nfrom packs import table",
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")

    assert sorted(importers(tmp_path, "pack/table.py")) == ["one.py", "pack/__init__.py", "two.py"]


def test_libraries_are_what_is_imported_from_elsewhere(tmp_path: Path) -> None:
    assert {"coverage", "tests.mutants.points"} <= set(libraries(tmp_path))
    assert "tests.mutants.points" not in libraries(Path(__file__).parents[2])
