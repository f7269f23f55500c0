"""Which tests can notice a fault: those that run its statement.

What runs at import, such as a constant or a function that makes one, is noticed where it is used: by tests that run
its file or one that imports it, and by test files that import it.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import coverage

from tests.mutants.mutation import Mutation
from tests.mutants.recording import LINES, TESTS

AT_IMPORT = ""
"""What the recording names in place of a test while modules are imported."""
Function = ast.FunctionDef | ast.AsyncFunctionDef


class Covering:
    """What a run without a fault has recorded."""

    def __init__(self, folder: Path, sources: Path) -> None:
        self._sources = sources
        self._data = coverage.CoverageData(str(folder / LINES))
        self._data.read()
        self._tests = (folder / TESTS).read_text(encoding="utf-8").split("\0")
        """All, also those that run no function of the product."""

    def tests(self, mutation: Mutation) -> frozenset[str]:
        """Return the ids of the tests that can notice a fault."""
        file = self._sources / mutation.path
        tree = ast.parse(file.read_text(encoding="utf-8"))
        function = function_lines(tree, mutation.line)
        if function is None:
            return self._users(mutation.path)
        tests_by_line = self._data.contexts_by_lineno(str(file))
        # the recording loses a coroutine now and then after a wait; then its function must do
        for lines in (statement_lines(tree, mutation.line), function):
            ran = frozenset(test for line in lines for test in tests_by_line.get(line, ()))
            if ran:
                return (ran | self._users(mutation.path) if AT_IMPORT in ran else ran) - {AT_IMPORT}
        return frozenset()

    def _users(self, path: str) -> frozenset[str]:
        files = [path, *importers(self._sources, path)]
        run = frozenset(
            test
            for file in files
            for tests in self._data.contexts_by_lineno(str(self._sources / file)).values()
            for test in tests
        )
        return (run | self._tests_in(files)) - {AT_IMPORT}

    def _tests_in(self, files: list[str]) -> frozenset[str]:
        return frozenset(test for test in self._tests if test.partition("::")[0] in files)


def importers(sources: Path, path: str) -> list[str]:
    """Return the files that import a module, from its package if that hands it on."""
    module = path.removesuffix(".py").replace("/", ".")
    package = module.rpartition(".")[0]
    if imports(sources / package.replace(".", "/") / "__init__.py", [module]):
        names = [module, package]
    else:
        names = [module]
    found = (file for file in sources.rglob("*.py") if imports(file, names))
    return [file.relative_to(sources).as_posix() for file in found]


def imports(file: Path, modules: list[str]) -> bool:
    """Return whether a file names one of these modules in an import."""
    source = file.read_text(encoding="utf-8")
    return any(
        re.search(rf"^\s*(?:from|import) {re.escape(module)}\b(?!\.)", source, re.MULTILINE) for module in modules
    )


def function_lines(tree: ast.Module, line: int) -> range | None:
    """Return the lines of the innermost function that a line runs in; None if it runs at import."""
    functions = (body_lines(node) for node in ast.walk(tree) if isinstance(node, Function))
    return min((lines for lines in functions if line in lines), key=len, default=None)


def statement_lines(tree: ast.Module, line: int) -> range:
    """Return the lines of the statement at a line, without those of its body."""
    headers = (header_lines(node) for node in ast.walk(tree) if isinstance(node, ast.stmt))
    return min((lines for lines in headers if line in lines), key=len, default=range(line, line + 1))


def body_lines(function: Function) -> range:
    """Return the lines that run when a function is called."""
    return range(function.body[0].lineno, (function.end_lineno or 0) + 1)


def header_lines(statement: ast.stmt) -> range:
    """Return the lines of a statement before the first of the statements and cases in it."""
    inside = (node for node in ast.iter_child_nodes(statement) if isinstance(node, ast.stmt | ast.ExceptHandler))
    first = min([*(node.lineno for node in inside), *cases(statement)], default=(statement.end_lineno or 0) + 1)
    return range(statement.lineno, max(first, statement.lineno + 1))


def cases(statement: ast.stmt) -> Iterator[int]:
    """Yield the lines of the cases of a `match`."""
    if isinstance(statement, ast.Match):
        yield from (case.pattern.lineno for case in statement.cases)
