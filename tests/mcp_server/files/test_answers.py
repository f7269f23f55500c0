"""The answers of calls on the disk: the last ones, whole, also for the next daemon."""

import os
from pathlib import Path
from typing import Any

import pytest

from mcp_server.files import answers
from mcp_server.files.answers import MAX_ANSWERS, AnswerStore


def opened(folder: Path) -> AnswerStore:
    """Return the store of a daemon that starts over what earlier ones left."""
    store = AnswerStore(folder)
    store.open()
    return store


def test_only_the_last_answers_are_kept_each_with_what_belongs_to_it(tmp_path: Path) -> None:
    store = opened(tmp_path)

    for number in range(MAX_ANSWERS + 2):
        (tmp_path / f"{number}.0.copy").touch()
        store.save(str(number), {"result": number})

    assert [str(number) in store for number in range(4)] == [False, False, True, True]
    assert [store.load(str(number)) for number in (1, 2)] == [None, {"result": 2}]
    assert len(list(tmp_path.iterdir())) == 2 * MAX_ANSWERS


def test_the_next_daemon_drops_the_oldest_of_an_earlier_one_first(tmp_path: Path) -> None:
    earlier = opened(tmp_path)
    for number in range(MAX_ANSWERS):
        earlier.save(str(number), {})
        os.utime(tmp_path / f"{number}.json", (1000 - number, 1000 - number))

    later = opened(tmp_path)
    later.save("new", {})

    assert str(MAX_ANSWERS - 1) not in later
    assert all(str(number) in later for number in range(MAX_ANSWERS - 1))


def test_an_answer_that_is_deleted_leaves_nothing(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.save("1", {})
    store.save("11", {})
    (tmp_path / "1.open").touch()

    store.delete("1")

    assert [path.name for path in tmp_path.iterdir()] == ["11.json"]
    assert "1" not in store


def test_what_may_not_replace_an_answer_is_kept_only_where_there_is_none(tmp_path: Path) -> None:
    store = opened(tmp_path)

    for content in ({"tool": "speak"}, {"tool": "draw"}):
        store.save("1", content, replaces=False)
    first = store.load("1")
    store.save("1", {"result": "done"})
    store.save("1", {"tool": "speak"}, replaces=False)

    assert first == {"tool": "speak"}
    assert store.load("1") == {"result": "done"}


@pytest.mark.parametrize("content", [b"", b"{", b"\xff"])
def test_an_answer_that_cannot_be_read_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "1.json").write_bytes(content)

    assert opened(tmp_path).load("1") is None


def test_while_the_disk_is_full_an_answer_is_not_kept_and_nothing_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_atomically(*arguments: Any, **options: Any) -> None:
        raise OSError(28, "No space left on device")

    store = opened(tmp_path)
    monkeypatch.setattr(answers, "write_atomically", write_atomically)

    store.save("1", {})

    assert "1" not in store
