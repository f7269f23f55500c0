import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_server.files.artifacts import ArtifactKind, ArtifactStore
from mcp_server.files.retention import DAY_SECONDS, MIN_AGE_SECONDS, StoredResult, delete_expired, expired

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

    assert delete_expired(tmp_path, NOW, days=30, max_bytes=0) == 1
    assert sorted(path.name for path in (tmp_path / "audio").iterdir()) == sorted([new.path.name, "notes.txt"])
