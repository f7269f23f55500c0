"""Where faults can be planted: a walk over the syntax tree of each product file.

Left out is what behaves the same: annotations and what only type checkers read, docstrings, f-strings, log messages,
the arguments of `@dataclass`, and `strict=` of `zip`.
"""

import ast
from collections.abc import Iterable
from pathlib import Path

from tests.mutants.mutation import Mutation, make_mutation
from tests.mutants.operators import (
    Fault,
    dropped_call,
    dropped_not,
    negated,
    wrong_comparisons,
    wrong_connectives,
    wrong_constant,
)
from tests.mutants.source import Source

PACKAGES = ("mcp_server", "model_runtime", "openai_compat")
IN_WORKERS = ("model_runtime/engines/", "model_runtime/worker/")
"""Code that only worker processes run."""
LOGGERS = {"log", "logger", "logging"}
LOG_METHODS = {"critical", "debug", "error", "exception", "getLogger", "info", "log", "warning"}
FOR_TYPE_CHECKERS = {"NewType", "TypeVar", "assert_never"}
NOT_RUN_BY_TESTS = {"TYPE_CHECKING", "__name__ == '__main__'"}


def product_files(root: Path) -> list[Path]:
    """Return the files in which faults are planted, in order."""
    files = (file for package in PACKAGES for file in (root / package).rglob("*.py"))
    return sorted(file for file in files if not file.relative_to(root).as_posix().startswith(IN_WORKERS))


def product_mutations(root: Path) -> list[Mutation]:
    """Return every fault that can be planted in the product, in order."""
    return [
        mutation
        for file in product_files(root)
        for mutation in mutations_of(file.relative_to(root).as_posix(), file.read_bytes())
    ]


def mutations_of(path: str, source: bytes) -> list[Mutation]:
    """Return every fault that can be planted in one file, in order."""
    walk = Walk(path, Source(source))
    walk.visit(ast.parse(source))
    return sorted(walk.found)


class Walk(ast.NodeVisitor):
    """Collects the faults of one file in `found`."""

    def __init__(self, path: str, source: Source) -> None:
        self.found: list[Mutation] = []
        self._path = path
        self._source = source
        self._names: list[str] = []

    def _add(self, faults: Iterable[Fault]) -> None:
        where = ".".join(self._names) or "module"
        self.found += [make_mutation(self._path, self._source.text, where, span, text) for span, text in faults]

    def _visit_all(self, nodes: Iterable[ast.AST | None]) -> None:
        for node in nodes:
            if node is not None:
                self.visit(node)

    # names, and what is no behaviour

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._visit_all([*node.decorator_list, *node.args.defaults, *node.args.kw_defaults])
        self._names.append(node.name)
        self._visit_all(node.body)
        self._names.pop()

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._visit_all([*node.decorator_list, *node.keywords])
        self._names.append(node.name)
        self._visit_all(node.body)
        self._names.pop()

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._visit_all([node.value])

    def visit_Assign(self, node: ast.Assign) -> None:
        if ast.unparse(node.targets[0]) != "__all__":
            self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if name_of(node.value) != "Literal":
            self.generic_visit(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Pass by: before Python 3.12 what is inside has no position."""

    def visit_Call(self, node: ast.Call) -> None:
        name = name_of(node.func)
        if is_log_call(node) or name in FOR_TYPE_CHECKERS or name == "dataclass":
            return
        if name == "cast" and isinstance(node.func, ast.Name):
            self._visit_all(node.args[1:])
        elif name == "zip":
            self._visit_all(node.args)
        else:
            self.generic_visit(node)

    # what can be wrong

    def visit_Expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Constant):
            return
        value = node.value.value if isinstance(node.value, ast.Await) else node.value
        if isinstance(value, ast.Call) and not is_log_call(value) and name_of(value.func) not in FOR_TYPE_CHECKERS:
            self._add(dropped_call(node, self._source))
        self.generic_visit(node)

    def visit_If(self, node: ast.If) -> None:
        if ast.unparse(node.test) in NOT_RUN_BY_TESTS:
            self._visit_all(node.orelse)
        else:
            self._visit_test(node)

    def _visit_test(self, node: ast.If | ast.While | ast.IfExp) -> None:
        self._add(negated(node.test, self._source))
        self.generic_visit(node)

    visit_While = _visit_test
    visit_IfExp = _visit_test

    def visit_comprehension(self, node: ast.comprehension) -> None:
        for test in node.ifs:
            self._add(negated(test, self._source))
        self.generic_visit(node)

    def visit_match_case(self, node: ast.match_case) -> None:
        if node.guard is not None:
            self._add(negated(node.guard, self._source))
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        self._add(wrong_comparisons(node, self._source))
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        self._add(wrong_connectives(node, self._source))
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        self._add(dropped_not(node, self._source))
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        self._add(wrong_constant(node, self._source))


def name_of(node: ast.expr) -> str:
    """Return the last name of a dotted expression, or an empty string."""
    match node:
        case ast.Name(name) | ast.Attribute(_, name):
            return name
        case _:
            return ""


def is_log_call(node: ast.Call) -> bool:
    """Return whether a call only logs."""
    match node.func:
        case ast.Attribute(ast.Name(name), method):
            return name in LOGGERS and method in LOG_METHODS
        case _:
            return False
