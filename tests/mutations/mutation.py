"""What a seeded defect is, and the usual ways to make one out of code that works."""

from collections.abc import Callable
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import Any

import pytest

Function = Callable[..., Any]
Break = Callable[[Any], Any]
"""What is right → what is wrong."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """A defect: where, how the code there is broken, and the name of the check that fails because of it."""

    name: str
    where: str
    broken: Break
    caught_by: str

    def __str__(self) -> str:
        return self.name

    def apply(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Break the code until the end of the test."""
        monkeypatch.setattr(self.where, self.broken(resolve_name(self.where)))


def after(change: Callable[[Any], Any]) -> Break:
    """Change what a function returns."""
    return lambda right: lambda *args, **kwargs: change(right(*args, **kwargs))


def before(change: Callable[[Any], Any], *, at: int = 0) -> Break:
    """Change one of the arguments a function is given."""

    def broken(right: Function) -> Function:
        return lambda *args, **kwargs: right(*args[:at], change(args[at]), *args[at + 1 :], **kwargs)

    return broken


def instead(wrong: Function) -> Break:
    """Do something else."""
    return lambda _right: wrong


def fixed(value: object) -> Break:
    """Always return the same."""
    return lambda _right: lambda *_args, **_kwargs: value
