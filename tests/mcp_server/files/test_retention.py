import errno
import os
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.from_thread
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_server.files import retention
from mcp_server.files.answers import FOLDER_NAME, AnswerStore
from mcp_server.files.artifacts import ArtifactKind, ArtifactStore
from mcp_server.files.retention import (
    CLOCK_FILE,
    DAY_SECONDS,
    MIN_AGE_SECONDS,
    StoredResult,
    delete_expired,
    expired,
    run_retention,
    trusted_time,
)
from model_runtime.background import keep_running
from model_runtime.problems import Problems
from model_runtime.settings import Settings
from tests.clocks import FakeSleep

NOW = 1_800_000_000.0


def kept(name: str, size_bytes: int, days: float) -> StoredResult:
    return StoredResult((Path(name),), size_bytes, NOW - days * DAY_SECONDS)


def test_results_go_when_they_are_older_than_the_owner_wants() -> None:
    old, new = kept("old", 1, 31), kept("new", 1, 29)

    assert expired([new, old], NOW, days=30, max_bytes=0) == [old]
    assert expired([new, old], NOW, days=0, max_bytes=0) == []


def test_the_oldest_results_go_when_all_together_take_too_much() -> None:
    first, second, third = kept("a", 40, 3), kept("b", 40, 2), kept("c", 40, 1)

    assert expired([second, third, first], NOW, days=0, max_bytes=100) == [first]


def test_a_result_of_the_last_hour_stays_however_large_it_is() -> None:
    fresh = StoredResult((Path("fresh"),), 1000, NOW - MIN_AGE_SECONDS / 2)

    assert expired([fresh, kept("a", 40, 1)], NOW, days=30, max_bytes=100) == [kept("a", 40, 1)]


def test_a_result_of_just_the_allowed_age_or_size_stays() -> None:
    month, hour = kept("month", 60, 30), StoredResult((Path("hour"),), 60, NOW - MIN_AGE_SECONDS)

    assert expired([month], NOW, days=30, max_bytes=60) == []
    assert expired([hour], NOW, days=30, max_bytes=59) == []
    assert expired([kept("large", 60, 1)], NOW, days=30, max_bytes=59) == [kept("large", 60, 1)]
    assert expired([kept("large", 60, 1)], NOW, days=30, max_bytes=1) == [kept("large", 60, 1)]


def test_the_times_of_retention_are_these() -> None:
    assert (retention.DAY_SECONDS, MIN_AGE_SECONDS, retention.MAX_STEP_SECONDS) == (86_400, 3600, 86_400)


@given(st.lists(st.tuples(st.integers(0, 500), st.floats(0, 90))), st.integers(1, 1000), st.floats(0.1, 60))
def test_what_stays_is_young_enough_and_fits_unless_it_is_of_the_last_hour(
    sizes_and_ages: list[tuple[int, float]], max_bytes: int, days: float
) -> None:
    everything = [kept(str(number), size, age) for number, (size, age) in enumerate(sizes_and_ages)]
    going = expired(everything, NOW, days=days, max_bytes=max_bytes)
    staying = [one for one in everything if one not in going]

    assert all(NOW - one.written_at <= days * DAY_SECONDS for one in staying)
    settled = [one for one in staying if NOW - one.written_at > MIN_AGE_SECONDS]
    assert not settled or sum(one.size_bytes for one in staying) <= max_bytes


@pytest.mark.promise("mcp:retention")
def test_an_old_result_goes_with_all_its_formats_and_nothing_else_is_touched(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    old, new = store.add(ArtifactKind.AUDIO, b"RIFF old"), store.add(ArtifactKind.AUDIO, b"RIFF new")
    sibling = store.add_sibling(old, ".mp3", b"old")
    foreign = tmp_path / "audio" / "notes.txt"
    foreign.write_text("mine")
    for path in (old.path, sibling, foreign):
        os.utime(path, (NOW - 40 * DAY_SECONDS,) * 2)
    os.utime(new.path, (NOW,) * 2)

    assert delete_expired(tmp_path, tmp_path, NOW, days=30, max_bytes=0) == 1
    assert sorted(path.name for path in (tmp_path / "audio").iterdir()) == sorted([new.path.name, "notes.txt"])


@pytest.mark.promise("mcp:answers-expire")
def test_answers_and_jobs_go_at_the_age_of_results_with_what_belongs_to_them(tmp_path: Path) -> None:
    answers = AnswerStore(tmp_path / FOLDER_NAME)
    for name in ("0a", "7", "8"):
        answers.save(name, {"tool": "speak"})
    (answers.folder / "0a.0.copy").write_bytes(b"not there yet")
    for path in answers.folder.iterdir():
        os.utime(path, (NOW - (0 if path.stem == "8" else 40) * DAY_SECONDS,) * 2)
    os.utime(ArtifactStore(tmp_path).add(ArtifactKind.AUDIO, b"RIFF").path, (NOW,) * 2)

    assert delete_expired(tmp_path, tmp_path, NOW, days=30, max_bytes=1) == 2
    assert [path.name for path in answers.folder.iterdir()] == ["8.json"]
    assert delete_expired(tmp_path, tmp_path, NOW, days=0, max_bytes=0) == 0


class Instance:
    """A folder of results whose daemon reads any clock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = ArtifactStore(folder)

    def add(self, days_old: float) -> Path:
        """Add a result of this age."""
        path = self.store.add(ArtifactKind.AUDIO, b"RIFF").path
        os.utime(path, (NOW - days_old * DAY_SECONDS,) * 2)
        return path

    def run(self, now: float) -> int:
        """Run retention once with this reading of the clock; return how many results it deletes."""
        return delete_expired(self.folder, self.folder, now, days=30, max_bytes=0)


@pytest.mark.promise("reliability:clock")
@pytest.mark.parametrize("wrong_by_days", [60, 3650, -60, 1 / 24, -1 / 24])
@pytest.mark.parametrize("has_run_before", [True, False])
def test_a_clock_that_is_wrong_at_one_start_deletes_nothing(
    tmp_path: Path, wrong_by_days: float, has_run_before: bool
) -> None:
    instance = Instance(tmp_path)
    paths = [instance.add(days_old) for days_old in (0, 5, 25)]
    if has_run_before:
        assert instance.run(NOW) == 0

    deleted = instance.run(NOW + wrong_by_days * DAY_SECONDS)
    fresh = instance.add(-wrong_by_days)  # written while the clock is wrong
    deleted += instance.run(NOW + wrong_by_days * DAY_SECONDS)
    deleted += instance.run(NOW)

    assert deleted == 0
    assert all(path.exists() for path in (*paths, fresh))


def test_after_a_long_pause_old_results_expire_within_as_many_runs_as_days(tmp_path: Path) -> None:
    instance = Instance(tmp_path)
    old = instance.add(0)
    instance.run(NOW)

    deleted = [instance.run(NOW + 60 * DAY_SECONDS) for _ in range(60)]

    assert sum(deleted) == 1
    assert not old.exists()


@given(st.floats(0, 4e9), st.floats(0, 4e9), st.floats(0, 4e9))
def test_the_trusted_time_is_never_later_than_the_clock_and_goes_on_by_at_most_a_day(
    now: float, last: float, newest: float
) -> None:
    trusted = trusted_time(now, last, newest)

    assert trusted <= now
    assert trusted <= last + DAY_SECONDS


@pytest.mark.promise("reliability:machine")
@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENOSPC, errno.EACCES, errno.ENOMEM, errno.EIO])
@pytest.mark.parametrize("failures", [1, 10, 60])
async def test_retention_that_cannot_write_its_clock_is_a_problem_and_goes_on_when_it_can(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, failures: int, number: int
) -> None:
    problems, sleep, left, has_run = Problems(), FakeSleep(), [failures], anyio.Event()

    def write(path: Path, data: bytes, **options: Any) -> None:
        if left[0]:
            left[0] -= 1
            raise OSError(number, os.strerror(number))
        anyio.from_thread.run_sync(has_run.set)

    monkeypatch.setattr(retention, "write_atomically", write)
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(
                lambda: keep_running("retention", partial(run_retention, lambda: settings), problems, sleep=sleep)
            )
            await has_run.wait()
            reported = problems.reasons()
            tasks.cancel_scope.cancel()

    assert os.strerror(number) in reported[0]
    assert len(sleep.delays) == failures


def test_nothing_is_deleted_while_the_trusted_time_cannot_be_kept(tmp_path: Path) -> None:
    instance = Instance(tmp_path)
    old = instance.add(40)
    (tmp_path / "file").touch()

    with pytest.raises(OSError, match="file"):
        delete_expired(tmp_path, tmp_path / "file", NOW, days=30, max_bytes=0)

    assert old.exists()


class Stopped(Exception):
    """A test has seen enough."""


async def test_the_limits_of_the_settings_are_applied_every_hour(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = Instance(settings.folders.artifacts)
    now, slept = time.time(), list[float]()
    fresh, old, large = (instance.store.add(ArtifactKind.AUDIO, b"x" * size).path for size in (1, 1, 100))
    for path, days_old in ((fresh, 0), (old, 3), (large, 1)):
        os.utime(path, (now - days_old * DAY_SECONDS,) * 2)

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            raise Stopped

    monkeypatch.setattr(anyio, "sleep", sleep)
    with pytest.raises(Stopped):
        await run_retention(lambda: replace(settings, artifact_keep_days=2, max_artifact_bytes=50))

    assert [path.exists() for path in (fresh, old, large)] == [True, False, False]
    assert slept == [3600, 3600]


def test_links_and_files_of_others_are_no_results(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path / "results")
    path = store.add(ArtifactKind.IMAGES, b"x").path
    (path.parent / "notes.png").write_bytes(b"mine")
    (path.parent / f"{path.stem}.folder").mkdir()
    path.with_suffix(".jpg").symlink_to(path)

    (result,) = retention.find_results(tmp_path / "results")

    assert result.paths == (path,)


def test_the_clock_is_kept_for_its_owner_only_in_a_folder_that_is_made_for_it(tmp_path: Path) -> None:
    clock = tmp_path / "not" / "there" / CLOCK_FILE

    assert retention.advance_clock(clock, NOW, None) == NOW
    assert retention.advance_clock(clock, NOW + 1, None) == NOW + 1

    assert clock.stat().st_mode & 0o777 == 0o600
    assert clock.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"trusted": null}', '{"trusted": "x"}', "\xff"])
def test_a_clock_that_cannot_be_read_is_begun_again(tmp_path: Path, content: str) -> None:
    (tmp_path / CLOCK_FILE).write_text(content, encoding="latin-1")

    assert retention.advance_clock(tmp_path / CLOCK_FILE, NOW, NOW - 10 * DAY_SECONDS) == NOW - 9 * DAY_SECONDS
