"""The watchdog decides over a frozen view alone: what is stuck, what is to be done, and what is to be left alone."""

import sys
from dataclasses import replace
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest

from model_runtime.requests import Task
from model_runtime.status import Counters, ModelState
from model_runtime.supervisor import watchdog
from model_runtime.supervisor.views import (
    ModelView,
    RequestView,
    SpareView,
    SupervisorView,
    UpkeepView,
    WorkerView,
)
from model_runtime.supervisor.watchdog import (
    EndStalled,
    EndUnread,
    KillWorker,
    Prewarm,
    ReleaseMemory,
    RelievePressure,
    ReportFootprint,
    ResetTimers,
    SaveStats,
    StopSpare,
    WatchdogLimits,
    check,
)

NOW = 1000.0
LIMITS = WatchdogLimits()
COUNTERS = Counters({}, {}, {}, {}, {}, {}, {}, {}, {})
WORKER = WorkerView(
    model="m",
    incarnation=3,
    footprint_bytes=100,
    last_message_at=NOW,
    last_computed_at=0.0,
    is_paused=False,
    oldest_cancel_at=None,
    is_loading=False,
    stage="",
    fraction=None,
)
MODEL = ModelView(
    state=ModelState.READY,
    pinned=False,
    needed_bytes=100,
    charged_bytes=100,
    resident_bytes=100,
    active=1,
    queued=0,
    is_idle=False,
    idle_since=None,
    keep_alive_seconds=300.0,
    retry_at=0.0,
    error="",
)
RUNNING = RequestView(
    id=7,
    model="m",
    task=Task.TEXT,
    client="",
    arrived_at=NOW - 100,
    granted_at=NOW - 90,
    last_progress_at=NOW,
    queue_full_since=None,
    position=0,
    stage="tokens",
    done=1,
    total=0,
)
WAITING = replace(RUNNING, id=8, granted_at=None)
QUIET = SupervisorView(
    models={"m": MODEL},
    workers={"m": WORKER},
    requests=(RUNNING,),
    spare=SpareView(),
    budget_bytes=1000,
    charged_bytes=100,
    is_closing=False,
    finished_count=5,
    upkeep=UpkeepView(checked_at=NOW - 1, stats_saved_at=NOW - 1, memory_released_after=5),
    counters=COUNTERS,
    last_load_seconds={},
)


def view(**changes: Any) -> SupervisorView:
    return replace(QUIET, **changes)


def with_worker(**changes: Any) -> SupervisorView:
    return view(workers={"m": replace(WORKER, **changes)})


def test_without_a_problem_only_the_spare_worker_is_prepared() -> None:
    assert check(QUIET, LIMITS, NOW) == [Prewarm()]


@pytest.mark.parametrize(("silent_seconds", "is_killed"), [(14.9, False), (15.0, True)])
def test_a_worker_without_a_heartbeat_is_killed(silent_seconds: float, is_killed: bool) -> None:
    actions = check(with_worker(last_message_at=NOW - silent_seconds), LIMITS, NOW)

    kill = KillWorker("m", 3, "the worker sent no heartbeat for 15 s")
    assert (kill in actions) is is_killed


@pytest.mark.promise("runtime:busy-machine")
@pytest.mark.parametrize(("idle_seconds", "is_killed"), [(14.9, False), (15.0, True)])
def test_a_silent_worker_that_computes_is_not_killed(idle_seconds: float, is_killed: bool) -> None:
    actions = check(with_worker(last_message_at=0.0, last_computed_at=NOW - idle_seconds), LIMITS, NOW)

    assert any(isinstance(action, KillWorker) for action in actions) is is_killed


def test_a_paused_worker_may_be_silent_and_its_requests_may_make_no_progress() -> None:
    paused = view(
        workers={"m": replace(WORKER, is_paused=True, last_message_at=0.0)},
        requests=(replace(RUNNING, last_progress_at=0.0),),
    )

    assert check(paused, LIMITS, NOW) == [Prewarm()]


@pytest.mark.parametrize(
    ("task", "seconds"),
    [
        (Task.VISION, 60.0),
        (Task.TEXT, 60.0),
        (Task.SPEECH, 60.0),
        (Task.TRANSCRIPTION, 180.0),
        (Task.IMAGE, 300.0),
    ],
)
def test_a_request_without_progress_is_ended_after_the_timeout_of_its_task(task: Task, seconds: float) -> None:
    stalled = replace(RUNNING, task=task, last_progress_at=NOW - seconds)
    slow = replace(stalled, last_progress_at=NOW - seconds + 0.1)

    assert EndStalled(7, seconds) in check(view(requests=(stalled,)), LIMITS, NOW)
    assert check(view(requests=(slow,)), LIMITS, NOW) == [Prewarm()]


def test_a_queued_request_is_not_stalled() -> None:
    assert check(view(requests=(replace(WAITING, last_progress_at=0.0),)), LIMITS, NOW) == [Prewarm()]


@pytest.mark.parametrize(("unread_seconds", "is_ended"), [(59.9, False), (60.0, True)])
def test_a_request_whose_caller_does_not_read_is_ended(unread_seconds: float, is_ended: bool) -> None:
    unread = replace(RUNNING, queue_full_since=NOW - unread_seconds)

    actions = check(view(requests=(unread,)), LIMITS, NOW)

    assert (EndUnread(7, 60.0) in actions) is is_ended


@pytest.mark.parametrize(
    ("requests", "since_seconds", "is_killed"),
    [
        ((RUNNING, WAITING), 10.0, True),
        ((RUNNING, WAITING), 9.9, False),
        ((RUNNING,), 59.9, False),
        ((RUNNING,), 60.0, True),
    ],
)
def test_a_worker_that_still_runs_a_cancelled_request_is_killed_sooner_while_requests_wait(
    requests: tuple[RequestView, ...], since_seconds: float, is_killed: bool
) -> None:
    busy = view(requests=requests, workers={"m": replace(WORKER, oldest_cancel_at=NOW - since_seconds)})

    kills = [action for action in check(busy, LIMITS, NOW) if isinstance(action, KillWorker)]

    assert bool(kills) is is_killed


@pytest.mark.parametrize("footprint_bytes", [150, 50])
def test_the_memory_of_an_idle_worker_is_reported_once_it_has_settled(footprint_bytes: int) -> None:
    idle = replace(MODEL, active=0, is_idle=True, idle_since=NOW - 3.0)
    worker = replace(WORKER, footprint_bytes=footprint_bytes)

    settled = check(view(models={"m": idle}, workers={"m": worker}, requests=()), LIMITS, NOW)
    just_ended = replace(idle, idle_since=NOW - 2.9)
    unsettled = check(view(models={"m": just_ended}, workers={"m": worker}, requests=()), LIMITS, NOW)
    busy = check(view(workers={"m": worker}), LIMITS, NOW)

    assert settled == [ReportFootprint("m", 3, footprint_bytes), Prewarm()]
    assert unsettled == busy == [Prewarm()]


@pytest.mark.parametrize("footprint_bytes", [0, 100, 102, 98])
def test_a_footprint_that_is_unknown_or_hardly_changed_is_not_reported(footprint_bytes: int) -> None:
    idle = replace(MODEL, active=0, is_idle=True, idle_since=0.0)
    worker = replace(WORKER, footprint_bytes=footprint_bytes)

    assert check(view(models={"m": idle}, workers={"m": worker}, requests=()), LIMITS, NOW) == [Prewarm()]


def test_a_late_check_resets_the_timers_because_the_machine_slept() -> None:
    slept = view(
        upkeep=UpkeepView(checked_at=NOW - 5.1, stats_saved_at=0.0),
        workers={"m": replace(WORKER, last_message_at=0.0)},
        requests=(replace(RUNNING, last_progress_at=0.0),),
    )
    awake = replace(slept, upkeep=UpkeepView(checked_at=NOW - 5.0, stats_saved_at=0.0))

    assert check(slept, LIMITS, NOW) == [ResetTimers()]
    assert any(isinstance(action, KillWorker) for action in check(awake, LIMITS, NOW))


@pytest.mark.parametrize(("age_seconds", "is_saved"), [(9.9, False), (10.0, True)])
def test_statistics_are_saved_every_ten_seconds(age_seconds: float, is_saved: bool) -> None:
    upkeep = replace(QUIET.upkeep, stats_saved_at=NOW - age_seconds)

    assert (SaveStats() in check(view(upkeep=upkeep), LIMITS, NOW)) is is_saved


def test_under_memory_pressure_the_spare_worker_goes_first_and_then_a_model() -> None:
    with_spare = check(view(spare=SpareView("mlx-lm", True, 100)), LIMITS, NOW, is_under_pressure=True)
    without = check(QUIET, LIMITS, NOW, is_under_pressure=True)

    assert with_spare == [StopSpare()]
    assert without == [RelievePressure()]


def test_the_daemon_releases_memory_once_after_the_last_request() -> None:
    quiet = view(requests=(), finished_count=6)
    released = replace(quiet, upkeep=replace(QUIET.upkeep, memory_released_after=6))

    assert check(quiet, LIMITS, NOW) == [Prewarm(), ReleaseMemory()]
    assert check(released, LIMITS, NOW) == [Prewarm()]
    assert ReleaseMemory() not in check(view(finished_count=6), LIMITS, NOW)


BUGS = {
    "never resets the timers": ("> SLEEP_SECONDS", "> 1e9"),
    "always resets the timers": ("> SLEEP_SECONDS", "> -1"),
    "kills workers that compute": ("max(worker.last_message_at, worker.last_computed_at)", "worker.last_message_at"),
    "kills at once": (">= limits.heartbeat_seconds", ">= 0"),
    "kills paused workers": ("if not worker.is_paused and now", "if now"),
    "ends paused requests": ("or _is_paused(view, request)", ""),
    "ends waiting requests": ("request.granted_at is None or", ""),
    "measures a stall from the grant": ("now - request.last_progress_at", "now - request.granted_at"),
    "never ends unread requests": ("if since is not None and now - since >= limits.slow_consumer_seconds", "if False"),
    "never kills a worker that ignores a cancel": ("if since is not None and now - since >= seconds", "if False"),
    "waits as long while requests wait": ("limits.cancel_seconds if is_contended", "limits.uncontended_cancel_seconds if is_contended"),
    "waits as short while no request waits": ("else limits.uncontended_cancel_seconds", "else limits.cancel_seconds"),
    "counts running requests as waiting": ("any(request.granted_at is None", "any(True"),
    "reports the memory of a busy worker": ("return model.idle_since is not None and now - model.idle_since >= SETTLE_SECONDS", "return True"),
    "reports every footprint": ("> SETTLE_SHARE * model.resident_bytes", ">= 0"),
    "reports only growth": ("if abs(worker.footprint_bytes - model.resident_bytes)", "if (worker.footprint_bytes - model.resident_bytes)"),
    "reports a failed measurement": ("not worker.footprint_bytes or", ""),
    "never saves": (">= SAVE_STATS_SECONDS", "> 1e9"),
    "unloads models before the spare": ("if view.spare.engine else", "if not view.spare.engine else"),
    "prewarms under pressure": ("if not is_under_pressure", "if True"),
    "releases memory at every check": ("and view.finished_count != view.upkeep.memory_released_after", ""),
    "releases memory while requests run": ("if not view.requests and", "if"),
}  # fmt: skip


def rebuilt(old: str, new: str) -> ModuleType:
    """Rebuild the watchdog's module with one replacement; it keeps the original classes."""
    source = Path(str(watchdog.__file__)).read_text(encoding="utf-8")
    assert source.count(old) == 1, f"{old!r} is in the source {source.count(old)} times"
    twin = module_from_spec(ModuleSpec("watchdog_twin", None))
    sys.modules["watchdog_twin"] = twin
    exec(compile(source.replace(old, new), "watchdog_twin", "exec"), twin.__dict__)  # noqa: S102
    twin.__dict__.update({name: kind for name, kind in vars(watchdog).items() if isinstance(kind, type)})
    return twin


def plain_tests() -> list[tuple[FunctionType, dict[str, Any]]]:
    """Return every test of this module with each of its sets of arguments."""
    found: list[tuple[FunctionType, dict[str, Any]]] = []
    for name, test in list(globals().items()):
        if not name.startswith("test_") or name.startswith("test_a_bug") or not isinstance(test, FunctionType):
            continue
        sets: list[dict[str, Any]] = [{}]
        for mark in (one for one in getattr(test, "pytestmark", []) if one.name == "parametrize"):
            names, values = mark.args
            names = (names,) if isinstance(names, str) else names
            sets = [dict(zip(names, value if len(names) > 1 else (value,), strict=True)) for value in values]
        found += [(test, arguments) for arguments in sets]
    return found


@pytest.mark.promise("runtime:mutations")
@pytest.mark.parametrize("bug", BUGS)
def test_a_bug_in_the_watchdog_is_noticed(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    twin = rebuilt(*BUGS[bug])
    monkeypatch.setitem(globals(), "check", twin.check)

    def is_noticed(test: FunctionType, arguments: dict[str, Any]) -> bool:
        try:
            test(**arguments)
        except Exception:  # noqa: BLE001 - any failure means that the bug was noticed
            return True
        return False

    assert any(is_noticed(test, arguments) for test, arguments in plain_tests())
