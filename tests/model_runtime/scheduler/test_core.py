"""The behaviour of the scheduler, one scenario each; the clock is a number."""

from collections.abc import Sequence

import pytest

from model_runtime.scheduler.core import Scheduler
from model_runtime.scheduler.messages import (
    BudgetChanged,
    CancelRequest,
    Grant,
    LoadProgressed,
    MemoryMeasured,
    MemoryPressure,
    ModelLoaded,
    PinChanged,
    RejectRequest,
    RequestArrived,
    RequestCancelled,
    RequestFinished,
    SchedulerAction,
    ShutdownStarted,
    StartWorker,
    StopWorker,
    Tick,
    UnloadRequested,
    WorkerExited,
)
from model_runtime.scheduler.model_record import ModelSpec, SchedulerLimits
from model_runtime.status import ModelState

GB = 1_000_000_000


def scheduler(budget_gb: float = 10, limits: SchedulerLimits | None = None, **sizes_gb: float) -> Scheduler:
    specs = [ModelSpec(name, int(size * GB)) for name, size in (sizes_gb or {"eyes": 4, "ears": 4, "brush": 6}).items()]
    return Scheduler(specs, int(budget_gb * GB), limits)


def load(core: Scheduler, model: str, now: float, request: int) -> None:
    """Serve one request on a model so that it is loaded and idle."""
    core.handle(now, RequestArrived(request, model))
    incarnation = core.records[model].incarnation
    core.handle(now, ModelLoaded(model, incarnation, core.records[model].needed_bytes))
    core.handle(now, RequestFinished(request, model, incarnation))


def of_kind(actions: Sequence[SchedulerAction], kind: type[SchedulerAction]) -> list[SchedulerAction]:
    return [action for action in actions if isinstance(action, kind)]


@pytest.mark.promise("runtime:single-flight")
def test_eight_calls_to_a_cold_model_start_one_process_and_are_all_granted_in_order() -> None:
    core = scheduler(limits=SchedulerLimits(queue_per_model=8))

    started = [action for request in range(8) for action in core.handle(0, RequestArrived(request, "eyes"))]
    actions = core.handle(3, ModelLoaded("eyes", 1, 4 * GB))
    granted = [*of_kind(actions, Grant)]
    for request in range(8):
        granted += of_kind(core.handle(4, RequestFinished(request, "eyes", 1)), Grant)

    assert started == [StartWorker("eyes", 1, 4 * GB)]
    assert granted == [Grant(request, "eyes", 1) for request in range(8)]


@pytest.mark.promise("runtime:idle-offload")
def test_a_model_is_unloaded_after_five_idle_minutes_and_its_bytes_are_free_once_it_is_reaped() -> None:
    core = scheduler()
    load(core, "eyes", 0, 1)

    early = core.handle(299, Tick())
    due = core.handle(300, Tick())
    while_stopping = core.free_bytes
    core.handle(301, WorkerExited("eyes", 1))

    assert early == []
    assert due == [StopWorker("eyes", 1, "idle")]
    assert while_stopping == 6 * GB
    assert core.free_bytes == 10 * GB


def test_the_idle_time_does_not_run_while_a_request_uses_the_model() -> None:
    core = scheduler()
    load(core, "eyes", 0, 1)
    core.handle(10, RequestArrived(2, "eyes"))

    actions = core.handle(1000, Tick())

    assert actions == []


@pytest.mark.promise("runtime:keep-alive")
@pytest.mark.parametrize(("keep_alive", "stops"), [(0.0, True), (-1.0, False), (600.0, False)])
def test_a_request_sets_how_long_its_model_stays_loaded(keep_alive: float, stops: bool) -> None:
    core = scheduler()
    core.handle(0, RequestArrived(1, "eyes", keep_alive_seconds=keep_alive))
    core.handle(1, ModelLoaded("eyes", 1, 4 * GB))

    actions = [*core.handle(2, RequestFinished(1, "eyes", 1)), *core.handle(400, Tick())]

    assert bool(of_kind(actions, StopWorker)) is stops


@pytest.mark.promise("runtime:lru")
def test_the_least_recently_used_model_is_evicted_and_the_new_one_starts_only_after_backoffs_exit() -> None:
    core = scheduler()
    load(core, "eyes", 0, 1)
    load(core, "ears", 5, 2)

    wanted = core.handle(10, RequestArrived(3, "brush"))
    gone = core.handle(11, WorkerExited("eyes", 1))

    assert wanted == [StopWorker("eyes", 1, "evicted for brush")]
    assert gone == [StartWorker("brush", 1, 6 * GB)]


@pytest.mark.promise("runtime:never-evict-busy")
def test_a_model_in_use_is_never_evicted_but_drained_once_the_waiting_request_is_starving() -> None:
    core = scheduler()
    core.handle(0, RequestArrived(1, "eyes"))
    core.handle(0, ModelLoaded("eyes", 1, 4 * GB))
    core.handle(0, RequestArrived(2, "ears"))
    core.handle(0, ModelLoaded("ears", 1, 4 * GB))

    asked = core.handle(1, RequestArrived(3, "brush"))
    overdue = core.handle(12, Tick())
    finished = core.handle(13, RequestFinished(1, "eyes", 1))

    assert asked == []
    assert overdue == []
    assert core.records["eyes"].state is ModelState.STOPPING
    assert finished == [StopWorker("eyes", 1, "evicted for brush")]


def test_a_resident_model_overtakes_a_request_that_waits_for_memory() -> None:
    core = scheduler()
    core.handle(0, RequestArrived(1, "eyes"))
    core.handle(0, ModelLoaded("eyes", 1, 4 * GB))
    core.handle(0, RequestArrived(2, "ears"))
    core.handle(0, ModelLoaded("ears", 1, 4 * GB))
    core.handle(1, RequestArrived(3, "brush"))
    core.handle(2, RequestArrived(4, "ears"))

    actions = core.handle(3, RequestFinished(2, "ears", 1))

    assert actions == [Grant(4, "ears", 1)]


@pytest.mark.promise("runtime:pins")
def test_a_pinned_model_is_neither_evicted_nor_unloaded_when_idle() -> None:
    core = scheduler()
    load(core, "eyes", 0, 1)
    core.handle(0, PinChanged("eyes", True))
    load(core, "ears", 1, 2)

    wanted = core.handle(5, RequestArrived(3, "brush"))
    core.handle(6, WorkerExited("ears", 1))
    later = core.handle(10_000, Tick())

    assert wanted == [StopWorker("ears", 1, "evicted for brush")]
    assert StopWorker("eyes", 1, "idle") not in later


def test_a_request_that_can_never_fit_is_rejected_with_both_sizes() -> None:
    core = scheduler(budget_gb=5)

    actions = core.handle(0, RequestArrived(1, "brush"))

    assert actions == [
        RejectRequest(1, "model_too_large", "brush needs 6.0 GB; the budget leaves 5.0 GB.", None, 6 * GB, 5 * GB)
    ]


def test_the_memory_of_running_requests_is_charged_as_well() -> None:
    core = scheduler(budget_gb=9)
    load(core, "eyes", 0, 1)
    load(core, "ears", 0, 2)

    wanted = core.handle(1, RequestArrived(3, "eyes", working_bytes=2 * GB))
    gone = core.handle(2, WorkerExited("ears", 1))

    assert wanted == [StopWorker("ears", 1, "evicted for eyes")]
    assert gone == [Grant(3, "eyes", 1)]


@pytest.mark.promise("runtime:queue-bound")
def test_a_full_queue_rejects_with_the_time_after_which_to_try_again() -> None:
    core = scheduler(limits=SchedulerLimits(queue_per_model=1))
    core.handle(0, RequestArrived(1, "eyes"))

    (rejection,) = core.handle(0, RequestArrived(2, "eyes"))

    assert isinstance(rejection, RejectRequest)
    assert rejection.code == "queue_full"
    assert rejection.retry_after_seconds is not None
    assert rejection.retry_after_seconds > 0


def test_a_request_that_waited_too_long_is_rejected_with_what_it_waited_for() -> None:
    core = scheduler(limits=SchedulerLimits(queue_seconds=20))
    core.handle(0, RequestArrived(1, "eyes"))

    within_the_estimate = core.handle(22, Tick())  # loading eyes takes about 3 s
    (rejection,) = core.handle(23, Tick())

    assert within_the_estimate == []
    assert isinstance(rejection, RejectRequest)
    assert (rejection.code, rejection.detail) == ("queue_timeout", "eyes is loading")


@pytest.mark.promise("runtime:crash")
def test_a_crash_answers_every_running_request_and_the_queued_ones_get_another_process() -> None:
    core = scheduler()
    core.handle(0, RequestArrived(1, "eyes"))
    core.handle(1, ModelLoaded("eyes", 1, 4 * GB))
    core.handle(1, RequestArrived(2, "eyes"))

    crashed = core.handle(2, WorkerExited("eyes", 1, cause="killed by SIGKILL"))
    after_backoff = core.handle(3.5, Tick())

    assert crashed == [RejectRequest(1, "worker_died", "killed by SIGKILL")]
    assert after_backoff == [StartWorker("eyes", 2, 4 * GB)]


def test_a_model_that_keeps_failing_backs_off_longer_each_time() -> None:
    core = scheduler(limits=SchedulerLimits(attempts=9, breaker_failures=9))
    core.handle(0, RequestArrived(1, "eyes"))
    pauses = []
    now = 0.0
    for incarnation in range(1, 5):
        core.handle(now, WorkerExited("eyes", incarnation, cause="no such file"))
        pauses.append(core.records["eyes"].retry_at - now)
        now = core.records["eyes"].retry_at
        core.handle(now, Tick())

    assert pauses == [1, 2, 4, 8]


def test_a_permanent_failure_answers_the_queue_at_once_with_its_cause() -> None:
    core = scheduler()
    core.handle(0, RequestArrived(1, "eyes"))

    failed = core.handle(1, WorkerExited("eyes", 1, cause="tensor lm_head.weight is missing", permanent=True))
    (next_rejection,) = core.handle(2, RequestArrived(2, "eyes"))

    assert failed == [RejectRequest(1, "load_failed", "tensor lm_head.weight is missing")]
    assert isinstance(next_rejection, RejectRequest)
    assert next_rejection.code == "load_failed"
    assert "lm_head.weight" in next_rejection.detail


def test_a_request_during_a_long_backoff_is_rejected_with_the_cause_and_the_time_of_the_next_attempt() -> None:
    core = scheduler(limits=SchedulerLimits(backoff_seconds=(60, 60)))
    core.handle(0, RequestArrived(1, "eyes"))
    core.handle(1, WorkerExited("eyes", 1, cause="the worker was killed by SIGSEGV"))

    actions = core.handle(2, RequestArrived(2, "eyes"))

    detail = "eyes failed (the worker was killed by SIGSEGV); next attempt in 59 s."
    assert actions == [RejectRequest(2, "model_unavailable", detail, 59)]


@pytest.mark.promise("runtime:load-deadline")
def test_a_load_without_progress_is_stopped_and_one_with_progress_gets_more_time() -> None:
    core = scheduler(limits=SchedulerLimits(load_seconds=60))
    core.handle(0, RequestArrived(1, "eyes", queue_timeout_seconds=1e9))
    core.handle(50, LoadProgressed("eyes", 1))

    progressing = core.handle(100, Tick())
    stuck = core.handle(110, Tick())
    core.handle(111, WorkerExited("eyes", 1, cause="load timeout"))

    assert progressing == []
    assert stuck == [StopWorker("eyes", 1, "load timeout")]
    assert core.records["eyes"].state is ModelState.BACKOFF


def test_a_cancel_frees_the_place_in_the_queue_and_ends_the_work_in_the_worker() -> None:
    core = scheduler()
    core.handle(0, RequestArrived(1, "eyes"))
    core.handle(1, ModelLoaded("eyes", 1, 4 * GB))
    core.handle(1, RequestArrived(2, "eyes"))
    core.handle(1, RequestArrived(3, "eyes"))

    waiting = core.handle(2, RequestCancelled(2))
    running = core.handle(2, RequestCancelled(1))
    ended = core.handle(3, RequestFinished(1, "eyes", 1, ok=False))

    assert waiting == []
    assert running == [CancelRequest(1, "eyes", 1)]
    assert ended == [Grant(3, "eyes", 1)]


def test_nothing_is_started_for_a_request_cancelled_while_memory_was_freed() -> None:
    core = scheduler()
    load(core, "eyes", 0, 1)
    load(core, "ears", 0, 2)
    core.handle(1, RequestArrived(3, "brush"))
    core.handle(1, RequestCancelled(3))

    assert core.handle(2, WorkerExited("eyes", 1)) == []


def test_an_operator_unloads_an_idle_model_at_once_and_lets_a_busy_one_finish() -> None:
    core = scheduler()
    load(core, "eyes", 0, 1)
    core.handle(0, RequestArrived(2, "ears"))
    core.handle(0, ModelLoaded("ears", 1, 4 * GB))

    idle = core.handle(1, UnloadRequested("eyes"))
    busy = core.handle(1, UnloadRequested("ears"))
    finished = core.handle(2, RequestFinished(2, "ears", 1))

    assert idle == [StopWorker("eyes", 1, "operator")]
    assert busy == []
    assert finished == [StopWorker("ears", 1, "operator")]


def test_a_smaller_budget_unloads_idle_models_longest_idle_first() -> None:
    core = scheduler()
    load(core, "eyes", 0, 1)
    load(core, "ears", 5, 2)

    actions = core.handle(6, BudgetChanged(5 * GB))

    assert actions == [StopWorker("eyes", 1, "pressure")]


def test_an_under_estimate_unloads_idle_models_as_soon_as_it_is_measured() -> None:
    core = scheduler()
    load(core, "eyes", 0, 1)
    core.handle(1, RequestArrived(2, "ears"))

    actions = core.handle(2, ModelLoaded("ears", 1, 8 * GB))

    assert actions == [StopWorker("eyes", 1, "pressure"), Grant(2, "ears", 1)]
    assert core.records["ears"].needed_bytes == 8 * GB


@pytest.mark.promise("runtime:shutdown")
def test_a_shutdown_answers_every_queued_request_and_stops_idle_models() -> None:
    core = scheduler()
    load(core, "ears", 0, 1)
    core.handle(0, RequestArrived(2, "eyes"))
    core.handle(0, ModelLoaded("eyes", 1, 4 * GB))
    core.handle(0, RequestArrived(3, "eyes"))

    actions = core.handle(1, ShutdownStarted())
    (late,) = core.handle(1, RequestArrived(4, "eyes"))
    ended = core.handle(2, RequestFinished(2, "eyes", 1))

    assert StopWorker("ears", 1, "shutdown") in actions
    assert [action.request_id for action in actions if isinstance(action, RejectRequest)] == [3]
    assert isinstance(late, RejectRequest)
    assert late.code == "shutting_down"
    assert ended == [StopWorker("eyes", 1, "shutdown")]


def test_an_estimate_rises_to_a_measurement_at_once_and_falls_step_by_step() -> None:
    core = scheduler()
    estimates_gb = []
    for round_, measured in enumerate((4, 6, 2, 2), 1):
        core.handle(round_, RequestArrived(round_, "eyes"))
        core.handle(round_, ModelLoaded("eyes", round_, measured * GB))
        estimates_gb.append(core.records["eyes"].needed_bytes / GB)
        core.handle(round_, RequestFinished(round_, "eyes", round_))
        core.handle(round_, UnloadRequested("eyes"))
        core.handle(round_, WorkerExited("eyes", round_, ""))

    assert estimates_gb == pytest.approx([4, 6, 4.8, 3.96])


def test_a_queued_request_has_a_place_and_a_reason() -> None:
    core = scheduler()
    load(core, "eyes", 0, 1)
    load(core, "ears", 0, 2)
    core.handle(1, RequestArrived(3, "brush"))
    core.handle(1, RequestArrived(4, "brush"))

    assert (core.position(3), core.position(4), core.position(99)) == (1, 2, 0)
    assert core.explain("brush") == "brush needs 6.0 GB, 2.0 GB is free; waiting for eyes to unload"


@pytest.mark.promise("runtime:why-not-loaded")
def test_the_reason_of_an_unloaded_model_has_its_size_the_free_memory_and_the_models_to_evict() -> None:
    core = scheduler()
    load(core, "eyes", 0, 1)
    load(core, "ears", 0, 2)
    core.handle(1, RequestArrived(3, "eyes"))
    core.handle(1, RequestArrived(4, "ears"))
    core.handle(1, RequestArrived(5, "brush"))

    while_busy = core.explain("brush")
    core.handle(1, PinChanged("eyes", True))
    core.handle(1, PinChanged("ears", True))
    with_pins = core.explain("brush")

    assert while_busy == "brush needs 6.0 GB, 2.0 GB is free; waiting for eyes to finish and unload"
    assert with_pins == ("brush needs 6.0 GB, 2.0 GB is free; unloading every unpinned model would not free enough")


def test_a_request_right_after_a_crash_waits_for_the_end_of_the_short_backoff() -> None:
    core = scheduler()
    core.handle(0, RequestArrived(1, "eyes"))
    core.handle(1, ModelLoaded("eyes", 1, 100))
    core.handle(2, WorkerExited("eyes", 1, cause="the worker was killed by SIGSEGV"))

    during_backoff = core.handle(2.1, RequestArrived(2, "eyes"))
    after_backoff = core.handle(3.1, Tick())

    assert during_backoff == []
    assert [type(action) for action in after_backoff] == [StartWorker]


def test_an_idle_model_that_grew_is_charged_for_it_and_the_longest_idle_one_is_unloaded() -> None:
    core = scheduler(eyes=4, ears=4)
    load(core, "eyes", 0, 1)
    load(core, "ears", 10, 2)

    fits = core.handle(20, MemoryMeasured("ears", 1, 5 * GB))
    over_budget = core.handle(30, MemoryMeasured("ears", 1, 7 * GB))

    assert fits == []
    assert over_budget == [StopWorker("eyes", 1, "pressure")]
    assert core.records["ears"].charged_bytes == 7 * GB


def test_a_measurement_of_a_busy_or_an_older_process_changes_nothing() -> None:
    core = scheduler()
    load(core, "eyes", 0, 1)
    core.handle(1, MemoryMeasured("eyes", 0, 9 * GB))
    core.handle(2, RequestArrived(2, "eyes"))
    core.handle(3, MemoryMeasured("eyes", 1, 9 * GB))

    assert core.records["eyes"].charged_bytes == 4 * GB


def test_under_memory_pressure_the_longest_idle_models_are_unloaded_one_at_a_time() -> None:
    core = scheduler(eyes=3, ears=3, voice=3)
    for now, model in enumerate(("eyes", "ears", "voice")):
        load(core, model, now, now)
    core.handle(5, PinChanged("eyes", True))

    first = core.handle(10, MemoryPressure())
    second = core.handle(11, MemoryPressure())
    core.handle(12, WorkerExited("ears", 1))
    third = core.handle(13, MemoryPressure())
    core.handle(14, WorkerExited("voice", 1))
    fourth = core.handle(15, MemoryPressure())

    assert (first, second) == ([StopWorker("ears", 1, "pressure")], [])
    assert (third, fourth) == ([StopWorker("voice", 1, "pressure")], [])


def test_a_busy_model_keeps_serving_until_the_waiting_request_is_starving() -> None:
    core = scheduler(budget_gb=9)
    load(core, "eyes", 0, 1)
    core.handle(1, RequestArrived(2, "eyes"))

    at_once = core.handle(2, RequestArrived(3, "brush"))

    assert at_once == []
    assert core.records["eyes"].state is ModelState.READY


def test_a_draining_model_grants_no_more_requests_and_is_stopped_when_the_last_one_has_finished() -> None:
    core = scheduler(budget_gb=9)
    load(core, "eyes", 0, 1)
    core.handle(1, RequestArrived(2, "eyes"))
    core.handle(2, RequestArrived(3, "brush"))
    core.handle(20, Tick())

    while_draining = core.handle(21, RequestArrived(4, "eyes"))
    finished = core.handle(22, RequestFinished(2, "eyes", 1))

    assert while_draining == []
    assert finished == [StopWorker("eyes", 1, "evicted for brush")]


def test_the_memory_of_running_requests_is_not_reserved_twice() -> None:
    core = Scheduler([ModelSpec("eyes", 4, concurrency=2)], 10)
    load(core, "eyes", 0, 1)

    first = core.handle(1, RequestArrived(2, "eyes", working_bytes=4))
    second = core.handle(1, RequestArrived(3, "eyes", working_bytes=4))
    then = core.handle(2, RequestFinished(2, "eyes", 1))

    assert first == [Grant(2, "eyes", 1)]
    assert second == []
    assert then == [Grant(3, "eyes", 1)]
