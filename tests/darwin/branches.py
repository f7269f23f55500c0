"""Find every place where the product asks on which platform it runs, and the lines that a Mac runs there.

A place counts as tested when its line ran while the expression had the answer of a Mac, and after a condition also the
first line of the side that a Mac takes.
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PACKAGES = ("mcp_server", "model_runtime", "openai_compat")

MAC_ANSWERS: Mapping[str, Any] = {
    "sys.platform": "darwin",
    "platform.system()": "Darwin",
    "platform.machine()": "arm64",
    "os.uname().sysname": "Darwin",
    "os.uname().machine": "arm64",
    "mx.metal.is_available()": True,
    "mx.default_device() == mx.Device(mx.cpu)": False,
}
"""Expression → its value on a Mac with Apple silicon. Functions that return such a value are added to it."""

OTHER_SPELLINGS = (
    "os.name",
    "os.uname()",
    "platform.uname()",
    "sysconfig.get_platform()",
    "psutil.MACOS",
    "psutil.LINUX",
)
"""Ways to ask that `MAC_ANSWERS` does not know; the product uses the ways that it knows."""
ASKING_MODULES = {"sys": {"platform"}, "os": {"name", "uname"}, "platform": {"machine", "system", "uname"}}
"""Names that may not be imported from their modules: an expression of `MAC_ANSWERS` is found by its text."""


@dataclass(frozen=True, slots=True)
class Branch:
    """One expression that asks for the platform: where it is, its text, and the lines that a Mac runs because of it."""

    file: str
    function: str
    line: int
    expression: str
    mac_lines: frozenset[int]

    def __str__(self) -> str:
        """Return it as a compiler names a place."""
        return f"{self.file}:{self.line} ({self.function or 'not in a function'}): {self.expression}"


@cache
def read_product() -> dict[str, ast.Module]:
    """Return the syntax tree of every file of the product, by its path from the root."""
    files = chain.from_iterable((ROOT / package).rglob("*.py") for package in PACKAGES)
    return {str(file.relative_to(ROOT)): ast.parse(file.read_text(encoding="utf-8")) for file in sorted(files)}


def mac_answers(trees: Mapping[str, ast.Module]) -> dict[str, Any]:
    """Return `MAC_ANSWERS` with the functions that return one of them as a truth, such as `has_apple_gpu()`."""
    answers = dict(MAC_ANSWERS)
    for function in (node for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
        returned = function.body[-1]
        if isinstance(returned, ast.Return) and returned.value is not None and _is_truth(function):
            value = value_on_mac(returned.value, MAC_ANSWERS)
            if value is not None and any(readings(returned.value, MAC_ANSWERS)):
                answers[f"{function.name}()"] = value
    return answers


def _is_truth(function: ast.FunctionDef) -> bool:
    return function.returns is not None and ast.unparse(function.returns) == "bool"


def readings(node: ast.AST, answers: Mapping[str, Any]) -> Iterator[ast.expr]:
    """Yield every expression within a node that asks for the platform."""
    return (found for found in ast.walk(node) if isinstance(found, ast.expr) and ast.unparse(found) in answers)


def value_on_mac(test: ast.expr, answers: Mapping[str, Any]) -> bool | None:
    """Return what a condition is on a Mac; None if something else decides it as well."""
    match test:
        case ast.BoolOp(op, values):
            decisive = isinstance(op, ast.Or)
            known = [value_on_mac(value, answers) for value in values]
            return decisive if decisive in known else None if None in known else not decisive
        case ast.UnaryOp(ast.Not(), operand):
            value = value_on_mac(operand, answers)
            return None if value is None else not value
        case _:
            return _value_of_expression(test, answers)


def _value_of_expression(test: ast.expr, answers: Mapping[str, Any]) -> bool | None:
    if not any(readings(test, answers)):
        return None
    text = ast.unparse(_Substitution(answers).visit(ast.parse(ast.unparse(test), mode="eval")))
    try:
        return bool(eval(text, {"__builtins__": {"bool": bool}}))  # noqa: S307 - an expression of our own source
    except (NameError, AttributeError, SyntaxError):  # another name, or `await`
        return None


class _Substitution(ast.NodeTransformer):
    """Replaces every expression that asks for the platform by the answer of a Mac."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self._answers = answers

    def visit(self, node: ast.AST) -> ast.AST:
        text = ast.unparse(node) if isinstance(node, ast.expr) else ""
        visited: ast.AST = ast.Constant(self._answers[text]) if text in self._answers else self.generic_visit(node)
        return visited


class _BranchFinder(ast.NodeVisitor):
    def __init__(self, file: str, answers: Mapping[str, Any]) -> None:
        self.branches: list[Branch] = []
        self._file = file
        self._answers = answers
        self._functions: list[str] = []
        self._lines: dict[ast.expr, frozenset[int]] = {}

    def visit(self, node: ast.AST) -> None:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self._visit_function(node)
                return
            case ast.If(test, body, orelse):
                self._note_sides(test, body[0], orelse[0] if orelse else None)
            case ast.IfExp(test, body, orelse):
                self._note_sides(test, body, orelse)
            case _:
                pass
        if isinstance(node, ast.expr) and (text := ast.unparse(node)) in self._answers:
            lines = self._lines.get(node, frozenset()) | {node.lineno}
            self.branches.append(Branch(self._file, ".".join(self._functions), node.lineno, text, lines))
        self.generic_visit(node)

    def _visit_function(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for outside in (*function.decorator_list, function.args):  # defaults are evaluated where the function is made
            self.visit(outside)
        self._functions.append(function.name)
        for statement in function.body:
            self.visit(statement)
        self._functions.pop()

    def _note_sides(self, test: ast.expr, body: ast.stmt | ast.expr, orelse: ast.stmt | ast.expr | None) -> None:
        value = value_on_mac(test, self._answers)
        sides = [body] if value is not False else []
        sides += [orelse] if value is not True and orelse else []
        for reading in readings(test, self._answers):
            self._lines[reading] = frozenset(side.lineno for side in sides)


def find_branches(file: str, tree: ast.Module, answers: Mapping[str, Any]) -> list[Branch]:
    """Return the branches of a file."""
    finder = _BranchFinder(file, answers)
    finder.visit(tree)
    return finder.branches


@cache
def product_branches() -> tuple[Branch, ...]:
    """Return the branches of the whole product."""
    trees = read_product()
    answers = mac_answers(trees)
    return tuple(branch for file, tree in trees.items() for branch in find_branches(file, tree, answers))


def hidden_readings(tree: ast.Module) -> list[str]:
    """Return what asks for the platform in a way that `find_branches` does not see."""
    return [problem for node in ast.walk(tree) if (problem := _hidden_reading(node))]


def _hidden_reading(node: ast.AST) -> str:
    match node:
        case ast.ImportFrom(module, names) if {name.name for name in names} & ASKING_MODULES.get(module or "", set()):
            return ast.unparse(node)
        case ast.Import(names) if any(name.asname and name.name in ASKING_MODULES for name in names):
            return ast.unparse(node)
        case ast.expr() if ast.unparse(node) in OTHER_SPELLINGS:
            return ast.unparse(node)
    return ""
