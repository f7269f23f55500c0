"""What a seeded defect is, and the usual ways to make one out of code that works."""

from collections.abc import Callable
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import Any

import pytest

Function = Callable[..., Any]
Defect = Callable[[Any], Any]
"""What is right → what is wrong."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """A defect: where, how the code there is broken, and the name of the check that fails because of it."""

    name: str
    target: str
    defect: Defect
    failing_check: str

    def __str__(self) -> str:
        return self.name

    def apply(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Break the code until the end of the test."""
        monkeypatch.setattr(self.target, self.defect(resolve_name(self.target)))


def change_result(change: Callable[[Any], Any]) -> Defect:
    """Change what a function returns."""
    return lambda right: lambda *args, **kwargs: change(right(*args, **kwargs))


def change_argument(change: Callable[[Any], Any], *, position: int = 0) -> Defect:
    """Change one of the arguments a function is given."""

    def broken(right: Function) -> Function:
        return lambda *args, **kwargs: right(*args[:position], change(args[position]), *args[position + 1 :], **kwargs)

    return broken


def replace_with(wrong: Function) -> Defect:
    """Do something else."""
    return lambda _right: wrong


def always_return(value: object) -> Defect:
    """Always return the same."""
    return lambda _right: lambda *_args, **_kwargs: value
