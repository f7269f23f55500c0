"""Performs the watchdog's actions and records when the recurring work was last done."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from model_runtime.catalog.model import Model
from model_runtime.errors import Cancelled, JobStalled, SensesError
from model_runtime.scheduler.core import Scheduler
from model_runtime.scheduler.messages import MemoryMeasured, MemoryPressure, SchedulerEvent, TimeSkipped
from model_runtime.scheduler.model_record import CHARGED_STATES
from model_runtime.status import ModelState
from model_runtime.supervisor.active_request import ActiveRequest
from model_runtime.supervisor.model_stats import ModelStatsStore
from model_runtime.supervisor.prewarmer import Prewarmer
from model_runtime.supervisor.request_table import RequestTable
from model_runtime.supervisor.usage_log import UsageLog
from model_runtime.supervisor.views import UpkeepView
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
    WatchdogAction,
)
from model_runtime.supervisor.worker_pool import WorkerPool

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Upkeep:
    """`dispatch` reports to the scheduler; `fail` answers a request with an error and ends its work."""

    scheduler: Scheduler
    requests: RequestTable
    pool: WorkerPool
    prewarmer: Prewarmer
    models: Mapping[str, Model]
    model_stats: ModelStatsStore
    usage_log: UsageLog
    clock: Callable[[], float]
    wall_clock: Callable[[], float]
    dispatch: Callable[[SchedulerEvent], None]
    fail: Callable[[ActiveRequest, SensesError], None]
    view: UpkeepView

    def perform(self, actions: Iterable[WatchdogAction]) -> None:
        """Perform the actions of a check without waiting for their effect, and record the time of the check."""
        for action in actions:
            self._perform(action)
        self.view = replace(self.view, checked_at=self.clock(), wall_checked_at=self.wall_clock())

    def _perform(self, action: WatchdogAction) -> None:
        match action:
            case ResetTimers(skipped_seconds):
                self._reset_timers()
                self.dispatch(TimeSkipped(skipped_seconds))
            case EndUnread(request_id, seconds):
                self._end_unread(request_id, seconds)
            case EndStalled(request_id, seconds):
                self._end_stalled(request_id, seconds)
            case KillWorker(model, incarnation, cause):
                self._kill(model, incarnation, cause)
            case ReportFootprint(model, incarnation, footprint_bytes):
                self.dispatch(MemoryMeasured(model, incarnation, footprint_bytes))
            case SaveStats():
                self.save_stats()
            case StopSpare():
                self.pool.spare.stop()
            case RelievePressure(is_critical):
                self.dispatch(MemoryPressure(is_critical))
            case Prewarm():
                self._prewarm()
            case ReleaseMemory():  # the runtime does it, in a thread
                self.view = replace(self.view, memory_released_after=self.requests.finished_count)

    def save_stats(self) -> None:
        """Write the measurements of the loaded models and the log of requests to disk."""
        self.view = replace(self.view, stats_saved_at=self.clock())
        for name, model in self.models.items():
            record = self.scheduler.records[name]
            if record.state is ModelState.READY:
                self.model_stats.record(model, record)
        self.model_stats.save()
        self.usage_log.save()

    def _reset_timers(self) -> None:
        now = self.clock()
        for worker in self.pool.workers.values():
            worker.last_message_at = now
        for request in self.requests.active.values():
            request.last_progress_at = now

    def _end_unread(self, request_id: int, seconds: float) -> None:
        request = self.requests.active.get(request_id)
        if request is None:
            return
        request.outputs.clear()
        why = f"The output was not read for {seconds:.0f} s, so the request was cancelled. Send it again and read its output."
        self.fail(request, Cancelled(why))

    def _end_stalled(self, request_id: int, seconds: float) -> None:
        request = self.requests.active.get(request_id)
        if request is None:
            return
        model, cause = request.model.name, f"a request made no progress for {seconds:.0f} s"
        why = f"{model} was stopped: {cause}. Try again with a smaller request."
        self.requests.fail(request, JobStalled(why))
        self._kill(model, request.incarnation, cause)

    def _kill(self, model: str, incarnation: int, cause: str) -> None:
        worker = self.pool.by_incarnation(model, incarnation)
        if worker is not None:
            worker.process.kill(cause)

    def _prewarm(self) -> None:
        """Prepare a spare worker, unless a request is open or a model is loading: they need the processor."""
        records = self.scheduler.records
        is_loading = ModelState.STARTING in [record.state for record in records.values()]
        if not (self.requests.active or is_loading or self.scheduler.closing):
            resident = frozenset([name for name, record in records.items() if record.state in CHARGED_STATES])
            self.prewarmer.prepare(resident, self.scheduler.free_bytes)
