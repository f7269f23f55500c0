"""The scheduler's rejections as errors for users."""

import pytest

from model_runtime.errors import Busy, LoadFailed, ModelTooLarge, OutOfMemory, ShuttingDown, WorkerDied
from model_runtime.scheduler.messages import RejectRequest
from model_runtime.supervisor.scheduler_errors import error_from_rejection


@pytest.mark.parametrize(
    ("code", "detail", "message"),
    [
        (
            "queue_full",
            "8 requests are waiting.",
            "The queue of m is full: 8 requests are waiting. Try again in 3 s.",
        ),
        ("queue_timeout", "m is loading", "The request timed out in the queue: m is loading. Try again in 3 s."),
        ("model_unavailable", "m failed (a crash); next attempt in 2 s.", "m failed (a crash); next attempt in 2 s."),
    ],
)
def test_an_error_that_may_be_retried_says_when(code: str, detail: str, message: str) -> None:
    error = error_from_rejection(RejectRequest(1, code, detail, 2.1), "m")

    assert isinstance(error, Busy)
    assert (error.code, error.message, error.retry_after_seconds) == (code, message, 3.0)


@pytest.mark.parametrize(("seconds", "sent"), [(None, 1.0), (0.0, 1.0), (0.2, 1.0), (542.3, 543.0), (1e6, 3600.0)])
def test_the_retry_time_is_the_estimate_up_to_an_hour(seconds: float | None, sent: float) -> None:
    assert error_from_rejection(RejectRequest(1, "queue_full", "full", seconds), "m").retry_after_seconds == sent


@pytest.mark.promise("reliability:load-error")
@pytest.mark.parametrize("cause", ["m could not be loaded: no such tensor.", "no such tensor"])
def test_a_load_error_names_its_model_once(cause: str) -> None:
    failed = error_from_rejection(RejectRequest(1, "load_failed", cause, None), "m")

    assert failed.message == "m could not be loaded: no such tensor."


def test_an_error_that_is_not_retried_says_why() -> None:
    large = error_from_rejection(RejectRequest(1, "model_too_large", "", None, 9_000_000_000, 4_000_000_000), "m")
    failed = error_from_rejection(RejectRequest(1, "load_failed", "no such tensor.", None), "m")
    died = error_from_rejection(RejectRequest(1, "worker_died", "the worker exited with code 3", None), "m")
    closing = error_from_rejection(RejectRequest(1, "shutting_down", "Senses is shutting down.", 5.0), "m")

    assert isinstance(large, ModelTooLarge)
    assert "m needs 9.0 GB but the memory budget leaves 4.0 GB" in large.message
    assert isinstance(failed, LoadFailed)
    assert failed.message == "m could not be loaded: no such tensor."
    assert isinstance(died, WorkerDied)
    assert (
        died.message == "m stopped during the request: the worker exited with code 3. Send it again: that restarts m."
    )
    assert isinstance(closing, ShuttingDown)


def test_memory_that_ran_out_is_told_as_such() -> None:
    error = error_from_rejection(RejectRequest(1, "out_of_memory", "m ran out of memory.", None), "m")

    assert isinstance(error, OutOfMemory)
    assert error.message == "m ran out of memory."


def test_whoever_comes_while_senses_stops_learns_when_to_come_again() -> None:
    error = error_from_rejection(RejectRequest(1, "shutting_down", "Senses is shutting down.", 5.0), "m")

    assert isinstance(error, ShuttingDown)
    assert error.message == "Senses is shutting down. Try again after it has restarted."
    assert error.retry_after_seconds == 5
