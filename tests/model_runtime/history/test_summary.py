"""What people read of the history."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_runtime.history.events import RequestEnded
from model_runtime.history.histogram import BOUNDS_SECONDS, PLACES, place, quantile
from model_runtime.history.history import History
from model_runtime.history.summary import Summary, summarize
from model_runtime.requests import Task


def summary_of(*requests: RequestEnded) -> Summary:
    history = History()
    for one in requests:
        history.add(one)
    return summarize(row for bucket in history.tiers["hour"].buckets.values() for row in bucket.rows.values())


def ended(task: Task, amount: float, running_seconds: float, code: str = "ok") -> RequestEnded:
    return RequestEnded(10.0, task, "claude", task, code, 0.5, 1.0, running_seconds, 2.0, amount)


@pytest.mark.parametrize(
    ("task", "amount", "speed", "unit"),
    [
        (Task.TEXT, 40.0, 10.0, "tokens/s"),
        (Task.VISION, 40.0, 10.0, "tokens/s"),
        (Task.IMAGE, 1.0, 4.0, "s/image"),
        (Task.TRANSCRIPTION, 60.0, 15.0, "× real time"),
        (Task.SPEECH, 2.0, 0.5, "× real time"),
    ],
)
@pytest.mark.promise("history:speed")
def test_speed_is_told_in_the_unit_of_the_medium(task: Task, amount: float, speed: float, unit: str) -> None:
    summary = summary_of(ended(task, amount, 4.0), ended(task, amount, 4.0))

    assert (summary.speed, summary.speed_unit) == (speed, unit)
    assert (summary.requests, summary.queued_seconds, summary.first_output_seconds) == (2, 0.5, 2.0)


def test_models_of_several_kinds_have_no_common_speed() -> None:
    summary = summary_of(ended(Task.IMAGE, 1.0, 4.0), ended(Task.TEXT, 40.0, 4.0))

    assert (summary.speed, summary.speed_unit) == (None, "")


def test_failed_requests_are_counted_and_their_times_are_not() -> None:
    summary = summary_of(ended(Task.TEXT, 0.0, 900.0, "failed"), ended(Task.TEXT, 0.0, 900.0, "cancelled"))

    assert (summary.requests, summary.failed, summary.cancelled, summary.seconds_p95) == (2, 1, 1, None)


@given(st.lists(st.floats(0, 320), min_size=1), st.floats(0.01, 1))
def test_a_quantile_is_within_the_bounds_of_the_true_one(seconds: list[float], share: float) -> None:
    counts = [0] * PLACES
    for one in seconds:
        counts[place(one)] += 1
    true = sorted(seconds)[max(-(-int(share * len(seconds) * 1e9) // 10**9) - 1, 0)]

    estimate = quantile(counts, share)

    assert estimate is not None
    assert abs(place(estimate) - place(true)) <= 1


def test_a_quantile_beyond_the_last_bound_is_that_bound() -> None:
    assert quantile([*[0] * (PLACES - 1), 3], 0.5) == BOUNDS_SECONDS[-1]
    assert quantile([0] * PLACES, 0.5) is None
