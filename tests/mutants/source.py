"""Spans of syntax nodes in the bytes of a file."""

import ast
from itertools import accumulate

Span = tuple[int, int]
"""From the first byte to the one after the last."""


class Source:
    """The bytes of a file, addressed by nodes of its syntax tree."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self._line_starts = [0, *accumulate(len(line) for line in text.splitlines(keepends=True))]

    def span(self, node: ast.expr | ast.stmt) -> Span:
        """Return where a node is. Parentheses around it are not part of it."""
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        start = self._line_starts[node.lineno - 1] + node.col_offset
        return start, self._line_starts[node.end_lineno - 1] + node.end_col_offset

    def between(self, left: ast.expr, right: ast.expr) -> Span:
        """Return the span between two nodes."""
        return self.span(left)[1], self.span(right)[0]

    def read(self, span: Span) -> str:
        """Return the text of a span."""
        return self.text[slice(*span)].decode()
