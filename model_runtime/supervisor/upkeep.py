"""Carries out what the watchdog decides, and remembers when its recurring work was last done."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from model_runtime.catalog.model import Model
from model_runtime.errors import Cancelled, JobStalled, SensesError
from model_runtime.scheduler.core import Scheduler
from model_runtime.scheduler.messages import MemoryMeasured, MemoryPressure, SchedulerEvent
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


class Upkeep:
    """`dispatch` reports to the scheduler; `fail` answers a request with an error and ends its work."""

    def __init__(
        self,
        scheduler: Scheduler,
        requests: RequestTable,
        pool: WorkerPool,
        prewarmer: Prewarmer,
        models: Mapping[str, Model],
        model_stats: ModelStatsStore,
        usage_log: UsageLog,
        clock: Callable[[], float],
        dispatch: Callable[[SchedulerEvent], None],
        fail: Callable[[ActiveRequest, SensesError], None],
    ) -> None:
        self._scheduler = scheduler
        self._requests = requests
        self._pool = pool
        self._prewarmer = prewarmer
        self._models = models
        self._model_stats = model_stats
        self._usage_log = usage_log
        self._clock = clock
        self._dispatch = dispatch
        self._fail = fail
        self.view = UpkeepView(checked_at=clock(), stats_saved_at=clock())

    def perform(self, actions: Iterable[WatchdogAction]) -> None:
        """Carry out what a check decided, without waiting, and note the time of the check."""
        for action in actions:
            self._perform(action)
        self.view = replace(self.view, checked_at=self._clock())

    def _perform(self, action: WatchdogAction) -> None:
        match action:
            case ResetTimers():
                self._reset_timers()
            case EndUnread(request_id, seconds):
                self._end_unread(request_id, seconds)
            case EndStalled(request_id, seconds):
                self._end_stalled(request_id, seconds)
            case KillWorker(model, incarnation, cause):
                self._kill(model, incarnation, cause)
            case ReportFootprint(model, incarnation, footprint_bytes):
                self._dispatch(MemoryMeasured(model, incarnation, footprint_bytes))
            case SaveStats():
                self.save_stats()
            case StopSpare():
                self._pool.spare.stop()
            case RelievePressure():
                self._dispatch(MemoryPressure())
            case Prewarm():
                self._prewarm()
            case ReleaseMemory():
                self.view = replace(self.view, memory_released_after=self._requests.finished_count)

    def save_stats(self) -> None:
        """Save what was measured of the models, and which of them were requested."""
        self.view = replace(self.view, stats_saved_at=self._clock())
        for name, model in self._models.items():
            record = self._scheduler.records[name]
            if record.state is ModelState.READY:
                self._model_stats.record(model, record)
        self._model_stats.save()
        self._usage_log.save()

    def _reset_timers(self) -> None:
        now = self._clock()
        for worker in self._pool.workers.values():
            worker.last_message_at = now
        for request in self._requests.active.values():
            request.last_progress_at = now

    def _end_unread(self, request_id: int, seconds: float) -> None:
        request = self._requests.active.get(request_id)
        if request is not None:
            request.outputs.clear()
            self._fail(request, Cancelled(f"The answer was not read for {seconds:.0f} s, so the work was ended."))

    def _end_stalled(self, request_id: int, seconds: float) -> None:
        request = self._requests.active.get(request_id)
        if request is None:
            return
        model, cause = request.model.name, f"a request made no progress for {seconds:.0f} s"
        why = f"{model} was stopped: {cause}. Try again, perhaps with less at once."
        self._requests.fail(request, JobStalled(why))
        self._kill(model, request.incarnation, cause)

    def _kill(self, model: str, incarnation: int, cause: str) -> None:
        worker = self._pool.by_incarnation(model, incarnation)
        if worker is not None:
            worker.process.kill(cause)

    def _prewarm(self) -> None:
        """Import the libraries of the model that is likely next, while nothing runs or loads."""
        records = self._scheduler.records.values()
        is_loading = any(record.state is ModelState.STARTING for record in records)
        if not (self._requests.active or is_loading or self._scheduler.closing):
            resident = frozenset(record.name for record in records if record.state in CHARGED_STATES)
            self._prewarmer.prepare(resident, self._scheduler.free_bytes)
