"""Long queues: their bounds, the truth about how long they take, and the slots that long work leaves free."""

import time

import pytest

from model_runtime.scheduler.core import Scheduler
from model_runtime.scheduler.fairness import fair_order
from model_runtime.scheduler.messages import (
    Grant,
    ModelLoaded,
    ProgressMeasured,
    RejectRequest,
    RequestArrived,
    RequestFinished,
    SchedulerAction,
    Tick,
    WorkerExited,
)
from model_runtime.scheduler.model_record import ModelSpec, QueuedRequest, SchedulerLimits

MB = 1_000_000


def scheduler(limits: SchedulerLimits | None = None, *, concurrency: int = 1) -> Scheduler:
    """Return a scheduler with the model "ears" loaded and idle."""
    core = Scheduler([ModelSpec("ears", 4, concurrency=concurrency, pinned=True), ModelSpec("eyes", 4)], 10, limits)
    core.handle(0, RequestArrived(0, "ears"))
    core.handle(0, ModelLoaded("ears", 1, 4))
    core.handle(0, RequestFinished(0, "ears", 1, ok=False))
    return core


def finish(core: Scheduler, now: float, request: int) -> list[SchedulerAction]:
    return core.handle(now, RequestFinished(request, "ears", 1))


def retry_seconds(actions: list[SchedulerAction]) -> float:
    (rejection,) = actions
    assert isinstance(rejection, RejectRequest)
    assert rejection.code == "queue_full"
    assert rejection.retry_after_seconds is not None
    return rejection.retry_after_seconds


@pytest.mark.promise("reliability:hundreds-queue")
def test_three_hundred_requests_of_two_models_queue_with_the_default_limits() -> None:
    core = scheduler()

    refused = [core.handle(0, RequestArrived(id_, "ears" if id_ % 2 else "eyes")) for id_ in range(1, 301)]

    assert not [action for actions in refused for action in actions if isinstance(action, RejectRequest)]
    assert core.queued == 299


@pytest.mark.promise("reliability:hundreds-queue")
def test_a_queue_is_bounded_for_each_model_and_altogether() -> None:
    core = scheduler(SchedulerLimits(queue_per_model=3, queue_total=5))

    codes = [core.handle(0, RequestArrived(id_, model)) for id_, model in enumerate(["ears"] * 5 + ["eyes"] * 3, 1)]

    rejected = [number for number, actions in enumerate(codes, 1) if any(isinstance(a, RejectRequest) for a in actions)]
    assert rejected == [5, 8]


@pytest.mark.promise("reliability:hundreds-queue")
def test_the_bytes_that_wait_are_bounded_but_one_request_may_always_wait() -> None:
    core = scheduler(SchedulerLimits(queue_bytes=10 * MB))
    core.handle(0, RequestArrived(1, "ears", request_bytes=50 * MB))

    alone = core.handle(0, RequestArrived(2, "ears", request_bytes=12 * MB))
    (rejection,) = core.handle(0, RequestArrived(3, "eyes", request_bytes=1))
    finish(core, 1, 1)
    after = core.handle(1, RequestArrived(4, "ears", request_bytes=10 * MB))
    beside = core.handle(1, RequestArrived(5, "ears", request_bytes=1))

    assert (alone, after) == ([], [])
    assert isinstance(rejection, RejectRequest)
    assert (rejection.code, rejection.detail) == ("queue_full", "1 requests with 12 MB are waiting.")
    assert isinstance(beside[0], RejectRequest)


@pytest.mark.promise("reliability:retry-after-is-true")
def test_the_time_to_try_again_is_what_the_running_request_has_left() -> None:
    core = scheduler(SchedulerLimits(queue_per_model=1))
    core.handle(0, RequestArrived(1, "ears", is_batch=True))
    core.handle(0, RequestArrived(2, "ears"))
    core.handle(60, ProgressMeasured({1: 0.1}))

    refused = core.handle(60, RequestArrived(3, "ears"))

    # a tenth took 60 s, so 540 s are left; then the queued one runs for 2 s
    assert retry_seconds(refused) == pytest.approx(542)


@pytest.mark.promise("reliability:retry-after-is-true")
def test_without_progress_the_estimate_is_how_long_requests_of_that_kind_took() -> None:
    core = scheduler(SchedulerLimits(queue_per_model=2))
    for id_ in range(100, 140):
        core.handle(id_ * 10, RequestArrived(id_, "ears"))
        finish(core, id_ * 10 + 8, id_)
    core.handle(2000, RequestArrived(1, "ears"))
    core.handle(2000, RequestArrived(2, "ears"))
    core.handle(2000, RequestArrived(3, "ears", is_batch=True))

    at_once = retry_seconds(core.handle(2000, RequestArrived(4, "ears")))
    later = retry_seconds(core.handle(2005, RequestArrived(5, "ears")))
    overdue = retry_seconds(core.handle(2030, RequestArrived(6, "ears")))

    assert at_once == pytest.approx(16, abs=0.1)  # before the batch request: it would be served first
    assert later == pytest.approx(11, abs=0.1)
    assert overdue == pytest.approx(29, abs=0.1)  # 1 s, an interactive request and the batch request that has aged


def test_a_loading_model_is_part_of_the_estimate() -> None:
    core = Scheduler([ModelSpec("eyes", 4, load_seconds=30.0)], 10)
    core.handle(0, RequestArrived(1, "eyes"))
    record = core.records["eyes"]
    core.handle(10, Tick())

    assert core.start_seconds(record) == [20.0]


def test_the_estimate_counts_every_slot() -> None:
    core = scheduler(concurrency=2)
    for id_ in range(1, 6):
        core.handle(0, RequestArrived(id_, "ears"))
    core.handle(10, ProgressMeasured({1: 0.5, 2: 0.25}))

    assert core.start_seconds(core.records["ears"]) == pytest.approx([10, 12, 14])


@pytest.mark.promise("reliability:queue-that-moves")
def test_a_request_behind_a_long_one_does_not_time_out_while_that_makes_progress() -> None:
    core = scheduler(SchedulerLimits(queue_seconds=20))
    core.handle(0, RequestArrived(1, "ears", is_batch=True))
    core.handle(0, RequestArrived(2, "ears"))
    actions: list[SchedulerAction] = []

    for now in range(1, 600):
        actions += core.handle(now, ProgressMeasured({1: now / 600}))
        actions += core.handle(now, Tick())
    served = finish(core, 600, 1)

    assert actions == []
    assert served == [Grant(2, "ears", 1)]


@pytest.mark.promise("reliability:queue-that-moves")
def test_a_request_behind_one_that_stands_still_times_out() -> None:
    core = scheduler(SchedulerLimits(queue_seconds=20))
    core.handle(0, RequestArrived(1, "ears"))
    core.handle(0, RequestArrived(2, "ears"))

    early = core.handle(21.9, Tick())
    (rejection,) = core.handle(22, Tick())

    assert early == []
    assert isinstance(rejection, RejectRequest)
    assert rejection.code == "queue_timeout"


def test_a_long_queue_waits_as_long_as_it_takes_by_experience() -> None:
    core = scheduler(SchedulerLimits(queue_seconds=20))
    for id_ in range(1, 101):
        core.handle(0, RequestArrived(id_, "ears"))
    actions: list[SchedulerAction] = []

    for id_ in range(1, 100):
        actions += core.handle(id_ * 2, Tick())
        actions += finish(core, id_ * 2, id_)

    assert actions == [Grant(id_, "ears", 1) for id_ in range(2, 101)]


def test_the_progress_of_a_request_that_runs_again_starts_anew() -> None:
    core = scheduler()
    core.handle(0, RequestArrived(1, "ears"))
    core.handle(1, ProgressMeasured({1: 0.9, 77: 0.5}))

    core.handle(2, WorkerExited("ears", 1, "died", retriable=frozenset({1})))

    assert core.requests[1].done_share == 0.0


@pytest.mark.promise("reliability:short-beside-long")
def test_long_recordings_leave_a_slot_to_short_ones() -> None:
    core = scheduler(concurrency=3)
    long = [core.handle(0, RequestArrived(id_, "ears", "a", is_batch=True)) for id_ in (1, 2, 3)]

    short = [core.handle(100, RequestArrived(id_, "ears", "b")) for id_ in (4, 5, 6)]
    after_short = finish(core, 101, 4)
    after_long = finish(core, 102, 1)

    assert long == [[Grant(1, "ears", 1)], [], []]
    assert short == [[Grant(4, "ears", 1)], [Grant(5, "ears", 1)], []]
    assert after_short == [Grant(6, "ears", 1)]
    assert after_long == [Grant(2, "ears", 1)]


@pytest.mark.promise("reliability:short-beside-long")
def test_a_long_recording_that_has_aged_does_not_keep_short_ones_from_their_slots() -> None:
    core = scheduler(concurrency=2)
    for id_ in (1, 2, 3):
        core.handle(0, RequestArrived(id_, "ears", is_batch=True))
    core.handle(100, RequestArrived(4, "ears"))
    waiting = core.handle(100, RequestArrived(5, "ears"))

    served = finish(core, 200, 4)

    assert waiting == []
    assert served == [Grant(5, "ears", 1)]


def test_one_event_grants_a_long_and_a_short_recording() -> None:
    core = Scheduler([ModelSpec("ears", 4, concurrency=2)], 10)
    for id_, is_batch in ((1, True), (2, True), (3, False)):
        core.handle(0, RequestArrived(id_, "ears", is_batch=is_batch))

    granted = core.handle(100, ModelLoaded("ears", 1, 4))

    assert granted == [Grant(1, "ears", 1), Grant(3, "ears", 1)]


def test_the_longest_queue_is_ordered_within_milliseconds() -> None:
    queue = [request(number, client=f"client {number % 250}") for number in range(500)]

    started = time.process_time()
    orders = [fair_order(queue, {}, 0.0, 30.0) for _ in range(10)]
    seconds = (time.process_time() - started) / 10

    assert sorted(one.id for one in orders[0]) == list(range(500))
    assert seconds < 0.02  # an event waits that long; it takes 1 ms


def request(number: int, client: str) -> QueuedRequest:
    return QueuedRequest(number, "ears", client, number, 0.0, 120.0, 0, None)
