"""Totals are conserved, memory is bounded, and a clock may jump."""

import json
from collections import Counter
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_runtime.history.buckets import MAX_ROWS, OTHER, Row
from model_runtime.history.events import (
    DaemonStarted,
    HistoryEvent,
    LoadEnded,
    ModelUnloaded,
    RequestEnded,
    Sampled,
)
from model_runtime.history.history import MAX_CHANGES, MAX_REQUESTS, TIER_SIZES, History, TotalsSinceStart
from model_runtime.history.lines import compact, encode, read
from model_runtime.history.summary import by_client, by_model, summarize
from model_runtime.requests import Task

NOW = 1_764_000_000.0
NAMES = st.sampled_from(["eyes", "ears", "voice", "brush", "x" * 300, "", "é\n"]) | st.integers(0, 40).map(str)
SECONDS = st.integers(0, 1_000_000).map(lambda milliseconds: milliseconds / 1000)
CODES = st.sampled_from(["ok", "ok", "ok", "cancelled", "queue_full"])


def events(at: st.SearchStrategy[float]) -> st.SearchStrategy[list[HistoryEvent]]:
    """Return sequences of every kind of event at these times."""
    requests = st.builds(
        RequestEnded,
        at,
        NAMES,
        NAMES,
        st.sampled_from(Task),
        CODES,
        SECONDS,
        SECONDS,
        SECONDS,
        st.none() | SECONDS,
        SECONDS,
    )
    loads = st.builds(LoadEnded, at, NAMES, SECONDS, st.sampled_from(["ok", "failed"]))
    unloads = st.builds(ModelUnloaded, at, NAMES, st.sampled_from(["idle", "evicted for ears"]))
    samples = st.builds(
        Sampled, at, st.dictionaries(NAMES, st.integers(0, 10**12)), st.integers(0, 9), st.integers(0, 9)
    )
    return st.lists(st.one_of(requests, loads, unloads, samples, st.builds(DaemonStarted, at)), max_size=60)


WITHIN_AN_HOUR = st.integers(0, 3_000_000).map(lambda milliseconds: NOW + milliseconds / 1000)
ANY_TIME = st.floats(-1e12, 1e12) | WITHIN_AN_HOUR


def recorded(sequence: Iterable[HistoryEvent]) -> History:
    history = History()
    for event in sequence:
        history.add(event)
    return history


def totals(history: History) -> list[Row]:
    """Return the total of each range."""
    return [
        sum_of(row for bucket in tier.buckets.values() for row in bucket.rows.values())
        for tier in history.tiers.values()
    ]


def sum_of(rows: Iterable[Row]) -> Row:
    total = Row()
    for row in rows:
        total.add(row)
    return total


@pytest.mark.promise("history:conserved")
@given(events(WITHIN_AN_HOUR))
def test_what_happened_in_an_hour_is_the_same_in_both_ranges(sequence: list[HistoryEvent]) -> None:
    hour, day = totals(recorded(sequence))

    requests = [event for event in sequence if isinstance(event, RequestEnded)]
    outcomes = Counter(
        "ok" if one.code == "ok" else "cancelled" if one.code == "cancelled" else "failed" for one in requests
    )
    assert [hour[name] for name in ("ok", "failed", "cancelled")] == [
        outcomes[n] for n in ("ok", "failed", "cancelled")
    ]
    assert list(hour.numbers) == pytest.approx(list(day.numbers))
    assert hour["total_seconds"] == pytest.approx(sum(one.total_seconds for one in requests if one.code == "ok"))
    assert sum(hour.durations) == outcomes["ok"]


@pytest.mark.promise("history:conserved")
@given(events(WITHIN_AN_HOUR))
def test_totals_by_model_and_by_client_add_up_to_the_whole(sequence: list[HistoryEvent]) -> None:
    view = recorded(sequence).view("day", NOW + 3600)

    rows = [keyed for _, bucket in view.buckets for keyed in bucket.rows.items()]
    whole = summarize(row for _, row in rows).requests
    assert sum(summarize(group).requests for group in by_model(rows).values()) == whole
    assert sum(summarize(group).requests for group in by_client(rows).values()) == whole


@pytest.mark.promise("history:bounded")
@given(events(ANY_TIME))
def test_no_sequence_makes_it_grow_beyond_its_bounds_whatever_the_clock_does(sequence: list[HistoryEvent]) -> None:
    history = recorded(sequence)

    for name, tier in history.tiers.items():
        assert len(tier.buckets) <= TIER_SIZES[name][1]
        for bucket in tier.buckets.values():
            assert len(bucket.rows) <= MAX_ROWS + 1
            assert len(bucket.memory_bytes) <= MAX_ROWS + 1
            assert all(len(text) <= 64 for key in bucket.rows for text in key)


@pytest.mark.promise("history:bounded")
def test_the_oldest_buckets_and_events_go_first() -> None:
    history = recorded(DaemonStarted(NOW + 20 * step) for step in range(1000))

    starts = sorted(history.tiers["hour"].buckets)

    assert (len(starts), len(history.changes)) == (180, MAX_CHANGES)
    assert starts[-1] == int((NOW + 999 * 20) // 20) * 20
    assert starts[-1] - starts[0] == 179 * 20


@pytest.mark.parametrize("jump_seconds", [-10_000_000, 10_000_000])
def test_a_clock_that_jumps_and_comes_back_keeps_what_was_before(jump_seconds: int) -> None:
    before = [request(NOW + 20 * step) for step in range(100)]
    history = recorded([*before, *(request(NOW + jump_seconds + 20 * step) for step in range(60))])

    history.add(request(NOW + 2000))

    view = history.view("hour", NOW + 2001)
    assert summarize(row for _, bucket in view.buckets for row in bucket.rows.values()).requests == 101


def test_more_pairs_of_model_and_client_than_a_bucket_holds_are_counted_together() -> None:
    history = recorded(request(NOW, client=f"client {number}") for number in range(30))

    (bucket,) = history.tiers["hour"].buckets.values()

    assert bucket.rows[OTHER, OTHER]["ok"] == 30 - MAX_ROWS


def test_the_last_requests_are_kept_in_their_order() -> None:
    history = recorded(request(NOW + step) for step in range(MAX_REQUESTS + 5))

    assert [one.at for one in history.requests] == [NOW + step for step in range(5, MAX_REQUESTS + 5)]


@pytest.mark.promise("history:restart")
@given(events(WITHIN_AN_HOUR), st.data())
def test_a_file_that_is_cut_off_at_any_byte_is_read_up_to_there(
    sequence: list[HistoryEvent], data: st.DataObject
) -> None:
    lines = [encode(event) for event in sequence]
    whole = "".join(f"{line}\n" for line in lines).encode()
    cut = whole[: data.draw(st.integers(0, len(whole)))]

    read_back = read(cut.decode("utf-8", "replace").splitlines())

    complete = cut.count(b"\n")
    shapes = [
        same_events(read_back),
        same_events(recorded(sequence[:complete])),
        same_events(recorded(sequence[: complete + 1])),
    ]
    assert shapes[0] in shapes[1:]


def same_events(history: History) -> list[str]:
    return [encode(event) for event in (*history.requests, *history.changes)]


@pytest.mark.promise("history:restart")
@given(events(ANY_TIME))
def test_a_compacted_file_tells_the_same(sequence: list[HistoryEvent]) -> None:
    history = recorded(sequence)

    again = read(compact(history))

    assert same_events(again) == same_events(history)
    for before, after in zip(totals(history), totals(again), strict=True):
        assert list(after.numbers) == pytest.approx(list(before.numbers), abs=1)
    assert list(compact(read(compact(again)))) == list(compact(again))


VALUES = st.none() | st.integers() | st.text(max_size=5) | st.sampled_from(["row", "hour", "request", "last load"])


@given(st.lists(st.text(max_size=20) | st.lists(VALUES, max_size=12).map(json.dumps), max_size=10))
def test_lines_that_are_no_history_are_skipped(lines: list[str]) -> None:
    assert read([*lines, '["start", 5]']).changes[-1] == DaemonStarted(5.0)


@pytest.mark.parametrize(
    "line",
    [
        '["row", "hour", 0, "m", "c", "tokens", [1, 2]]',
        '["row", "week", 0, "m", "c", "tokens", []]',
        '["peak", "hour", Infinity, {}, 0, 0]',
        '["request", NaN, "m", "c", "text", "ok", 0, 0, 0, 0, 0]',
        '["request", 1, "m", "c", "dream", "ok", 0, 0, 0, 0, 0]',
        '["sample", 1, [], 0, 0]',
        '["last week", 1]',
        "[" * 100_000,
    ],
)
def test_a_damaged_line_changes_nothing(line: str) -> None:
    history = read([line])

    assert not history.requests
    assert not history.changes
    assert not any(tier.buckets for tier in history.tiers.values())


def test_totals_since_the_start_have_the_time_of_loads_but_the_first() -> None:
    since_start = TotalsSinceStart()
    for event in (
        LoadEnded(NOW, "eyes", 3.0),
        LoadEnded(NOW, "eyes", 2.0),
        LoadEnded(NOW, "eyes", 0.0, "failed"),
    ):
        since_start.add(event)

    assert since_start.reload_seconds == {"eyes": 2.0}
    assert since_start.histograms["load_duration"]["eyes"].sum_seconds == 5.0


def request(at: float, client: str = "claude") -> RequestEnded:
    return RequestEnded(at, "eyes", client, Task.VISION, "ok", 0.5, 1.0, 2.0, 1.75, 40.0)
