"""The history's file: private, small, read after a restart, written off the loop."""

import stat
import threading
from collections.abc import Iterable
from pathlib import Path

import pytest

from benchmarks.history import fullest_history
from model_runtime.atomic_file import append_lines
from model_runtime.history import store as store_module
from model_runtime.history.events import DaemonStarted, RequestEnded
from model_runtime.history.lines import compact
from model_runtime.history.store import COMPACT_BYTES, HistoryStore
from model_runtime.requests import Task
from tests.model_runtime.history.test_history import request, totals

NOW = 1_764_000_000.0


@pytest.mark.promise("history:restart")
async def test_a_restarted_daemon_goes_on_with_the_history(tmp_path: Path) -> None:
    first = HistoryStore(tmp_path)
    first.record(request(NOW))
    await first.save()
    second = HistoryStore(tmp_path)
    second.record(DaemonStarted(NOW + 5))

    await second.restore()
    second.record(request(NOW + 9))
    await second.save()
    third = HistoryStore(tmp_path)
    await third.restore()

    for restored in (second, third):
        assert [one.at for one in restored.history.requests] == [NOW, NOW + 9]
        assert list(restored.history.changes) == [DaemonStarted(NOW + 5)]
        assert [row["ok"] for row in totals(restored.history)] == [2, 2]
    assert second.since_start.histograms["request_duration"]["eyes"].sum_seconds == 3.5


async def test_the_file_is_private_and_written_by_another_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[threading.Thread] = []

    def append(path: Path, lines: Iterable[str]) -> int:
        threads.append(threading.current_thread())
        return append_lines(path, lines)

    monkeypatch.setattr(store_module, "append_lines", append)
    store = HistoryStore(tmp_path / "data")
    store.record(request(NOW))

    await store.save()

    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
    assert len(threads) == 1
    assert threads != [threading.current_thread()]


async def test_nothing_new_writes_nothing(tmp_path: Path) -> None:
    store = HistoryStore(tmp_path)

    await store.save()

    assert not store.path.exists()


@pytest.mark.promise("history:bounded")
async def test_a_large_file_is_rewritten_as_the_same_totals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "COMPACT_BYTES", 60_000)
    store = HistoryStore(tmp_path)
    for batch in range(20):
        for step in range(200):
            store.record(request(NOW + batch * 20 + step / 200))
        await store.save()

    restarted = HistoryStore(tmp_path)
    await restarted.restore()

    assert store.path.stat().st_size < 90_000
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
    assert [row["ok"] for row in totals(restarted.history)] == [4000, 4000]
    assert list(restarted.history.requests) == list(store.history.requests)


@pytest.mark.promise("history:bounded")
def test_the_fullest_history_is_written_in_less_than_the_file_may_hold() -> None:
    assert sum(len(line) + 1 for line in compact(fullest_history())) < COMPACT_BYTES * 0.7


@pytest.mark.promise("history:nothing-asked")
async def test_the_file_holds_names_and_numbers_and_no_message_of_an_error(tmp_path: Path) -> None:
    store = HistoryStore(tmp_path)
    store.record(RequestEnded(NOW, "eyes", "claude", Task.VISION, "job_failed", 0.5, 1.0, 2.0))

    await store.save()

    assert (
        store.path.read_text()
        == '["request",1764000000.0,"eyes","claude","vision","job_failed",0.5,1.0,2.0,null,0.0]\n'
    )
