"""Fairness, GPU lanes, eviction of new models, backoff and retries: one scenario each."""

from dataclasses import replace
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_runtime.scheduler.backoff import backoff_after, count_failure
from model_runtime.scheduler.core import Scheduler
from model_runtime.scheduler.estimates import start_seconds
from model_runtime.scheduler.fairness import fair_order, yields_to_interactive
from model_runtime.scheduler.lanes import EXCLUSIVE_LANE, TWO_LANES, Lane, Lanes
from model_runtime.scheduler.messages import (
    Grant,
    ModelLoaded,
    RejectRequest,
    RequestArrived,
    RequestCancelled,
    RequestFinished,
    RetryRequested,
    SchedulerAction,
    StartWorker,
    StopWorker,
    Tick,
    TimeSkipped,
    WorkerExited,
)
from model_runtime.scheduler.model_record import ModelRecord, ModelSpec, QueuedRequest, SchedulerLimits
from model_runtime.status import ModelState

LONG_QUEUE = SchedulerLimits(queue_per_model=16, queue_seconds=1e9)


def scheduler(
    *specs: ModelSpec, budget: int = 100, lanes: Lanes | None = None, limits: SchedulerLimits = LONG_QUEUE
) -> Scheduler:
    return Scheduler(specs, budget, limits, lanes=lanes or {})


def ready(core: Scheduler, *models: str) -> None:
    """Load models and leave them idle, each after one finished request."""
    for number, model in enumerate(models):
        core.handle(0, RequestArrived(900 + number, model))
        core.handle(0, ModelLoaded(model, 1, core.records[model].needed_bytes))
        core.handle(0, RequestFinished(900 + number, model, 1))


def granted(actions: list[SchedulerAction]) -> list[int]:
    return [action.request_id for action in actions if isinstance(action, Grant)]


def served_in_order(core: Scheduler, model: str, now: float) -> list[int]:
    """Finish the running request until none is left; return the order in which the others ran."""
    order: list[int] = []
    while core.records[model].active:
        (running,) = core.records[model].active
        order += granted(core.handle(now, RequestFinished(running, model, 1)))
    return order


# -- fairness ------------------------------------------------------------------------------------------------------------


@pytest.mark.promise("runtime:fair")
def test_a_client_with_many_requests_does_not_make_another_client_wait_for_all_of_them() -> None:
    core = scheduler(ModelSpec("eyes", 10))
    ready(core, "eyes")

    for request in range(1, 7):
        core.handle(1, RequestArrived(request, "eyes", client="greedy"))
    core.handle(2, RequestArrived(7, "eyes", client="modest"))

    assert served_in_order(core, "eyes", 3) == [7, 2, 3, 4, 5, 6]


def test_three_clients_take_turns_and_the_requests_of_each_keep_their_order() -> None:
    core = scheduler(ModelSpec("eyes", 10))
    ready(core, "eyes")

    core.handle(1, RequestArrived(0, "eyes", client="a"))
    for request, client in enumerate("aaabbbc", start=1):
        core.handle(1, RequestArrived(request, "eyes", client=client))

    assert served_in_order(core, "eyes", 2) == [4, 7, 1, 5, 2, 6, 3]


@pytest.mark.promise("runtime:interactive-first")
def test_interactive_requests_go_before_a_batch_request_until_it_has_aged() -> None:
    core = scheduler(ModelSpec("eyes", 10))
    ready(core, "eyes")
    core.handle(0, RequestArrived(1, "eyes"))
    core.handle(1, RequestArrived(2, "eyes", is_batch=True))
    core.handle(2, RequestArrived(3, "eyes"))
    core.handle(20, RequestArrived(4, "eyes"))

    before = granted(core.handle(20, RequestFinished(1, "eyes", 1)))
    after = granted(core.handle(40, RequestFinished(3, "eyes", 1)))

    assert before == [3]
    assert after == [2], "the batch request has waited longer than the ageing time"


def test_a_batch_request_is_served_like_an_interactive_one_once_it_has_waited_the_ageing_time() -> None:
    batch = QueuedRequest(1, "m", "", 1, 10, inf, 0, None, is_batch=True)

    assert yields_to_interactive(batch, now=39, ageing_seconds=30)
    assert not yields_to_interactive(batch, now=40, ageing_seconds=30)


def test_a_model_is_loaded_for_an_interactive_request_before_a_batch_request() -> None:
    core = scheduler(ModelSpec("brush", 60), ModelSpec("voice", 60), ModelSpec("eyes", 60))
    core.handle(0, RequestArrived(1, "eyes"))
    core.handle(1, RequestArrived(2, "brush", is_batch=True))
    core.handle(1, RequestArrived(3, "voice"))
    core.handle(2, ModelLoaded("eyes", 1, 60))
    core.handle(3, RequestFinished(1, "eyes", 1))

    started = core.handle(4, WorkerExited("eyes", 1))

    assert [action.model for action in started if isinstance(action, StartWorker)] == ["voice"]


def requests() -> st.SearchStrategy[list[QueuedRequest]]:
    facts = st.tuples(st.sampled_from("abc"), st.floats(0, 60), st.booleans())
    return st.lists(facts, max_size=12).map(
        lambda made: [
            QueuedRequest(order, "m", client, order, 60 - age, inf, 0, None, is_batch=batch)
            for order, (client, age, batch) in enumerate(made)
        ]
    )


@given(requests(), st.dictionaries(st.sampled_from("abc"), st.integers(0, 9)))
def test_fair_order_keeps_every_request_and_the_order_of_each_client(
    waiting: list[QueuedRequest], served: dict[str, int]
) -> None:
    ordered = fair_order(waiting, served, 60.0, 30.0)

    assert sorted(one.arrival_number for one in ordered) == [one.arrival_number for one in waiting]
    for client in "abc":
        aged = [
            one.arrival_number for one in ordered if one.client == client and (not one.is_batch or one.arrived_at <= 30)
        ]
        assert aged == sorted(aged)
    interactive = [one.is_batch and one.arrived_at > 30 for one in ordered]
    assert interactive == sorted(interactive)


# -- lanes ------------------------------------------------------------------------------------------------------------

BRUSH, EYES = ModelSpec("brush", 10, lane="heavy"), ModelSpec("eyes", 10, lane="heavy", concurrency=2)
VOICE, EARS = ModelSpec("voice", 10, lane="light"), ModelSpec("ears", 10, lane="light")


@pytest.mark.promise("runtime:lanes")
def test_two_heavy_models_use_the_gpu_one_after_the_other_while_a_light_one_runs() -> None:
    core = scheduler(BRUSH, EYES, VOICE, lanes=TWO_LANES)
    ready(core, "brush", "eyes", "voice")

    together = [
        granted(core.handle(1, RequestArrived(n, model))) for n, model in ((1, "brush"), (2, "eyes"), (3, "voice"))
    ]
    reason = core.explain("eyes")
    next_granted = granted(core.handle(2, RequestFinished(1, "brush", 1)))

    assert together == [[1], [], [3]]
    assert reason == "eyes is waiting for the GPU"
    assert next_granted == [2]


def test_an_exclusive_gpu_serves_one_model_at_a_time() -> None:
    core = scheduler(BRUSH, VOICE, lanes=EXCLUSIVE_LANE)
    ready(core, "brush", "voice")

    together = [granted(core.handle(1, RequestArrived(n, model))) for n, model in ((1, "brush"), (2, "voice"))]

    assert together == [[1], []]


def test_a_lane_without_a_slot_is_not_limited() -> None:
    core = scheduler(VOICE, EARS, lanes={Lane.HEAVY: "gpu"})
    ready(core, "voice", "ears")

    together = [granted(core.handle(1, RequestArrived(n, model))) for n, model in ((1, "voice"), (2, "ears"))]

    assert together == [[1], [2]]


def test_a_model_runs_its_requests_in_parallel_until_another_model_is_starving_for_the_gpu() -> None:
    core = scheduler(BRUSH, EYES, lanes=TWO_LANES)
    ready(core, "brush", "eyes")
    core.handle(1, RequestArrived(1, "eyes"))
    core.handle(2, RequestArrived(2, "brush"))

    early = granted(core.handle(3, RequestArrived(3, "eyes")))
    core.handle(4, RequestFinished(1, "eyes", 1))
    late = granted(core.handle(20, RequestArrived(4, "eyes")))
    then = granted(core.handle(21, RequestFinished(3, "eyes", 1)))

    assert early == [3]
    assert late == []
    assert then == [2]


def test_a_model_with_a_queued_request_is_not_evicted_while_it_waits_for_the_gpu() -> None:
    core = scheduler(
        replace(BRUSH, needed_bytes=40),
        replace(EYES, needed_bytes=40),
        replace(VOICE, needed_bytes=40),
        lanes=TWO_LANES,
    )
    ready(core, "brush", "eyes")
    core.handle(1, RequestArrived(1, "brush"))
    core.handle(1, RequestArrived(2, "eyes"))

    actions = core.handle(1, RequestArrived(3, "voice"))

    assert actions == []


# -- eviction of new models ------------------------------------------------------------------------------------------------------------


@pytest.mark.promise("runtime:no-churn")
def test_a_model_that_was_just_loaded_and_served_no_request_is_not_evicted_at_once() -> None:
    core = scheduler(ModelSpec("eyes", 60, load_seconds=8), ModelSpec("brush", 60))
    core.handle(0, RequestArrived(1, "eyes"))
    core.handle(0, ModelLoaded("eyes", 1, 60))
    core.records["eyes"].has_served = False
    core.handle(1, RequestFinished(1, "eyes", 1))
    core.records["eyes"].has_served = False

    at_once = core.handle(2, RequestArrived(2, "brush"))
    later = core.handle(6, Tick())

    assert at_once == []
    assert later == [StopWorker("eyes", 1, "evicted for brush")]


def test_a_model_that_has_served_nothing_may_be_evicted_once_its_minimum_residency_is_over() -> None:
    core = scheduler(ModelSpec("eyes", 60), ModelSpec("brush", 60), limits=replace(LONG_QUEUE, min_residency_seconds=5))
    core.handle(0, RequestArrived(1, "eyes"))
    core.handle(0, RequestCancelled(1))
    core.handle(0, ModelLoaded("eyes", 1, 60))

    early = core.handle(4, RequestArrived(2, "brush"))
    due = core.handle(5, Tick())

    assert early == []
    assert due == [StopWorker("eyes", 1, "evicted for brush")]


def test_a_request_is_starving_after_twice_the_load_time_of_a_slow_model() -> None:
    core = scheduler(ModelSpec("eyes", 60), ModelSpec("slow", 60, load_seconds=20))
    ready(core, "eyes")
    core.handle(100, RequestArrived(1, "eyes"))
    core.handle(100, RequestArrived(2, "slow"))

    core.handle(139, Tick())
    early = core.records["eyes"].state
    core.handle(140, Tick())

    assert early is ModelState.READY
    assert core.records["eyes"].state is ModelState.DRAINING


def test_a_busy_model_counts_as_idle_for_no_time() -> None:
    core = scheduler(ModelSpec("eyes", 60))
    ready(core, "eyes")
    core.handle(5, RequestArrived(1, "eyes", working_bytes=2))

    candidate = core.eviction_candidate(core.records["eyes"])

    assert (candidate.name, candidate.charged_bytes, candidate.idle_seconds) == ("eyes", 62, 0.0)


def test_a_model_without_a_lane_is_light() -> None:
    assert ModelSpec("voice", 10).lane == Lane.LIGHT


def test_the_limits_without_settings_are_these() -> None:
    assert SchedulerLimits() == SchedulerLimits(
        queue_per_model=200,
        queue_total=500,
        queue_bytes=512_000_000,
        queue_seconds=120,
        load_seconds=180,
        starvation_seconds=10,
        ageing_seconds=30,
        min_residency_seconds=5,
        attempts=2,
        retry_seconds=30,
        backoff_seconds=(1, 60),
        short_backoff_seconds=5,
        breaker_failures=3,
        breaker_seconds=(60, 600),
        failure_memory_seconds=300,
    )


def test_a_model_of_unknown_speed_is_expected_to_load_in_three_seconds_and_to_answer_in_two() -> None:
    record = ModelRecord.from_spec(ModelSpec("eyes", 10))
    loaded = replace(record, state=ModelState.READY)
    queue = [QueuedRequest(number, "eyes", "", number, 0, inf, 0, None) for number in (1, 2, 3)]

    assert start_seconds(record, queue, 0) == [3, 5, 7]
    assert start_seconds(loaded, queue, 0) == [0, 2, 4]


# -- failures ---------------------------------------------------------------------------------------------------------


@pytest.mark.promise("runtime:breaker")
def test_a_model_that_keeps_failing_is_tried_at_ever_longer_intervals() -> None:
    backoffs = [backoff_after(failures, SchedulerLimits()) for failures in range(1, 9)]

    assert [backoff.seconds for backoff in backoffs] == [1, 2, 60, 120, 240, 480, 600, 600]
    assert [backoff.rejects_queue for backoff in backoffs] == [False, False, True, True, True, True, True, True]


def test_failures_far_apart_are_not_in_a_row_unless_the_breaker_is_open() -> None:
    assert count_failure(2, 300, SchedulerLimits()) == 3
    assert count_failure(2, 301, SchedulerLimits()) == 1
    assert count_failure(3, 400, SchedulerLimits()) == 4


def test_a_finished_request_closes_the_breaker_and_a_load_alone_does_not() -> None:
    core = scheduler(ModelSpec("eyes", 10))
    for incarnation in range(1, 4):
        core.handle(100 * incarnation, RequestArrived(incarnation, "eyes"))
        core.handle(100 * incarnation, WorkerExited("eyes", incarnation, "broke"))
        core.handle(100 * incarnation + 99, Tick())

    core.handle(500, RequestArrived(9, "eyes"))
    core.handle(500, ModelLoaded("eyes", 4, 10))
    after_load = core.records["eyes"].failures
    core.handle(501, RequestFinished(9, "eyes", 4))

    assert after_load == 3
    assert core.records["eyes"].failures == 0


@pytest.mark.promise("runtime:sticky-failure")
def test_a_permanent_failure_rejects_requests_until_the_model_is_retried() -> None:
    core = scheduler(ModelSpec("eyes", 10))
    core.handle(0, RequestArrived(1, "eyes"))
    core.handle(1, WorkerExited("eyes", 1, "config.json is missing", permanent=True))

    much_later = core.handle(1e6, RequestArrived(2, "eyes"))
    core.handle(1e6, RetryRequested("eyes"))
    retried = core.handle(1e6, RequestArrived(3, "eyes"))

    assert much_later == [RejectRequest(2, "load_failed", "config.json is missing")]
    assert retried == [StartWorker("eyes", 2, 10)]


def test_the_estimate_grows_for_a_model_that_may_have_been_killed_for_memory() -> None:
    core = scheduler(ModelSpec("eyes", 40))
    core.handle(0, RequestArrived(1, "eyes"))

    core.handle(1, WorkerExited("eyes", 1, "killed", oom_suspected=True))
    again = core.handle(10, Tick())

    assert again == [StartWorker("eyes", 2, 50)]


@pytest.mark.promise("runtime:out-of-memory")
def test_a_model_that_ran_out_of_memory_gets_more_room_and_one_more_try() -> None:
    core = scheduler(ModelSpec("eyes", 40), ModelSpec("ears", 10), ModelSpec("voice", 10))
    ready(core, "eyes", "ears")
    core.handle(1, RequestArrived(1, "eyes"))
    why = "The GPU ran out of memory."

    first = core.handle(
        90, WorkerExited("eyes", 1, why, oom_suspected=True, out_of_memory=True, retriable=frozenset({1}))
    )
    core.handle(90, WorkerExited("ears", 1))
    again = core.handle(92, Tick())
    core.handle(93, ModelLoaded("eyes", 2, 40))
    second = core.handle(94, WorkerExited("eyes", 2, why, oom_suspected=True, out_of_memory=True))

    assert first == [StopWorker("ears", 1, "pressure")]
    assert again == [StartWorker("eyes", 2, 50)]
    assert second == [RejectRequest(1, "out_of_memory", why)]


@pytest.mark.promise("runtime:out-of-memory")
def test_a_load_that_runs_out_of_memory_twice_is_reported_as_that() -> None:
    core = scheduler(ModelSpec("eyes", 40))
    core.handle(0, RequestArrived(1, "eyes"))
    why = "The GPU ran out of memory."

    first = core.handle(1, WorkerExited("eyes", 1, why, oom_suspected=True, out_of_memory=True))
    again = core.handle(3, Tick())
    second = core.handle(4, WorkerExited("eyes", 2, why, oom_suspected=True, out_of_memory=True))

    assert (first, again) == ([], [StartWorker("eyes", 2, 50)])
    assert second == [RejectRequest(1, "out_of_memory", why, 2.0)]


def test_deadlines_do_not_pass_while_nothing_can_happen() -> None:
    limits = SchedulerLimits(queue_seconds=120, load_seconds=60)
    core = scheduler(ModelSpec("eyes", 10), limits=limits)
    core.handle(0, RequestArrived(1, "eyes"))

    core.handle(3600, TimeSkipped(3600))
    after_sleep = core.handle(3601, Tick())
    load_timeout = core.handle(3660, Tick())
    core.handle(3661, WorkerExited("eyes", 1))
    core.handle(3661, RequestCancelled(1))

    assert after_sleep == []
    assert load_timeout == [StopWorker("eyes", 1, "load timeout")]


def test_a_queued_request_does_not_time_out_while_nothing_can_happen() -> None:
    core = scheduler(ModelSpec("eyes", 10), limits=SchedulerLimits(queue_seconds=120))
    ready(core, "eyes")
    core.handle(0, RequestArrived(1, "eyes"))
    core.handle(0, RequestArrived(2, "eyes"))

    core.handle(3600, TimeSkipped(3600))
    after_sleep = core.handle(3601, Tick())
    later = core.handle(7200, Tick())

    assert after_sleep == []
    assert [(action.request_id, action.code) for action in later if isinstance(action, RejectRequest)] == [
        (2, "queue_timeout")
    ]


@pytest.mark.promise("runtime:transparent-retry")
def test_a_request_whose_worker_died_before_any_output_gets_another_worker_once() -> None:
    core = scheduler(ModelSpec("eyes", 10, concurrency=2))
    ready(core, "eyes")
    core.handle(1, RequestArrived(1, "eyes"))
    core.handle(1, RequestArrived(2, "eyes"))

    died = core.handle(2, WorkerExited("eyes", 1, "killed by signal 9", retriable=frozenset({2})))
    again = core.handle(4, Tick())
    core.handle(5, ModelLoaded("eyes", 2, 10))
    twice = core.handle(6, WorkerExited("eyes", 2, "killed by signal 9", retriable=frozenset({2})))

    assert died == [RejectRequest(1, "worker_died", "killed by signal 9")]
    assert again == [StartWorker("eyes", 2, 10)]
    assert twice == [RejectRequest(2, "worker_died", "killed by signal 9")]


def test_a_cancelled_request_is_not_retried() -> None:
    core = scheduler(ModelSpec("eyes", 10))
    ready(core, "eyes")
    core.handle(1, RequestArrived(1, "eyes"))
    core.handle(2, RequestCancelled(1))

    died = core.handle(3, WorkerExited("eyes", 1, "gone", retriable=frozenset({1})))
    later = core.handle(10, Tick())

    assert died == later == []
    assert core.requests == {}


def test_an_old_request_is_answered_instead_of_retried() -> None:
    core = scheduler(ModelSpec("eyes", 10), limits=replace(LONG_QUEUE, retry_seconds=30))
    ready(core, "eyes")
    core.handle(1, RequestArrived(1, "eyes"))

    died = core.handle(40, WorkerExited("eyes", 1, "gone", retriable=frozenset({1})))

    assert died == [RejectRequest(1, "worker_died", "gone")]
    assert core.records["eyes"].state is ModelState.BACKOFF


@pytest.mark.parametrize(("age", "is_retried"), [(29.9, True), (30, False)])
def test_a_request_is_retried_while_it_is_younger_than_the_retry_time(age: float, is_retried: bool) -> None:
    core = scheduler(ModelSpec("eyes", 10), limits=replace(LONG_QUEUE, retry_seconds=30))
    ready(core, "eyes")
    core.handle(1, RequestArrived(1, "eyes"))

    core.handle(1 + age, WorkerExited("eyes", 1, "gone", retriable=frozenset({1})))

    assert (1 in core.requests) is is_retried


def test_repeated_kills_raise_the_estimate_to_twice_the_first_at_most() -> None:
    core = scheduler(ModelSpec("eyes", 40), budget=1000)
    for incarnation in range(1, 9):
        core.handle(1000 * incarnation, RequestArrived(incarnation, "eyes"))
        core.handle(1000 * incarnation, WorkerExited("eyes", incarnation, "killed", oom_suspected=True))
        core.handle(1000 * incarnation + 900, Tick())

    assert core.records["eyes"].needed_bytes == 80


def test_repeated_kills_do_not_raise_the_estimate_without_limit() -> None:
    core = scheduler(ModelSpec("eyes", 60))
    for incarnation in range(1, 6):
        core.handle(1000 * incarnation, RequestArrived(incarnation, "eyes"))
        core.handle(1000 * incarnation, WorkerExited("eyes", incarnation, "killed", oom_suspected=True))
        core.handle(1000 * incarnation + 900, Tick())

    assert 75 < core.records["eyes"].needed_bytes <= 120


def test_a_kill_may_raise_the_estimate_to_the_whole_budget() -> None:
    core = scheduler(ModelSpec("eyes", 90))
    core.handle(0, RequestArrived(1, "eyes"))

    core.handle(1, WorkerExited("eyes", 1, "killed", oom_suspected=True))

    assert core.records["eyes"].needed_bytes == 100


def test_kills_do_not_raise_the_estimate_above_the_budget() -> None:
    core, actions = scheduler(ModelSpec("eyes", 60)), list[SchedulerAction]()
    for incarnation in range(1, 6):
        actions += core.handle(1000 * incarnation, RequestArrived(incarnation, "eyes", working_bytes=25))
        core.handle(1000 * incarnation, WorkerExited("eyes", incarnation, "killed", oom_suspected=True))
        core.handle(1000 * incarnation + 900, Tick())

    assert core.records["eyes"].needed_bytes == 75
    assert not any(isinstance(action, RejectRequest) for action in actions)


def test_the_round_of_a_client_is_forgotten_once_it_has_no_queued_request() -> None:
    core = scheduler(ModelSpec("eyes", 10))
    ready(core, "eyes")
    core.handle(1, RequestArrived(0, "eyes", client="a"))
    for number in range(1, 40):
        core.handle(1, RequestArrived(number, "eyes", client=f"client {number}"))
        core.handle(1, RequestFinished(number - 1, "eyes", 1))

    assert len(core.records["eyes"].last_served_round) == 1
