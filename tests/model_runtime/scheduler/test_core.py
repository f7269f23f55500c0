"""The behaviour of the scheduler, one scenario each; the clock is a number."""

from collections.abc import Sequence

import pytest

from model_runtime.scheduler.core import Scheduler
from model_runtime.scheduler.lanes import EXCLUSIVE_LANE
from model_runtime.scheduler.messages import (
    BudgetChanged,
    CancelRequest,
    Grant,
    Kept,
    LimitsChanged,
    LoadProgressed,
    MemoryMeasured,
    MemoryPressure,
    ModelLoaded,
    PinChanged,
    ProgressMeasured,
    RejectRequest,
    RequestArrived,
    RequestCancelled,
    RequestFinished,
    RetryRequested,
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
from tests.model_runtime.scheduler.world import position_of

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


def test_the_idle_time_begins_when_the_last_request_ends() -> None:
    core = scheduler()
    load(core, "eyes", 1000, 1)

    assert core.handle(1299, Tick()) == []
    assert core.handle(1300, Tick()) == [StopWorker("eyes", 1, "idle")]


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


def test_a_model_that_is_kept_for_no_time_stops_with_its_last_request_and_one_kept_for_a_second_does_not() -> None:
    core = scheduler()
    core.handle(0, RequestArrived(1, "eyes", keep_alive_seconds=0))
    core.handle(0, ModelLoaded("eyes", 1, 4 * GB))
    core.handle(0, RequestArrived(2, "ears", keep_alive_seconds=1))
    core.handle(0, ModelLoaded("ears", 1, 4 * GB))

    not_kept = core.handle(1, RequestFinished(1, "eyes", 1))
    kept = core.handle(1, RequestFinished(2, "ears", 1))

    assert not_kept == [StopWorker("eyes", 1, "idle")]
    assert kept == []


@pytest.mark.promise("runtime:lru")
def test_the_least_recently_used_model_is_evicted_and_the_new_one_starts_only_after_backoffs_exit() -> None:
    core = scheduler()
    load(core, "eyes", 0, 1)
    load(core, "ears", 5, 2)

    wanted = core.handle(10, RequestArrived(3, "brush"))
    gone = core.handle(11, WorkerExited("eyes", 1))

    assert wanted == [StopWorker("eyes", 1, "evicted for brush")]
    assert [stop.detail for stop in wanted if isinstance(stop, StopWorker)] == ["needed 6.0 GB, 2.0 GB free"]
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
    assert [stop.detail for stop in finished if isinstance(stop, StopWorker)] == ["needed 6.0 GB, 2.0 GB free"]


@pytest.mark.promise("runtime:kept")
def test_a_model_that_an_operator_keeps_outstays_its_idle_time_and_still_makes_room() -> None:
    core = scheduler()
    load(core, "eyes", 0, 1)
    load(core, "ears", 0, 2)
    core.handle(1, Kept("eyes", 3600))
    core.handle(1, Kept("brush", 3600))  # which is not loaded: there is nothing to keep

    idle = core.handle(600, Tick())
    core.handle(601, WorkerExited("ears", 1))
    still_kept = core.handle(3600, Tick())
    wanted = core.handle(3600, RequestArrived(3, "brush", working_bytes=4 * GB))
    core.handle(3601, WorkerExited("eyes", 1))

    assert (idle, still_kept) == ([StopWorker("ears", 1, "idle")], [])
    assert wanted == [StopWorker("eyes", 1, "evicted for brush")]
    assert core.records["eyes"].kept_until < 0  # its next process starts without that


@pytest.mark.promise("settings:changed")
def test_changed_limits_count_for_the_next_request_and_the_next_idle_check() -> None:
    core = scheduler()
    load(core, "eyes", 0, 1)
    core.handle(0, RequestArrived(2, "ears", keep_alive_seconds=1000))
    core.handle(0, ModelLoaded("ears", 1, 4 * GB))
    core.handle(0, RequestFinished(2, "ears", 1))

    core.handle(1, LimitsChanged(SchedulerLimits(queue_per_model=1), {"eyes": 10, "ears": 10}))
    idle = core.handle(11, Tick())
    core.handle(12, WorkerExited("eyes", 1))
    core.handle(13, RequestArrived(3, "brush"))
    full = core.handle(13, RequestArrived(4, "brush"))

    assert idle == [StopWorker("eyes", 1, "idle")]  # "ears" stays as long as its request said
    assert [action.code for action in full if isinstance(action, RejectRequest)] == ["queue_full"]


def test_a_kept_model_leaves_when_its_time_is_over() -> None:
    core = scheduler()
    core.handle(0, RequestArrived(1, "eyes", keep_alive_seconds=0))
    core.handle(0, ModelLoaded("eyes", 1, 4 * GB))
    core.handle(1, Kept("eyes", 10))

    finished = core.handle(2, RequestFinished(1, "eyes", 1))
    over = core.handle(11, Tick())

    assert (finished, over) == ([], [StopWorker("eyes", 1, "idle")])


@pytest.mark.promise("status:why-degraded")
def test_a_failed_load_and_a_crash_are_told_apart() -> None:
    core = scheduler()
    core.handle(0, RequestArrived(1, "eyes"))
    core.handle(1, WorkerExited("eyes", 1, cause="the file ends early"))
    load(core, "ears", 2, 2)
    core.handle(3, WorkerExited("ears", 1, cause="killed by signal 9"))

    assert [(core.records[name].failed_to_load, core.records[name].error) for name in ("eyes", "ears")] == [
        (True, "the file ends early"),
        (False, "killed by signal 9"),
    ]


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

    assert (position_of(core, 3), position_of(core, 4), position_of(core, 99)) == (1, 2, 0)
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


def test_a_warning_unloads_the_longest_idle_models_one_at_a_time() -> None:
    core = scheduler(eyes=3, ears=3, voice=3)
    for now, model in enumerate(("eyes", "ears", "voice")):
        load(core, model, now, now)
    core.handle(5, PinChanged("eyes", True))

    first = core.handle(40, MemoryPressure(is_critical=False))
    second = core.handle(41, MemoryPressure(is_critical=False))
    core.handle(42, WorkerExited("ears", 1))
    third = core.handle(43, MemoryPressure(is_critical=False))
    core.handle(44, WorkerExited("voice", 1))
    fourth = core.handle(45, MemoryPressure(is_critical=False))

    assert (first, second) == ([StopWorker("ears", 1, "pressure")], [])
    assert (third, fourth) == ([StopWorker("voice", 1, "pressure")], [])


def test_the_longest_idle_model_may_be_idle_since_the_start_of_the_clock() -> None:
    core = scheduler()
    load(core, "ears", 0, 1)
    load(core, "eyes", 0.5, 2)

    assert core.handle(30, MemoryPressure(is_critical=False)) == [StopWorker("ears", 1, "pressure")]


def test_a_critical_shortage_unloads_every_idle_model_at_once_but_no_pinned_and_no_busy_one() -> None:
    core = scheduler(eyes=2, ears=2, voice=2, hand=2)
    for model in ("eyes", "ears", "voice", "hand"):
        load(core, model, 0, 1)
    core.handle(2, PinChanged("eyes", True))
    core.handle(2, RequestArrived(99, "ears"))

    actions = core.handle(2, MemoryPressure(is_critical=True))

    assert actions == [StopWorker("voice", 1, "pressure"), StopWorker("hand", 1, "pressure")]


def test_a_warning_unloads_a_model_that_is_idle_for_thirty_seconds() -> None:
    loaded_at = 1000
    core = scheduler()
    load(core, "eyes", loaded_at, loaded_at)

    sooner = core.handle(loaded_at + 29.9, MemoryPressure(is_critical=False))
    later = core.handle(loaded_at + 30, MemoryPressure(is_critical=False))

    assert (sooner, later) == ([], [StopWorker("eyes", 1, "pressure")])


def test_a_warning_unloads_the_same_model_at_most_once_in_five_minutes() -> None:
    core = scheduler(eyes=2)
    load(core, "eyes", 0, 0)
    core.handle(30, MemoryPressure(is_critical=False))
    core.handle(31, WorkerExited("eyes", 1))
    load(core, "eyes", 31, 32)

    sooner = core.handle(329.9, MemoryPressure(is_critical=False))
    later = core.handle(330, MemoryPressure(is_critical=False))

    assert (sooner, later) == ([], [StopWorker("eyes", 2, "pressure")])


def test_a_smaller_budget_unloads_a_model_that_is_idle_since_the_start_of_the_clock_first() -> None:
    core = scheduler()
    load(core, "ears", 0, 1)
    load(core, "eyes", 0.5, 2)

    assert core.handle(1, BudgetChanged(5 * GB)) == [StopWorker("ears", 1, "pressure")]


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


# -- reasons ----------------------------------------------------------------------------------------------------------


def test_a_model_says_that_it_is_loading_busy_or_waiting_for_the_gpu() -> None:
    specs = [ModelSpec("eyes", 4, lane="heavy"), ModelSpec("brush", 4, lane="heavy"), ModelSpec("ears", 4)]
    core = Scheduler(specs, 8, lanes=EXCLUSIVE_LANE)
    load(core, "brush", 0, 1)
    core.handle(1, RequestArrived(2, "eyes"))

    loading = core.explain("eyes")
    core.handle(2, ModelLoaded("eyes", 1, 4))
    core.handle(3, RequestArrived(3, "brush"))

    assert loading == "eyes is loading"
    assert core.explain("eyes") == "eyes is busy (1 running)"
    assert core.explain("brush") == "brush is waiting for the GPU"
    assert core.explain("ears").startswith("ears needs"), "it waits for memory before it waits for the GPU"


def test_the_reason_of_an_unloaded_model_counts_the_memory_of_its_request() -> None:
    core = scheduler()
    load(core, "eyes", 0, 1)
    core.handle(1, RequestArrived(2, "eyes"))

    without_request = core.explain("brush")
    core.handle(2, RequestArrived(3, "brush", working_bytes=2 * GB))

    assert without_request == "brush needs 6.0 GB, 6.0 GB is free; waiting for its turn"
    assert core.explain("brush") == "brush needs 8.0 GB, 6.0 GB is free; waiting for eyes to finish and unload"


def test_a_model_that_lacks_one_byte_waits_for_another_to_unload() -> None:
    core = Scheduler([ModelSpec("eyes", 4), ModelSpec("ears", 5)], 8)
    load(core, "eyes", 0, 1)

    assert core.explain("ears").endswith("waiting for eyes to finish and unload")


def test_no_memory_is_free_after_an_under_estimate() -> None:
    core = scheduler(eyes=4)
    core.handle(0, RequestArrived(1, "eyes"))

    core.handle(1, ModelLoaded("eyes", 1, 12 * GB))

    assert (core.free_bytes, core.excess_bytes) == (0, 2 * GB)


def test_a_keep_alive_below_one_second_ends() -> None:
    core = scheduler()
    core.handle(0, RequestArrived(1, "eyes", keep_alive_seconds=0.5))
    core.handle(1, ModelLoaded("eyes", 1, 4 * GB))
    core.handle(2, RequestFinished(1, "eyes", 1))

    assert core.handle(2.5, Tick()) == [StopWorker("eyes", 1, "idle")]


def test_only_a_model_that_is_too_large_is_rejected_with_sizes() -> None:
    core = scheduler()
    core.handle(0, RequestArrived(1, "eyes"))

    (rejection,) = core.handle(1, WorkerExited("eyes", 1, cause="broke", permanent=True))

    assert rejection == RejectRequest(1, "load_failed", "broke", None, needed_bytes=0, available_bytes=0)


# -- rejections and their times ---------------------------------------------------------------------------------------


def test_a_shutdown_rejects_queued_and_later_requests_and_stops_a_loading_model() -> None:
    core = scheduler()
    core.handle(0, RequestArrived(1, "eyes"))

    queued = core.handle(1, ShutdownStarted())
    late = core.handle(2, RequestArrived(2, "ears"))
    exited = core.handle(3, WorkerExited("eyes", 1))

    assert queued == [
        RejectRequest(1, "shutting_down", "Senses is shutting down.", 5.0),
        StopWorker("eyes", 1, "shutdown"),
    ]
    assert late == [RejectRequest(2, "shutting_down", "Senses is shutting down.", 5.0)]
    assert exited == []


def test_the_queues_of_all_models_together_are_bounded_too() -> None:
    core = scheduler(limits=SchedulerLimits(queue_per_model=2, queue_total=3))
    for request, model in enumerate(("eyes", "eyes", "brush"), 1):
        core.handle(0, RequestArrived(request, model))

    rejected = core.handle(0, RequestArrived(4, "ears"))

    assert rejected == [RejectRequest(4, "queue_full", "3 requests are waiting.", 3.0)]


def test_a_full_queue_is_expected_to_move_when_all_before_it_are_served() -> None:
    core = scheduler(limits=SchedulerLimits(queue_per_model=2))
    for request in (1, 2):
        core.handle(0, RequestArrived(request, "eyes"))

    assert core.handle(0, RequestArrived(3, "eyes")) == [
        RejectRequest(3, "queue_full", "2 requests are waiting.", 3.0 + 2 * 2.0)
    ]


def test_a_timeout_in_the_queue_says_when_to_try_again() -> None:
    core = scheduler()
    core.handle(0, RequestArrived(1, "eyes", queue_timeout_seconds=10))

    assert core.handle(3 + 9.9, Tick()) == []
    assert core.handle(3 + 10, Tick()) == [RejectRequest(1, "queue_timeout", "eyes is loading", 0.0)]
    assert core.records["eyes"].queue == []


def test_a_request_waits_through_a_pause_of_at_most_five_seconds() -> None:
    core = scheduler(limits=SchedulerLimits(backoff_seconds=(6, 6)))
    core.handle(0, RequestArrived(1, "eyes"))
    core.handle(0, RequestCancelled(1))
    core.handle(0, WorkerExited("eyes", 1, cause="broke"))

    early = core.handle(0.5, RequestArrived(2, "eyes"))
    late = core.handle(1, RequestArrived(3, "eyes"))

    assert early == [RejectRequest(2, "model_unavailable", "eyes failed (broke); next attempt in 6 s.", 5.5)]
    assert late == []


def test_a_model_that_has_not_failed_makes_no_request_wait_for_a_pause() -> None:
    core = scheduler(limits=SchedulerLimits(short_backoff_seconds=0))

    assert core.handle(0, RequestArrived(1, "eyes")) == [StartWorker("eyes", 1, 4 * GB)]


def test_an_unload_by_an_operator_while_the_model_loads_rejects_its_queue() -> None:
    core = scheduler()
    core.handle(0, RequestArrived(1, "eyes"))

    actions = core.handle(1, UnloadRequested("eyes"))
    after = core.handle(2, WorkerExited("eyes", 1))

    detail = "eyes was unloaded by an operator. The next request loads it again."
    assert actions == [StopWorker("eyes", 1, "operator"), RejectRequest(1, "model_unavailable", detail, 5.0)]
    assert (after, core.records["eyes"].state) == ([], ModelState.ABSENT)


def test_a_model_that_fails_twice_rejects_the_request_that_waited_for_both_loads() -> None:
    core = scheduler()
    core.handle(0, RequestArrived(1, "eyes"))

    first = core.handle(1, WorkerExited("eyes", 1))
    core.handle(2, Tick())
    second = core.handle(3, WorkerExited("eyes", 2))

    assert first == []
    assert second == [RejectRequest(1, "load_failed", "the worker exited", 2.0)]


def test_a_budget_that_became_too_small_for_a_queued_request_rejects_it_and_serves_the_next() -> None:
    core = scheduler(eyes=8, brush=6)
    core.handle(0, RequestArrived(1, "eyes"))
    core.handle(0, ModelLoaded("eyes", 1, 8 * GB))
    core.handle(0, RequestArrived(2, "brush", working_bytes=GB))
    core.handle(0, RequestArrived(3, "brush"))

    actions = core.handle(1, BudgetChanged(6 * GB))

    detail = "brush needs 7.0 GB; the budget leaves 6.0 GB."
    assert actions == [RejectRequest(2, "model_too_large", detail, None, 7 * GB, 6 * GB)]
    assert list(core.requests) == [1, 3]


# -- what an event changes --------------------------------------------------------------------------------------------


def test_a_cancel_is_performed_once_and_an_unknown_one_is_ignored() -> None:
    core = scheduler()
    core.handle(0, RequestArrived(1, "eyes"))
    core.handle(1, ModelLoaded("eyes", 1, 4 * GB))

    first, second, unknown = (core.handle(2, RequestCancelled(request)) for request in (1, 1, 9))

    assert first == [CancelRequest(1, "eyes", 1)]
    assert second == unknown == []


def test_the_end_of_an_unknown_request_changes_nothing() -> None:
    core = scheduler()
    core.handle(0, RequestArrived(1, "eyes"))
    core.handle(1, ModelLoaded("eyes", 1, 4 * GB))

    core.handle(2, RequestFinished(9, "eyes", 1))

    assert list(core.records["eyes"].active) == [1]
    assert not core.records["eyes"].has_served


def test_measured_times_move_the_estimates_by_three_tenths() -> None:
    core = scheduler()
    core.handle(10, RequestArrived(1, "eyes"))
    core.handle(23, ModelLoaded("eyes", 1, 4 * GB))
    core.handle(35, RequestFinished(1, "eyes", 1))
    record = core.records["eyes"]

    assert record.load_seconds == pytest.approx(3 + 0.3 * 10)
    assert record.service_seconds == pytest.approx(2 + 0.3 * 10)


def test_a_failed_request_moves_no_estimate_and_does_not_close_the_breaker() -> None:
    core = scheduler()
    core.handle(0, RequestArrived(1, "eyes"))
    core.handle(1, WorkerExited("eyes", 1, cause="broke"))
    core.handle(3, Tick())
    core.handle(4, ModelLoaded("eyes", 2, 4 * GB))
    record = core.records["eyes"]

    core.handle(50, RequestFinished(1, "eyes", 2, ok=False))

    assert (record.failures, record.service_seconds, record.has_served) == (1, 2.0, True)
    assert record.error == ""


def test_a_load_and_a_measurement_of_an_older_process_change_nothing() -> None:
    core = scheduler()
    core.handle(0, RequestArrived(1, "eyes", queue_timeout_seconds=1e9))

    core.handle(1, ModelLoaded("eyes", 0, GB))
    core.handle(170, LoadProgressed("eyes", 0))
    stuck = core.handle(180, Tick())

    assert stuck == [StopWorker("eyes", 1, "load timeout")]


def test_a_second_report_of_a_load_and_progress_after_it_change_nothing() -> None:
    core = scheduler()
    load(core, "eyes", 0, 1)
    deadline = core.records["eyes"].load_deadline

    core.handle(9, ModelLoaded("eyes", 1, GB))
    core.handle(9, LoadProgressed("eyes", 1))

    assert core.records["eyes"].resident_bytes == 4 * GB
    assert core.records["eyes"].load_deadline == deadline


def test_an_idle_model_whose_memory_cannot_be_measured_is_charged_one_byte() -> None:
    core = scheduler()
    load(core, "eyes", 0, 1)

    core.handle(1, MemoryMeasured("eyes", 1, 0))

    assert core.records["eyes"].charged_bytes == 1


def test_a_pin_is_the_end_of_the_idle_time_and_its_removal_a_new_start() -> None:
    core = scheduler()
    load(core, "eyes", 0, 1)
    core.handle(100, PinChanged("eyes", True))
    core.handle(500, PinChanged("eyes", False))

    assert core.handle(799, Tick()) == []
    assert core.handle(800, Tick()) == [StopWorker("eyes", 1, "idle")]


def test_a_retry_forgets_the_failures_and_the_raised_estimate() -> None:
    core = scheduler()
    core.handle(0, RequestArrived(1, "eyes"))
    core.handle(1, WorkerExited("eyes", 1, cause="killed", permanent=True, oom_suspected=True))
    raised = core.records["eyes"].needed_bytes

    core.handle(2, RetryRequested("eyes"))

    record = core.records["eyes"]
    assert raised == 5 * GB
    assert (record.needed_bytes, record.failures, record.state) == (4 * GB, 0, ModelState.ABSENT)


def test_a_retry_of_a_loaded_model_leaves_it_loaded() -> None:
    core = scheduler()
    load(core, "eyes", 0, 1)

    assert core.handle(1, RetryRequested("eyes")) == []
    assert core.records["eyes"].state is ModelState.READY


def test_the_exit_of_a_stopped_worker_is_no_failure_and_clears_its_reason() -> None:
    core = scheduler()
    load(core, "eyes", 0, 1)
    core.handle(1, UnloadRequested("eyes"))

    core.handle(2, WorkerExited("eyes", 1, cause="the worker exited with code 0"))
    core.handle(3, WorkerExited("eyes", 1, cause="again"))

    record = core.records["eyes"]
    assert (record.state, record.failures, record.unload_reason) == (ModelState.ABSENT, 0, "")
    assert (record.resident_bytes, record.idle_since) == (0, None)


def test_the_clock_never_goes_back() -> None:
    core = scheduler()
    core.handle(100, Tick())

    core.handle(50, RequestArrived(1, "eyes"))

    assert core.requests[1].arrived_at == 100


def test_a_known_model_keeps_its_state_when_it_is_added_again() -> None:
    core = scheduler()
    load(core, "eyes", 0, 1)

    core.add(ModelSpec("eyes", 1))
    core.add(ModelSpec("voice", 1))

    assert core.records["eyes"].state is ModelState.READY
    assert core.records["voice"].state is ModelState.ABSENT


def test_a_pinned_model_leaves_less_memory_for_others() -> None:
    core = scheduler()
    load(core, "eyes", 0, 1)
    core.handle(0, PinChanged("eyes", True))

    fits = core.handle(1, RequestArrived(2, "brush"))
    too_large = core.handle(1, RequestArrived(3, "brush", working_bytes=1))
    own = core.handle(1, RequestArrived(4, "eyes", working_bytes=6 * GB))

    assert fits == [StartWorker("brush", 1, 6 * GB)]
    assert too_large == [
        RejectRequest(3, "model_too_large", "brush needs 6.0 GB; the budget leaves 6.0 GB.", None, 6 * GB + 1, 6 * GB)
    ]
    assert own == []


def test_a_model_that_waits_for_memory_keeps_its_place_before_one_whose_request_is_newer() -> None:
    core = scheduler(eyes=10, ears=10, brush=10)
    core.handle(0, RequestArrived(1, "eyes"))
    core.handle(0, ModelLoaded("eyes", 1, 10 * GB))
    core.handle(1, RequestArrived(2, "ears"))
    core.handle(2, RequestArrived(3, "brush"))

    core.handle(3, RequestFinished(1, "eyes", 1))
    started = core.handle(4, WorkerExited("eyes", 1))

    assert started == [StartWorker("ears", 1, 10 * GB)]


def test_a_model_that_waits_for_memory_keeps_its_place_before_one_that_comes_back_from_a_pause() -> None:
    core = scheduler(eyes=4, ears=6, brush=8)
    core.handle(0, RequestArrived(1, "eyes"))
    core.handle(0, ModelLoaded("eyes", 1, 4 * GB))
    core.handle(0, RequestArrived(2, "ears"))
    core.handle(1, WorkerExited("ears", 1, cause="broke"))
    core.handle(1.5, RequestArrived(3, "brush"))

    assert core.handle(2, Tick()) == []
    assert core.waiting_for_memory == "brush"


def test_a_rejected_model_lets_the_next_one_load_at_once() -> None:
    core = scheduler(eyes=5, brush=6, ears=1)
    core.handle(0, RequestArrived(1, "eyes"))
    core.handle(0, ModelLoaded("eyes", 1, 5 * GB))
    core.handle(0, RequestArrived(2, "brush", working_bytes=GB))
    core.handle(0, RequestArrived(3, "ears"))

    actions = core.handle(1, BudgetChanged(6 * GB))

    assert [type(action) for action in actions] == [RejectRequest, StartWorker]


def test_freed_memory_loads_as_many_models_as_fit() -> None:
    core = scheduler(eyes=10, ears=4, brush=6)
    load(core, "eyes", 0, 1)
    core.handle(1, RequestArrived(2, "ears"))
    core.handle(1, RequestArrived(3, "brush"))

    started = core.handle(2, WorkerExited("eyes", 1))

    assert started == [StartWorker("ears", 1, 4 * GB), StartWorker("brush", 1, 6 * GB)]


def test_a_model_is_evicted_for_one_missing_byte() -> None:
    core = Scheduler([ModelSpec("eyes", 4), ModelSpec("ears", 5)], 8)
    load(core, "eyes", 0, 1)

    assert core.handle(1, RequestArrived(2, "ears")) == [StopWorker("eyes", 1, "evicted for ears")]


def test_the_queued_requests_may_have_as_many_bytes_as_the_limit_and_no_more() -> None:
    core = scheduler(limits=SchedulerLimits(queue_bytes=10))
    core.handle(0, RequestArrived(1, "eyes", request_bytes=4))

    fits = core.handle(0, RequestArrived(2, "eyes", request_bytes=6))
    too_many = core.handle(0, RequestArrived(3, "eyes", request_bytes=1))

    assert fits == []
    assert [one.code for one in too_many if isinstance(one, RejectRequest)] == ["queue_full"]


def test_a_request_that_began_with_the_clock_is_measured_like_any_other() -> None:
    core = scheduler()
    core.handle(0, RequestArrived(1, "eyes"))
    core.handle(0, ModelLoaded("eyes", 1, 4 * GB))

    core.handle(12, RequestFinished(1, "eyes", 1))

    assert core.records["eyes"].service_seconds == pytest.approx(2 + 0.3 * 10)


def test_only_progress_gives_the_requests_behind_it_more_time() -> None:
    core = scheduler()
    core.handle(0, RequestArrived(1, "eyes"))
    core.handle(0, ModelLoaded("eyes", 1, 4 * GB))
    core.handle(0, RequestArrived(2, "eyes"))
    at_first = core.requests[2].expires_at

    core.handle(50, ProgressMeasured({1: 0.0}))
    without_progress = core.requests[2].expires_at
    core.handle(50, ProgressMeasured({1: 0.5}))

    assert without_progress == at_first
    assert core.requests[2].expires_at == 50 + 50 + 120
