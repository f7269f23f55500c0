"""Promises and tests agree: no promise without a test that names it, no name without a promise."""

import re
from pathlib import Path

from tests.promises import PROMISES

MARK = re.compile(r'pytest\.mark\.promise\(\s*"([^"]+)"\s*,?\s*\)')


def marked() -> dict[str, set[str]]:
    """Promise id → test files that prove it."""
    found: dict[str, set[str]] = {}
    for file in Path(__file__).parent.rglob("test_*.py"):
        if ".venv" in file.parts:  # of a client
            continue
        for promise in MARK.findall(file.read_text(encoding="utf-8")):
            found.setdefault(promise, set()).add(file.name)
    return found


def test_every_promise_is_proved_by_a_test() -> None:
    assert sorted(set(PROMISES) - set(marked())) == []


def test_every_proof_belongs_to_a_promise() -> None:
    assert sorted(set(marked()) - set(PROMISES)) == []
