"""One small fault that can be planted in a file."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Mutation:
    """Other text for one span of a file. Equivalents are named by `path`, `where`, `before` and `after`."""

    path: str
    """Relative to the repository, with slashes."""
    start: int
    stop: int
    """The span, in bytes."""
    text: str
    """What replaces the span."""
    where: str
    """The qualified name of the function or class, or `module`."""
    line: int
    before: str
    """The lines of the span as they are, on one line."""
    after: str

    def plant(self, source: bytes) -> bytes:
        """Return the source with the fault."""
        return source[: self.start] + self.text.encode() + source[self.stop :]

    def __str__(self) -> str:
        return f"{self.path}:{self.line} {self.where}: {self.before}  →  {self.after}"


def make_mutation(path: str, source: bytes, where: str, span: tuple[int, int], text: str) -> Mutation:
    """Return the fault that replaces a span of the source."""
    start, stop = span
    first = source.rfind(b"\n", 0, start) + 1
    last = source.find(b"\n", stop)
    last = len(source) if last < 0 else last
    before = source[first:last]
    after = source[first:start] + text.encode() + source[stop:last]
    line = source.count(b"\n", 0, start) + 1
    return Mutation(path, start, stop, text, where, line, on_one_line(before), on_one_line(after))


def on_one_line(source: bytes) -> str:
    """Return source text with every run of white space as one space."""
    return " ".join(source.decode().split())
