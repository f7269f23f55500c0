"""What can be wrong with one node of a syntax tree: each function yields spans and what may replace them."""

import ast
import re
from collections.abc import Iterator
from itertools import pairwise

from tests.mutants.source import Source, Span

Fault = tuple[Span, str]
"""A span and what replaces it."""

COMPARISONS: dict[type[ast.cmpop], tuple[str, str]] = {
    ast.Lt: (r"<", "<="),
    ast.LtE: (r"<=", "<"),
    ast.Gt: (r">", ">="),
    ast.GtE: (r">=", ">"),
    ast.Eq: (r"==", "!="),
    ast.NotEq: (r"!=", "=="),
    ast.In: (r"\bin\b", "not in"),
    ast.NotIn: (r"\bnot\s+in\b", "in"),
    ast.Is: (r"\bis\b", "is not"),
    ast.IsNot: (r"\bis\s+not\b", "is"),
}
"""Operator → its pattern and its replacement."""
NEGATED_BY_COMPARISONS = (ast.Eq, ast.NotEq, ast.In, ast.NotIn, ast.Is, ast.IsNot)
KEY = re.compile(r"(?![A-Z][a-z]+$)[A-Za-z][\w.:/-]*")
"""Strings that look like keys or codes. Sentences and capitalised words are texts for people."""


def wrong_comparisons(node: ast.Compare, source: Source) -> Iterator[Fault]:
    """Replace each operator by its neighbour or its opposite."""
    for operator, (left, right) in zip(node.ops, pairwise([node.left, *node.comparators]), strict=True):
        pattern, replacement = COMPARISONS[type(operator)]
        yield substitute(pattern, replacement, source.between(left, right), source)


def wrong_connectives(node: ast.BoolOp, source: Source) -> Iterator[Fault]:
    """Replace each `and` by `or`, and each `or` by `and`."""
    word, other = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
    for left, right in pairwise(node.values):
        yield substitute(rf"\b{word}\b", other, source.between(left, right), source)


def dropped_not(node: ast.UnaryOp, source: Source) -> Iterator[Fault]:
    """Drop a `not`."""
    if isinstance(node.op, ast.Not):
        yield substitute(r"\bnot\b\s*", "", (source.span(node)[0], source.span(node.operand)[0]), source)


def negated(test: ast.expr, source: Source) -> Iterator[Fault]:
    """Negate a condition, unless another fault is the same."""
    is_negated_elsewhere = (
        isinstance(test, ast.Constant)
        or (isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not))
        or (isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], NEGATED_BY_COMPARISONS))
    )
    if not is_negated_elsewhere:
        span = source.span(test)
        yield span, f"not ({source.read(span)})"


def wrong_constant(node: ast.Constant, source: Source) -> Iterator[Fault]:
    """Flip a truth value, add one to a number, change a key."""
    match node.value:
        case bool(value):
            yield source.span(node), str(not value)
        case int(number) | float(number):
            yield source.span(node), repr(number + 1)
        case str(text) if KEY.fullmatch(text):
            yield source.span(node), f'"{text}-mutant"'
        case _:
            return


def dropped_call(statement: ast.Expr, source: Source) -> Iterator[Fault]:
    """Drop a statement that only calls something."""
    value = statement.value.value if isinstance(statement.value, ast.Await) else statement.value
    if isinstance(value, ast.Call):
        yield source.span(statement), "pass"


def substitute(pattern: str, replacement: str, span: Span, source: Source) -> Fault:
    """Replace the one match of a pattern within a span that holds nothing else but parentheses and comments."""
    match = re.search(pattern, source.read(span))
    assert match is not None
    return (span[0] + match.start(), span[0] + match.end()), replacement
