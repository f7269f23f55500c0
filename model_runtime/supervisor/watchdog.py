"""Watchdog: once a second, find stuck requests and workers and say how to end them.

`check` is pure, like the scheduler: a view in, actions out. The supervisor carries the actions out.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from model_runtime.requests import Task
from model_runtime.supervisor.views import ModelView, RequestView, SupervisorView, WorkerView

STALL_SECONDS: Mapping[Task, float] = MappingProxyType(
    {Task.VISION: 60.0, Task.TEXT: 60.0, Task.SPEECH: 60.0, Task.TRANSCRIPTION: 180.0, Task.IMAGE: 300.0}
)

SLEEP_SECONDS = 5.0
"""A check that comes so late shows that the machine was asleep: silence during that time means nothing."""

SETTLE_SECONDS = 3.0
"""How long after its last request the memory of an idle worker counts as what it holds."""

SETTLE_SHARE = 0.02
"""A smaller change of a worker's memory is not reported."""

SAVE_STATS_SECONDS = 10.0
"""How often the statistics of the models are saved."""


@dataclass(frozen=True, slots=True)
class WatchdogLimits:
    """How long silence is tolerated, in seconds."""

    heartbeat_seconds: float = 15.0
    """A worker that sends no message."""
    stall_seconds: Mapping[Task, float] = field(default_factory=lambda: STALL_SECONDS)
    """A request that makes no progress."""
    cancel_seconds: float = 10.0
    """A worker that goes on with a cancelled request while other requests wait."""
    uncontended_cancel_seconds: float = 60.0
    """The same while no request waits: reloading the model costs more than waiting."""
    slow_consumer_seconds: float = 60.0
    """A caller that does not read while its output queue is full."""


@dataclass(frozen=True, slots=True)
class ResetTimers:
    """Forgive all silence until now: the machine was asleep."""


@dataclass(frozen=True, slots=True)
class EndUnread:
    """Cancel a request whose caller has not read for `seconds`."""

    request_id: int
    seconds: float


@dataclass(frozen=True, slots=True)
class EndStalled:
    """Fail a request that has made no progress for `seconds`, and kill its worker."""

    request_id: int
    seconds: float


@dataclass(frozen=True, slots=True)
class KillWorker:
    """Kill a worker; `cause` is a clause about it for callers and the log."""

    model: str
    incarnation: int
    cause: str


@dataclass(frozen=True, slots=True)
class ReportFootprint:
    """Let the scheduler charge what an idle worker really holds."""

    model: str
    incarnation: int
    footprint_bytes: int


@dataclass(frozen=True, slots=True)
class SaveStats:
    """Save the statistics of the models."""


@dataclass(frozen=True, slots=True)
class StopSpare:
    """Stop the spare worker: the machine is short of memory."""


@dataclass(frozen=True, slots=True)
class RelievePressure:
    """Unload an idle model: the machine is short of memory."""


@dataclass(frozen=True, slots=True)
class Prewarm:
    """Start a spare worker for the model that is likely next."""


@dataclass(frozen=True, slots=True)
class ReleaseMemory:
    """Give back to the system what finished calls left in the daemon: nothing runs now."""


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


def check(
    view: SupervisorView, limits: WatchdogLimits, now: float, *, is_under_pressure: bool = False
) -> list[WatchdogAction]:
    """Return what is to be done now; `is_under_pressure` says that the machine is short of memory."""
    if now - view.upkeep.checked_at > SLEEP_SECONDS:
        return [ResetTimers()]
    return [
        *_unread(view, limits, now),
        *_stalled(view, limits, now),
        *_silent(view, limits, now),
        *_ignoring_cancel(view, limits, now),
        *_changed_footprints(view, now),
        *_upkeep(view, now, is_under_pressure=is_under_pressure),
    ]


def _unread(view: SupervisorView, limits: WatchdogLimits, now: float) -> Iterator[EndUnread]:
    """Requests whose caller does not read."""
    for request in view.requests:
        since = request.queue_full_since
        if since is not None and now - since >= limits.slow_consumer_seconds:
            yield EndUnread(request.id, limits.slow_consumer_seconds)


def _stalled(view: SupervisorView, limits: WatchdogLimits, now: float) -> Iterator[EndStalled]:
    """Running requests without progress; a paused worker waits for a slow caller."""
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
    """Workers that send no messages any more."""
    for worker in view.workers.values():
        if not worker.is_paused and now - worker.last_message_at >= limits.heartbeat_seconds:
            yield _kill(worker, f"the worker sent no heartbeat for {limits.heartbeat_seconds:.0f} s")


def _ignoring_cancel(view: SupervisorView, limits: WatchdogLimits, now: float) -> Iterator[KillWorker]:
    """Workers that go on with a cancelled request."""
    is_contended = any(request.granted_at is None for request in view.requests)
    seconds = limits.cancel_seconds if is_contended else limits.uncontended_cancel_seconds
    for worker in view.workers.values():
        since = worker.oldest_cancel_at
        if since is not None and now - since >= seconds:
            yield _kill(worker, f"the worker went on with a cancelled request for {seconds:.0f} s")


def _kill(worker: WorkerView, cause: str) -> KillWorker:
    return KillWorker(worker.model, worker.incarnation, cause)


def _changed_footprints(view: SupervisorView, now: float) -> Iterator[ReportFootprint]:
    """Idle workers that hold more or less than is charged: caches and leaks count, a finished request's memory not."""
    for worker in view.workers.values():
        model = view.models[worker.model]
        if not worker.footprint_bytes or not _is_settled(model, now):
            continue
        if abs(worker.footprint_bytes - model.resident_bytes) > SETTLE_SHARE * model.resident_bytes:
            yield ReportFootprint(worker.model, worker.incarnation, worker.footprint_bytes)


def _is_settled(model: ModelView, now: float) -> bool:
    return model.idle_since is not None and now - model.idle_since >= SETTLE_SECONDS


def _upkeep(view: SupervisorView, now: float, *, is_under_pressure: bool) -> Iterator[WatchdogAction]:
    """Recurring work: statistics, the machine's memory, the daemon's own memory."""
    if now - view.upkeep.stats_saved_at >= SAVE_STATS_SECONDS:
        yield SaveStats()
    if not is_under_pressure:
        yield Prewarm()
    else:
        yield StopSpare() if view.spare.engine else RelievePressure()
    if not view.requests and view.finished_count != view.upkeep.memory_released_after:
        yield ReleaseMemory()
