"""Watchdog: once a second, find stuck requests and workers and decide how to end them.

`check` is pure, like the scheduler: a view in, actions out. The supervisor performs the actions.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from model_runtime.catalog.catalog import has_apple_gpu
from model_runtime.requests import Task
from model_runtime.supervisor.pressure import Pressure
from model_runtime.supervisor.views import MachineView, ModelView, RequestView, SupervisorView, WorkerView

STALL_SECONDS: Mapping[Task, float] = MappingProxyType(
    {
        Task.VISION: 60.0,
        Task.TEXT: 60.0,
        Task.SPEECH: 60.0,
        Task.TRANSCRIPTION: 180.0,
        Task.IMAGE: 300.0,
        Task.EMBEDDING: 60.0,
    }
)
"""Longest time without progress on an Apple GPU, in seconds."""

CPU_FACTOR = 5.0
"""How many times as long a step may take without an Apple GPU: ten seconds of Kokoro's speech take 20 seconds of two
processors that are free, and minutes of busy ones."""

SLEEP_SECONDS = 5.0
"""A check this long after the last one, by the runtime's clock or by the wall clock, means that the machine slept, so
that no worker can be blamed for silence. `time.monotonic` stops while macOS or Linux sleeps and the wall clock goes on;
in a virtual machine that was paused both go on. A wall clock that is set forward looks the same and does no harm."""

SETTLE_SECONDS = 3.0
"""How long a worker must be idle before its memory is reported: a finished request's memory is freed by then."""

SETTLE_SHARE = 0.02
"""A change of a worker's memory by a smaller share is not reported."""

SAVE_STATS_SECONDS = 10.0
"""Interval between two saves of the models' statistics."""


def stall_seconds() -> Mapping[Task, float]:
    """Return the longest time without progress on this machine, in seconds."""
    factor = 1.0 if has_apple_gpu() else CPU_FACTOR
    return {task: seconds * factor for task, seconds in STALL_SECONDS.items()}


@dataclass(frozen=True, slots=True)
class WatchdogLimits:
    """Timeouts in seconds."""

    heartbeat_seconds: float = 15.0
    """For a worker that neither sends a message nor computes."""
    stall_seconds: Mapping[Task, float] = field(default_factory=stall_seconds)
    """For a running request without progress."""
    cancel_seconds: float = 10.0
    """For a worker that still runs a cancelled request while other requests wait."""
    uncontended_cancel_seconds: float = 60.0
    """The same while no request waits: reloading the model costs more than waiting."""
    slow_consumer_seconds: float = 60.0
    """For a caller that does not read while its output queue is full."""
    warning_seconds: float = 10.0
    """How long the system must warn of short memory before models are unloaded: many warnings end by themselves."""


@dataclass(frozen=True, slots=True)
class ResetTimers:
    """Restart the timers of all workers and requests: the machine slept, `skipped_seconds` of them by our clock."""

    skipped_seconds: float


@dataclass(frozen=True, slots=True)
class EndUnread:
    """Cancel a request whose caller has not read for `seconds`."""

    request_id: int
    seconds: float


@dataclass(frozen=True, slots=True)
class EndStalled:
    """Fail a request without progress for `seconds`, and kill its worker."""

    request_id: int
    seconds: float


@dataclass(frozen=True, slots=True)
class KillWorker:
    """Kill a worker; `cause` is a clause for users and the log."""

    model: str
    incarnation: int
    cause: str


@dataclass(frozen=True, slots=True)
class ReportFootprint:
    """Report the measured memory of an idle worker to the scheduler, which charges it."""

    model: str
    incarnation: int
    footprint_bytes: int


@dataclass(frozen=True, slots=True)
class SaveStats:
    """Save the statistics of the models."""


@dataclass(frozen=True, slots=True)
class StopSpare:
    """Stop the spare worker: the machine is short of memory or saves energy."""


@dataclass(frozen=True, slots=True)
class RelievePressure:
    """Unload idle models: the machine is short of memory."""

    is_critical: bool


@dataclass(frozen=True, slots=True)
class Prewarm:
    """Prepare a spare worker for the model that is likely loaded next."""


@dataclass(frozen=True, slots=True)
class ReleaseMemory:
    """Return the daemon's unused memory to the system: no request is open."""


WatchdogAction = (
    ResetTimers
    | EndUnread
    | EndStalled
    | KillWorker
    | ReportFootprint
    | SaveStats
    | StopSpare
    | RelievePressure
    | Prewarm
    | ReleaseMemory
)


def check(view: SupervisorView, machine: MachineView, limits: WatchdogLimits, now: float) -> list[WatchdogAction]:
    """Return the actions to perform now, in seconds of the runtime's clock."""
    skipped_seconds = now - view.upkeep.checked_at
    if max(skipped_seconds, machine.wall_seconds - view.upkeep.wall_checked_at) > SLEEP_SECONDS:
        return [ResetTimers(max(skipped_seconds, 0.0))]
    return [
        *_unread(view, limits, now),
        *_stalled(view, limits, now),
        *_silent(view, limits, now),
        *_ignoring_cancel(view, limits, now),
        *_changed_footprints(view, now),
        *_relief(machine, limits, now),
        *_upkeep(view, machine, now),
    ]


def _unread(view: SupervisorView, limits: WatchdogLimits, now: float) -> Iterator[EndUnread]:
    """Yield an end for each request whose caller does not read."""
    for request in view.requests:
        since = request.queue_full_since
        if since is not None and now - since >= limits.slow_consumer_seconds:
            yield EndUnread(request.id, limits.slow_consumer_seconds)


def _stalled(view: SupervisorView, limits: WatchdogLimits, now: float) -> Iterator[EndStalled]:
    """Yield an end for each running request without progress, unless its worker waits for a slow caller."""
    for request in view.requests:
        seconds = limits.stall_seconds[request.task]
        if request.granted_at is None or _is_paused(view, request):
            continue
        if now - request.last_progress_at >= seconds:
            yield EndStalled(request.id, seconds)


def _is_paused(view: SupervisorView, request: RequestView) -> bool:
    worker = view.workers.get(request.model)
    return worker is not None and worker.is_paused


def _silent(view: SupervisorView, limits: WatchdogLimits, now: float) -> Iterator[KillWorker]:
    """Yield a kill for each worker that sends no messages and does not compute.

    On a busy machine a heartbeat may be late while a library holds the interpreter. A worker that computes for ever is
    found by its request, which makes no progress.
    """
    for worker in view.workers.values():
        alive_at = max(worker.last_message_at, worker.last_computed_at)
        if not worker.is_paused and now - alive_at >= limits.heartbeat_seconds:
            yield _kill(worker, f"the worker sent no heartbeat for {limits.heartbeat_seconds:.0f} s")


def _ignoring_cancel(view: SupervisorView, limits: WatchdogLimits, now: float) -> Iterator[KillWorker]:
    """Yield a kill for each worker that still runs a cancelled request."""
    is_contended = any(request.granted_at is None for request in view.requests)
    seconds = limits.cancel_seconds if is_contended else limits.uncontended_cancel_seconds
    for worker in view.workers.values():
        since = worker.oldest_cancel_at
        if since is not None and now - since >= seconds:
            yield _kill(worker, f"the worker still ran a cancelled request after {seconds:.0f} s")


def _kill(worker: WorkerView, cause: str) -> KillWorker:
    return KillWorker(worker.model, worker.incarnation, cause)


def _changed_footprints(view: SupervisorView, now: float) -> Iterator[ReportFootprint]:
    """Yield a report for each idle worker whose memory, with caches and leaks, differs from what is charged."""
    for worker in view.workers.values():
        model = view.models[worker.model]
        if not worker.footprint_bytes or not _is_settled(model, now):
            continue
        if abs(worker.footprint_bytes - model.resident_bytes) > SETTLE_SHARE * model.resident_bytes:
            yield ReportFootprint(worker.model, worker.incarnation, worker.footprint_bytes)


def _is_settled(model: ModelView, now: float) -> bool:
    return model.idle_since is not None and now - model.idle_since >= SETTLE_SECONDS


def _relief(machine: MachineView, limits: WatchdogLimits, now: float) -> Iterator[RelievePressure]:
    """Yield a relief at once in a critical shortage, and after a while of a warning."""
    pressure = machine.pressure
    is_lasting = now - pressure.since >= limits.warning_seconds
    if pressure.level is Pressure.CRITICAL or (pressure.level is Pressure.WARNING and is_lasting):
        yield RelievePressure(is_critical=pressure.level is Pressure.CRITICAL)


def _upkeep(view: SupervisorView, machine: MachineView, now: float) -> Iterator[WatchdogAction]:
    """Yield the recurring work: statistics, the spare worker, the daemon's own memory."""
    if now - view.upkeep.stats_saved_at >= SAVE_STATS_SECONDS:
        yield SaveStats()
    if machine.pressure.level is Pressure.NORMAL and not machine.saves_energy:
        yield Prewarm()
    elif view.spare.engine:
        yield StopSpare()
    if not view.requests and view.finished_count != view.upkeep.memory_released_after:
        yield ReleaseMemory()
