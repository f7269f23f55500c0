import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_server.calls.progress import ProgressTracker, ordinal, progress_of
from model_runtime.events import Event, Loading, Progress, Queued, TextDelta

EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(Queued, st.integers(1, 100)),
    st.builds(Loading, st.just("vlm-fast"), st.just("weights"), st.none() | st.floats(0, 1)),
    st.builds(Progress, st.sampled_from(["steps", "seconds", "tokens"]), st.floats(0, 100), st.floats(0, 100)),
    st.just(TextDelta("x")),
)


@given(st.lists(EVENTS, max_size=60), st.integers(1, 4))
def test_progress_only_rises_and_never_claims_to_be_done(events: list[Event], parts: int) -> None:
    meter = ProgressTracker(part_count=parts)
    reports = []

    for number, event in enumerate(events):
        meter.part_index = number * parts // len(events)
        meter.update(event)
        reports.append(meter.next_report()[0])

    assert all(before < after for before, after in itertools.pairwise(reports))
    assert all(0 <= fraction < 1 for fraction in reports)


def test_people_read_what_they_wait_for() -> None:
    said = [
        progress_of(event)
        for event in (
            Queued(2, "image-gen is busy"),
            Queued(3, "image-gen is busy", 41.6),
            Loading("vlm-best", "weights", 0.4),
            Loading("vlm-best", "weights"),
            Progress("steps", 3, 4),
            Progress("seconds", 30, 60),
            Progress("characters", 5, 50),
            TextDelta("x"),
        )
    ]

    assert [words and words[0] for words in said] == [
        "queued, 2nd in line: image-gen is busy",
        "queued, 3rd in line, about 42 s: image-gen is busy",
        "loading vlm-best 40%",
        "loading vlm-best",
        "step 3/4",
        "heard 30 of 60 s",
        "characters 5/50",
        None,
    ]


def test_several_pictures_share_one_bar() -> None:
    meter = ProgressTracker(part_count=2, part_index=1)

    meter.update(Progress("steps", 2, 4))

    assert meter.message == "picture 2/2, step 2/4"
    assert 0.5 < meter.fraction < 1


def test_ordinals() -> None:
    assert [ordinal(number) for number in (1, 2, 3, 4, 11, 12, 21, 102, 111)] == [
        "1st", "2nd", "3rd", "4th", "11th", "12th", "21st", "102nd", "111th",
    ]  # fmt: skip


def test_the_time_that_is_left_follows_from_the_pace_of_the_work_itself() -> None:
    meter = ProgressTracker()
    meter.set_fraction(0.1, working=False, now=0.0)
    before = meter.eta_seconds(now=50.0)

    meter.set_fraction(0.4, now=100.0)
    too_soon = meter.eta_seconds(now=101.0)
    meter.set_fraction(0.6, now=110.0)

    assert before is None
    assert too_soon is None
    assert meter.eta_seconds(now=110.0) == pytest.approx(20.0)


def test_a_second_wait_starts_the_estimate_anew() -> None:
    meter = ProgressTracker(part_count=2)
    meter.update(Progress("steps", 1, 4))
    meter.update(Progress("steps", 3, 4))
    meter.part_index = 1
    meter.update(Queued(1))

    assert meter.eta_seconds() is None
