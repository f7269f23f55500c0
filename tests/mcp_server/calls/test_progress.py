import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_server.calls.progress import ProgressEvent, ProgressTracker, ordinal, progress_of
from model_runtime.events import Loading, Preview, Progress, Queued
from model_runtime.media.types import ImageData

IMAGE = ImageData(1, 1, b"rgb")
EVENTS: st.SearchStrategy[ProgressEvent] = st.one_of(
    st.builds(Queued, st.integers(1, 100)),
    st.builds(Loading, st.just("vlm-fast"), st.just("weights"), st.none() | st.floats(0, 1)),
    st.builds(Progress, st.sampled_from(["steps", "seconds", "tokens"]), st.floats(0, 100), st.floats(0, 100)),
)


@given(st.lists(EVENTS, max_size=60), st.integers(1, 4))
def test_progress_only_rises_and_never_claims_to_be_done(events: list[ProgressEvent], parts: int) -> None:
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
        )
    ]

    assert [words for words, _ in said] == [
        "queued, 2nd in line: image-gen is busy",
        "queued, 3rd in line, about 42 s: image-gen is busy",
        "loading vlm-best 40%",
        "loading vlm-best",
        "step 3/4",
        "heard 30 of 60 s",
        "characters 5/50",
    ]


def test_several_pictures_share_one_bar() -> None:
    meter = ProgressTracker(part_count=2)

    meter.begin_part(1, "picture 2/2")
    begun = meter.message
    meter.update(Progress("steps", 2, 4))

    assert begun == "picture 2/2"
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


@pytest.mark.parametrize(
    ("event", "message", "fraction"),
    [
        (Queued(1), "queued, 1st in line", 0.0),
        (Loading("m", "weights"), "loading m", 0.0),
        (Loading("m", "weights", 0.0), "loading m 0%", 0.0),
        (Loading("m", "weights", 0.5), "loading m 50%", 0.2),
        (Progress("tokens", 30, 0), "30 tokens", 0.4),
        (Progress("steps", 0, 4), "step 0/4", 0.4),
        (Progress("steps", 1, 4), "step 1/4", 0.55),
        (Progress("steps", 1, 1), "step 1/1", 1.0),
        (Progress("steps", 5, 4), "step 5/4", 1.0),
        (Progress("steps", -1, 4), "step -1/4", 0.4),
        (Preview(IMAGE, 1, 4), "step 1/4", 0.55),
        (Preview(IMAGE, 0, 0), "step 0/0", 0.4),
        (Preview(IMAGE, 1, 1), "step 1/1", 1.0),
    ],
)
def test_loading_has_two_fifths_of_the_progress_and_the_work_the_rest(
    event: ProgressEvent, message: str, fraction: float
) -> None:
    progress = progress_of(event)

    assert progress[0] == message
    assert progress[1] == pytest.approx(fraction)


@pytest.mark.parametrize(("number", "text"), [(10, "10th"), (13, "13th"), (20, "20th"), (23, "23rd"), (113, "113th")])
def test_ordinals_of_the_teens_and_twenties(number: int, text: str) -> None:
    assert ordinal(number) == text


def test_a_new_tracker_is_starting_with_one_part_and_reports_zero_first() -> None:
    meter = ProgressTracker()

    assert (meter.message, meter.fraction, meter.part_count, meter.part_index) == ("starting", 0.0, 1, 0)
    assert [meter.next_report()[0] for _ in range(2)] == pytest.approx([0.0, 0.0001])


def test_a_report_is_at_most_99_percent_and_then_rises_by_the_smallest_step_below_one() -> None:
    meter = ProgressTracker(fraction=1.0)

    reports = [meter.next_report()[0] for _ in range(200)]

    assert reports[:2] == [pytest.approx(0.99), pytest.approx(0.9901)]
    assert reports[-1] == pytest.approx(0.9999)


async def test_each_change_wakes_its_waiters_once() -> None:
    meter = ProgressTracker()
    first = meter.changed

    meter.update(Progress("steps", 1, 4))
    second = meter.changed
    meter.set_message("saving")

    assert first.is_set()
    assert second.is_set()
    assert not meter.changed.is_set()
    assert meter.message == "saving"


def test_one_picture_is_not_numbered() -> None:
    meter = ProgressTracker()

    meter.update(Progress("steps", 2, 4))

    assert meter.message == "step 2/4"
    assert meter.fraction == pytest.approx(0.7)


def test_no_time_is_estimated_before_a_fiftieth_of_the_work_is_done() -> None:
    meter = ProgressTracker()
    meter.set_fraction(0.0, now=10.0)

    meter.set_fraction(0.02, now=11.0)
    early = meter.eta_seconds(now=11.0)
    meter.set_fraction(0.5, now=20.0)

    assert early is None
    assert meter.eta_seconds(now=20.0) == pytest.approx(10.0)
    assert meter.eta_seconds(now=30.0) == pytest.approx(20.0)


def test_progress_of_the_work_gives_an_estimate_and_progress_of_a_load_does_not() -> None:
    loading, working = ProgressTracker(), ProgressTracker()

    for fraction in (0.1, 0.9):
        loading.update(Loading("m", "weights", fraction))
        working.update(Progress("steps", fraction, 1))

    assert loading.eta_seconds() is None
    assert working.eta_seconds() is not None


def test_places_beyond_a_hundred_end_as_those_below() -> None:
    assert [ordinal(number) for number in (101, 111, 112, 120, 121)] == ["101st", "111th", "112th", "120th", "121st"]
