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
from model_runtime.supervisor.pressure import LastingPressure, Pressure
from model_runtime.supervisor.views import (
    MachineView,
    ModelView,
    RequestView,
    SpareView,
    SupervisorView,
    UpkeepView,
    WorkerView,
)
from model_runtime.supervisor.watchdog import (
    STALL_SECONDS,
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
    WatchdogAction,
    WatchdogLimits,
    check,
)

NOW = 1000.0
LIMITS = WatchdogLimits(stall_seconds=STALL_SECONDS)
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
    upkeep=UpkeepView(checked_at=NOW - 1, wall_checked_at=4999.0, stats_saved_at=NOW - 1, memory_released_after=5),
    counters=COUNTERS,
    last_load_seconds={},
)


CALM = MachineView(wall_seconds=5000.0, pressure=LastingPressure(), saves_energy=False)


def checked(view: SupervisorView, machine: MachineView = CALM) -> list[WatchdogAction]:
    return check(view, machine, LIMITS, NOW)


def under(level: Pressure, seconds: float) -> MachineView:
    """Return a machine that has been under this pressure for so long."""
    return replace(CALM, pressure=LastingPressure(level, NOW - seconds))


def view(**changes: Any) -> SupervisorView:
    return replace(QUIET, **changes)


def with_worker(**changes: Any) -> SupervisorView:
    return view(workers={"m": replace(WORKER, **changes)})


def test_without_a_problem_only_the_spare_worker_is_prepared() -> None:
    assert checked(QUIET) == [Prewarm()]


@pytest.mark.parametrize(("silent_seconds", "is_killed"), [(14.9, False), (15.0, True)])
def test_a_worker_without_a_heartbeat_is_killed(silent_seconds: float, is_killed: bool) -> None:
    actions = checked(with_worker(last_message_at=NOW - silent_seconds))

    kill = KillWorker("m", 3, "the worker sent no heartbeat for 15 s")
    assert (kill in actions) is is_killed


@pytest.mark.promise("runtime:busy-machine")
@pytest.mark.parametrize(("idle_seconds", "is_killed"), [(14.9, False), (15.0, True)])
def test_a_silent_worker_that_computes_is_not_killed(idle_seconds: float, is_killed: bool) -> None:
    actions = checked(with_worker(last_message_at=0.0, last_computed_at=NOW - idle_seconds))

    assert any(isinstance(action, KillWorker) for action in actions) is is_killed


def test_a_paused_worker_may_be_silent_and_its_requests_may_make_no_progress() -> None:
    paused = view(
        workers={"m": replace(WORKER, is_paused=True, last_message_at=0.0)},
        requests=(replace(RUNNING, last_progress_at=0.0),),
    )

    assert checked(paused) == [Prewarm()]


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

    assert EndStalled(7, seconds) in checked(view(requests=(stalled,)))
    assert checked(view(requests=(slow,))) == [Prewarm()]


def test_a_queued_request_is_not_stalled() -> None:
    assert checked(view(requests=(replace(WAITING, last_progress_at=0.0),))) == [Prewarm()]


@pytest.mark.parametrize(("unread_seconds", "is_ended"), [(59.9, False), (60.0, True)])
def test_a_request_whose_caller_does_not_read_is_ended(unread_seconds: float, is_ended: bool) -> None:
    unread = replace(RUNNING, queue_full_since=NOW - unread_seconds)

    actions = checked(view(requests=(unread,)))

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

    kills = [action for action in checked(busy) if isinstance(action, KillWorker)]

    assert bool(kills) is is_killed


@pytest.mark.parametrize("footprint_bytes", [150, 50])
def test_the_memory_of_an_idle_worker_is_reported_once_it_has_settled(footprint_bytes: int) -> None:
    idle = replace(MODEL, active=0, is_idle=True, idle_since=NOW - 3.0)
    worker = replace(WORKER, footprint_bytes=footprint_bytes)

    settled = checked(view(models={"m": idle}, workers={"m": worker}, requests=()))
    just_ended = replace(idle, idle_since=NOW - 2.9)
    unsettled = checked(view(models={"m": just_ended}, workers={"m": worker}, requests=()))
    busy = checked(view(workers={"m": worker}))

    assert settled == [ReportFootprint("m", 3, footprint_bytes), Prewarm()]
    assert unsettled == busy == [Prewarm()]


@pytest.mark.parametrize("footprint_bytes", [0, 100, 102, 98])
def test_a_footprint_that_is_unknown_or_hardly_changed_is_not_reported(footprint_bytes: int) -> None:
    idle = replace(MODEL, active=0, is_idle=True, idle_since=0.0)
    worker = replace(WORKER, footprint_bytes=footprint_bytes)

    assert checked(view(models={"m": idle}, workers={"m": worker}, requests=())) == [Prewarm()]


@pytest.mark.parametrize(
    ("clock_seconds", "wall_seconds", "skipped_seconds"),
    [
        (5.1, 5.1, 5.1),  # the virtual machine was paused
        (1.0, 28_800.0, 1.0),  # a Mac slept: its monotonic clock stood still
        (5.1, -3600.0, 5.1),  # and somebody set the clock back meanwhile
    ],
)
def test_after_a_sleep_nobody_is_blamed_for_silence(
    clock_seconds: float, wall_seconds: float, skipped_seconds: float
) -> None:
    slept = view(
        upkeep=replace(QUIET.upkeep, checked_at=NOW - clock_seconds, wall_checked_at=5000.0 - wall_seconds),
        workers={"m": replace(WORKER, last_message_at=0.0)},
        requests=(replace(RUNNING, last_progress_at=0.0),),
    )

    (action,) = checked(slept)

    assert isinstance(action, ResetTimers)
    assert action.skipped_seconds == pytest.approx(skipped_seconds)


@pytest.mark.parametrize("wall_seconds", [5.0, -3600.0])
def test_a_clock_that_is_set_back_hides_no_silence(wall_seconds: float) -> None:
    awake = view(
        upkeep=replace(QUIET.upkeep, checked_at=NOW - 5.0, wall_checked_at=5000.0 - wall_seconds),
        workers={"m": replace(WORKER, last_message_at=0.0)},
    )

    assert any(isinstance(action, KillWorker) for action in checked(awake))


@pytest.mark.parametrize(("age_seconds", "is_saved"), [(9.9, False), (10.0, True)])
def test_statistics_are_saved_every_ten_seconds(age_seconds: float, is_saved: bool) -> None:
    upkeep = replace(QUIET.upkeep, stats_saved_at=NOW - age_seconds)

    assert (SaveStats() in checked(view(upkeep=upkeep))) is is_saved


@pytest.mark.parametrize("machine", [under(Pressure.WARNING, 0.0), replace(CALM, saves_energy=True)])
def test_on_a_warning_or_to_save_energy_there_is_no_spare_worker(machine: MachineView) -> None:
    with_spare = checked(view(spare=SpareView("mlx-lm", True, 100)), machine)
    without = checked(QUIET, machine)

    assert (with_spare, without) == ([StopSpare()], [])


@pytest.mark.parametrize(("seconds", "is_relieved"), [(9.9, False), (10.0, True)])
def test_models_are_unloaded_for_a_warning_that_lasts(seconds: float, is_relieved: bool) -> None:
    actions = checked(QUIET, under(Pressure.WARNING, seconds))

    assert actions == ([RelievePressure(is_critical=False)] if is_relieved else [])


def test_in_a_critical_shortage_models_and_spare_worker_are_unloaded_at_once() -> None:
    actions = checked(view(spare=SpareView("mlx-lm", True, 100)), under(Pressure.CRITICAL, 0.0))

    assert actions == [RelievePressure(is_critical=True), StopSpare()]


def test_the_daemon_releases_memory_once_after_the_last_request() -> None:
    quiet = view(requests=(), finished_count=6)
    released = replace(quiet, upkeep=replace(QUIET.upkeep, memory_released_after=6))

    assert checked(quiet) == [Prewarm(), ReleaseMemory()]
    assert checked(released) == [Prewarm()]
    assert ReleaseMemory() not in checked(view(finished_count=6))


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
    "keeps the spare worker under pressure": ("elif view.spare.engine:", "elif False:"),
    "prewarms under pressure": ("if machine.pressure.level is Pressure.NORMAL and not", "if not"),
    "prewarms on battery": ("and not machine.saves_energy:", ":"),
    "unloads models for every warning": ("is_lasting = now - pressure.since >= limits.warning_seconds", "is_lasting = True"),
    "lets a critical shortage last": ("pressure.level is Pressure.CRITICAL or (pressure.level is Pressure.WARNING and is_lasting)", "is_lasting"),
    "takes a warning for a critical shortage": ("is_critical=pressure.level is Pressure.CRITICAL", "is_critical=True"),
    "knows only the clock that stops in sleep": ("max(skipped_seconds, machine.wall_seconds - view.upkeep.wall_checked_at)", "skipped_seconds"),
    "trusts the wall clock alone": ("max(skipped_seconds, machine.wall_seconds - view.upkeep.wall_checked_at)", "machine.wall_seconds - view.upkeep.wall_checked_at"),
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
