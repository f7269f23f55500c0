"""Faults that change nothing a test could notice. They are neither planted nor counted."""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.mutation import Mutation

FILE = Path(__file__).with_name("equivalents.toml")


@dataclass(frozen=True, slots=True)
class Equivalent:
    """The name of a fault, and why the code means the same with it. Line numbers would not survive an edit."""

    path: str
    where: str
    before: str
    after: str
    why: str


def load_equivalents(file: Path = FILE) -> list[Equivalent]:
    """Return the known equivalents."""
    return [Equivalent(**entry) for entry in tomllib.loads(file.read_text(encoding="utf-8")).get("equivalent", [])]


def without_equivalents(mutations: Iterable[Mutation], equivalents: Iterable[Equivalent]) -> list[Mutation]:
    """Return the faults that have no name among the equivalents."""
    known = {(one.path, one.where, one.before, one.after) for one in equivalents}
    return [one for one in mutations if (one.path, one.where, one.before, one.after) not in known]
