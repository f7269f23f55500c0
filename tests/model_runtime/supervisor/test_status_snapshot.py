"""A view of the supervisor as the status that the page, the tools and the metrics show."""

import os
from dataclasses import replace
from math import inf

import pytest

from model_runtime.catalog.model import Model, ModelInfo
from model_runtime.requests import Task
from model_runtime.status import Counters, JobStatus, MemoryStatus, ModelState, ModelStatus
from model_runtime.supervisor import memory
from model_runtime.supervisor.status_snapshot import memory_status, model_status, render_status, request_status
from model_runtime.supervisor.views import ModelView, RequestView, SpareView, SupervisorView, UpkeepView, WorkerView

NOW = 1000.0
TEXT = Model("m", Task.TEXT, "mlx-lm", "a model", path="/models/m", starter=True)
INFO = ModelInfo(
    present=True,
    broken_reason="",
    default=True,
    weights_bytes=70,
    needed_bytes=80,
    voices=("v",),
    languages=("en",),
    abilities=("words",),
)
USED = ModelView(
    state=ModelState.READY,
    pinned=False,
    needed_bytes=100,
    charged_bytes=110,
    resident_bytes=105,
    active=1,
    queued=2,
    is_idle=True,
    idle_since=NOW - 60,
    keep_alive_seconds=300.0,
    retry_at=0.0,
    error="",
)
WORKER = WorkerView(
    model="m",
    incarnation=1,
    footprint_bytes=120,
    last_message_at=NOW,
    last_computed_at=0.0,
    is_paused=False,
    oldest_cancel_at=None,
    is_loading=False,
    stage="weights",
    fraction=0.5,
)
REQUEST = RequestView(
    id=7,
    model="m",
    task=Task.TEXT,
    client="ann",
    arrived_at=NOW - 9,
    granted_at=None,
    last_progress_at=NOW,
    queue_full_since=None,
    position=2,
    stage="tokens",
    done=3,
    total=10,
    reason="m is busy",
)
COUNTERS = Counters(
    requests={("m", "http", "ok"): 2, ("m", "mcp", "ok"): 3, ("other", "http", "ok"): 9},
    loads={("m", "ok"): 4, ("m", "failed"): 8},
    unloads={},
    request_seconds={},
    load_seconds={},
    queue_seconds={},
    tokens={},
    audio_seconds={},
    images={},
)
VIEW = SupervisorView(
    models={"m": USED},
    workers={"m": WORKER, "other": replace(WORKER, model="other", footprint_bytes=30)},
    requests=(REQUEST,),
    spare=SpareView("mlx-lm", True, 5),
    budget_bytes=1000,
    charged_bytes=110,
    is_closing=False,
    finished_count=0,
    upkeep=UpkeepView(wall_checked_at=0.0, checked_at=NOW, stats_saved_at=NOW),
    counters=COUNTERS,
    last_load_seconds={"m": 1.5},
)


def status_of(
    model: ModelView | None = USED, worker: WorkerView | None = WORKER, info: ModelInfo = INFO
) -> ModelStatus:
    view = replace(VIEW, models={"m": model} if model else {}, workers={"m": worker} if worker else {})
    return model_status(TEXT, info, view, NOW)


def test_a_loaded_model_has_the_memory_the_requests_and_the_times_of_its_worker() -> None:
    assert status_of() == ModelStatus(
        name="m",
        task=Task.TEXT,
        engine="mlx-lm",
        source="/models/m",
        description="a model",
        state=ModelState.READY,
        present=True,
        weights_bytes=70,
        starter=True,
        default=True,
        pinned=False,
        needed_bytes=100,
        charged_bytes=110,
        footprint_bytes=120,
        active=1,
        queued=2,
        load_fraction=None,
        stage="",
        idle_seconds=60,
        unloads_in_seconds=240,
        retry_in_seconds=None,
        loads=4,
        last_load_seconds=1.5,
        requests=5,
        error="",
        voices=("v",),
        languages=("en",),
        abilities=("words",),
        working_bytes=5,
    )


def test_a_model_that_is_kept_says_for_how_long_and_stays_at_least_so_long() -> None:
    kept = status_of(replace(USED, kept_until=NOW + 3600))
    over = status_of(replace(USED, kept_until=NOW - 1))

    assert (kept.kept_seconds, kept.unloads_in_seconds) == (3600, 3600)
    assert (over.kept_seconds, over.unloads_in_seconds) == (None, 240)


@pytest.mark.parametrize(
    ("broken_reason", "used", "failure"),
    [
        ("its folder is gone", USED, "cannot be used"),
        ("", replace(USED, error="no memory", failed_to_load=True), "failed to load"),
        ("", replace(USED, error="killed"), "stopped unexpectedly"),
        ("", USED, ""),
        ("", None, ""),
    ],
)
def test_a_model_says_what_went_wrong_with_it(broken_reason: str, used: ModelView | None, failure: str) -> None:
    assert status_of(used, info=replace(INFO, broken_reason=broken_reason)).failure == failure


def test_idle_models_that_nobody_needs_can_make_room() -> None:
    idle = replace(USED, queued=0, charged_bytes=40)
    models = {"a": idle, "b": replace(idle, pinned=True), "c": replace(idle, is_idle=False), "d": idle}

    assert memory_status(replace(VIEW, models=models)).evictable_bytes == 80


def test_a_model_that_was_never_requested_has_only_what_its_files_say() -> None:
    view = replace(VIEW, models={}, workers={}, counters=replace(COUNTERS, loads={}, requests={}), last_load_seconds={})

    assert model_status(TEXT, INFO, view, NOW) == ModelStatus(
        name="m",
        task=Task.TEXT,
        engine="mlx-lm",
        source="/models/m",
        description="a model",
        state=ModelState.ABSENT,
        present=True,
        weights_bytes=70,
        starter=True,
        default=True,
        pinned=False,
        needed_bytes=80,
        charged_bytes=0,
        footprint_bytes=0,
        active=0,
        queued=0,
        load_fraction=None,
        stage="",
        idle_seconds=None,
        unloads_in_seconds=None,
        retry_in_seconds=None,
        loads=0,
        last_load_seconds=None,
        requests=0,
        error="",
        voices=("v",),
        languages=("en",),
        abilities=("words",),
    )


def test_a_loading_model_has_a_stage_and_a_fraction() -> None:
    status = status_of(replace(USED, state=ModelState.STARTING), replace(WORKER, is_loading=True))

    assert (status.stage, status.load_fraction) == ("weights", 0.5)


@pytest.mark.parametrize("change", [{"is_idle": False}, {"idle_since": None}])
def test_a_busy_model_is_not_idle(change: dict[str, bool | None]) -> None:
    status = status_of(replace(USED, **change))  # type: ignore[arg-type]

    assert (status.idle_seconds, status.unloads_in_seconds) == (None, None)


@pytest.mark.parametrize(
    ("keep_alive_seconds", "pinned", "unloads_in_seconds"),
    [(300, False, 240), (60, False, 0), (10, False, 0), (0, False, 0), (-1, False, None), (300, True, None)],
)
def test_an_idle_model_says_when_it_is_unloaded(
    keep_alive_seconds: float, pinned: bool, unloads_in_seconds: float | None
) -> None:
    status = status_of(replace(USED, keep_alive_seconds=keep_alive_seconds, pinned=pinned))

    assert (status.idle_seconds, status.pinned) == (60, pinned)
    assert status.unloads_in_seconds == unloads_in_seconds


@pytest.mark.parametrize(
    ("state", "retry_at", "seconds"),
    [
        (ModelState.BACKOFF, NOW + 30, 30),
        (ModelState.BACKOFF, NOW - 1, 0),
        (ModelState.BACKOFF, inf, None),
        (ModelState.READY, NOW + 30, None),
    ],
)
def test_a_failed_model_says_when_it_is_tried_again_and_why_it_failed(
    state: ModelState, retry_at: float, seconds: float | None
) -> None:
    status = status_of(replace(USED, state=state, retry_at=retry_at, error="broke"), worker=None)

    assert (status.retry_in_seconds, status.error, status.footprint_bytes) == (seconds, "broke", 0)


def test_the_reason_that_files_cannot_be_used_goes_before_the_last_failure() -> None:
    broken = ModelInfo(broken_reason="config.json is missing")

    assert status_of(replace(USED, error="broke"), info=broken).error == "config.json is missing"


@pytest.mark.parametrize(
    ("model", "granted_at", "state"),
    [
        (None, None, "queued"),
        (USED, None, "queued"),
        (replace(USED, state=ModelState.STARTING), None, "loading"),
        (USED, NOW, "running"),
        (replace(USED, state=ModelState.STARTING), NOW, "running"),
    ],
)
def test_a_request_is_queued_loading_or_running(model: ModelView | None, granted_at: float | None, state: str) -> None:
    assert request_status(replace(REQUEST, granted_at=granted_at), model, NOW) == JobStatus(
        id=7,
        model="m",
        task=Task.TEXT,
        client="ann",
        state=state,
        position=2,
        stage="tokens",
        done=3,
        total=10,
        age_seconds=9,
        reason="m is busy",
    )


def test_the_memory_is_that_of_all_workers_the_spare_one_and_the_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_bytes", lambda: 400)
    monkeypatch.setattr(memory, "total_bytes", lambda: 1600)
    monkeypatch.setattr(memory, "footprint_bytes", lambda pid: 50 if pid == os.getpid() else 0)

    assert memory_status(VIEW) == MemoryStatus(
        budget_bytes=1000,
        charged_bytes=110,
        footprint_bytes=155,
        available_bytes=400,
        daemon_bytes=50,
        spare_engine="mlx-lm",
        spare_is_ready=True,
        spare_bytes=5,
        total_bytes=1600,
        other_bytes=995,
        evictable_bytes=0,
    )


@pytest.mark.parametrize("is_closing", [True, False])
def test_the_status_accepts_requests_until_the_runtime_closes(is_closing: bool) -> None:
    view = replace(VIEW, is_closing=is_closing)

    status = render_status(view, [(TEXT, INFO)], version="1.2", uptime_seconds=5, now=NOW)

    assert (status.version, status.pid, status.uptime_seconds) == ("1.2", os.getpid(), 5)
    assert status.accepting is not is_closing
    assert status.models == (model_status(TEXT, INFO, view, NOW),)
    assert status.jobs == (request_status(REQUEST, USED, NOW),)
    assert status.counters is COUNTERS
