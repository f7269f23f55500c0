"""Carries out what the scheduler decides, and tells it what happens. All of it on the event loop, without waiting.

Everything that happens becomes a `SchedulerEvent`; every `Action` that comes back is performed at once. Callers are
answered by the requests, processes live in the pool.
"""

import logging
import time
from collections import deque
from collections.abc import Callable
from math import inf

from model_runtime.catalog.model import Model
from model_runtime.catalog.protocol import CatalogProtocol
from model_runtime.errors import ModelMissing, SensesError
from model_runtime.ipc.messages import Cancel
from model_runtime.process.process import StopTimeouts
from model_runtime.requests import Task
from model_runtime.scheduler.lanes import Lane
from model_runtime.scheduler.messages import (
    BudgetChanged,
    CancelRequest,
    Grant,
    RejectRequest,
    RequestArrived,
    RequestCancelled,
    RequestFinished,
    RetryRequested,
    SchedulerAction,
    SchedulerEvent,
    StartWorker,
    StopWorker,
    WorkerExited,
)
from model_runtime.scheduler.model_record import CHARGED_STATES, DEFAULT_LOAD_SECONDS, ModelSpec
from model_runtime.settings import Settings
from model_runtime.status import ModelState
from model_runtime.supervisor import memory
from model_runtime.supervisor.active_request import ActiveRequest
from model_runtime.supervisor.counters import CounterRegistry
from model_runtime.supervisor.model_stats import ModelStatsStore
from model_runtime.supervisor.model_worker import LOAD_TIMEOUT
from model_runtime.supervisor.prewarmer import Prewarmer
from model_runtime.supervisor.request_table import RequestTable
from model_runtime.supervisor.scheduler_errors import error_from_rejection
from model_runtime.supervisor.scheduler_factory import create_scheduler
from model_runtime.supervisor.status_feed import StatusFeed
from model_runtime.supervisor.usage_log import UsageLog, recent_models
from model_runtime.supervisor.worker_events import WorkerEventHandler
from model_runtime.supervisor.worker_pool import WorkerPool

IMAGE_QUEUE_TIMEOUT_FACTOR = 2.5
"""Pictures take long; a request for one may wait this much longer than others."""

log = logging.getLogger(__name__)


class Supervisor:
    """The one writer of scheduler, requests and pool."""

    def __init__(
        self,
        library: CatalogProtocol,
        settings: Settings,
        clock: Callable[[], float],
        patience: StopTimeouts,
        feed: StatusFeed,
    ) -> None:
        self.clock = clock
        self.counters = CounterRegistry()
        self.requests = RequestTable(clock, self.counters, self._on_queue_drained)
        self.workers = WorkerPool(library, clock, patience)
        self.scheduler = create_scheduler(settings)
        self._library = library
        self._settings = settings
        self._feed = feed
        self._models: dict[str, Model] = {}
        self._model_stats = ModelStatsStore(settings.folders.data)
        self._usage_log = UsageLog(settings.folders.data, time.time)
        self._prewarmer = Prewarmer(library, self.workers.spare, recent_models(settings.folders.data), clock)
        self._worker_events = WorkerEventHandler(
            self.requests, self.workers, self.counters, clock, self.dispatch, feed.notify
        )
        self._pending_events: deque[SchedulerEvent] = deque()
        self._is_handling = False

    # -- jobs ------------------------------------------------------------------------------------------------------

    def register(self, model: Model) -> None:
        """Let the scheduler know a model, from its first use on."""
        if model.name in self._models:
            return
        self._models[model.name] = model
        learned, stays = self._model_stats.get(model), model.keep_alive_seconds
        plan = ModelSpec(
            model.name,
            learned.needed_bytes if learned else self._library.needed_bytes(model),
            load_seconds=learned.load_seconds if learned else DEFAULT_LOAD_SECONDS,
            concurrency=model.concurrency,
            keep_alive_seconds=self._settings.idle_seconds if stays is None else stays,
            lane=Lane.HEAVY if model.heavy else Lane.LIGHT,
        )
        self.scheduler.add(plan)

    def enqueue(self, job: ActiveRequest, *, working_bytes: int = 0, keep_alive_seconds: float | None = None) -> None:
        """A job that was opened at the requests asks for its model.

        One that rests after failures is tried again where an operator asks for it; one that failed for good also where
        its files have changed.
        """
        self.register(job.model)
        if self._should_retry(job):
            self.dispatch(RetryRequested(job.model.name))
        self._usage_log.record(job.model.name)
        self._prewarmer.record_request(job.model.name)
        patience = self._settings.queue_seconds * (IMAGE_QUEUE_TIMEOUT_FACTOR if job.task is Task.IMAGE else 1.0)
        self.dispatch(
            RequestArrived(
                job.id,
                job.model.name,
                client=job.client,
                working_bytes=working_bytes,
                queue_timeout_seconds=patience,
                keep_alive_seconds=keep_alive_seconds,
                is_batch=job.is_batch,
            )
        )

    def _should_retry(self, job: ActiveRequest) -> bool:
        record = self.scheduler.records[job.model.name]
        if record.state is not ModelState.BACKOFF:
            return False
        return job.is_load or (record.retry_at == inf and self.workers.files_changed(job.model))

    def save_stats(self) -> None:
        """Keep what was learned about models, where there is anything new."""
        for name, model in self._models.items():
            record = self.scheduler.records[name]
            if record.state is ModelState.READY:
                self._model_stats.record(model, record)
        self._model_stats.save()
        self._usage_log.save()

    def prepare(self) -> None:
        """Import ahead what is likely to be loaded next, while nothing runs or loads."""
        records = self.scheduler.records.values()
        is_loading = any(record.state is ModelState.STARTING for record in records)
        if self._settings.spare and not (self.requests.active or is_loading or self.scheduler.closing):
            resident = {record.name for record in records if record.state in CHARGED_STATES}
            self._prewarmer.prepare(resident, self.scheduler.free_bytes)

    def set_gpu_limit(self, working_set_bytes: int) -> None:
        """Keep to what the GPU works well with."""
        budget = memory.budget_bytes(self._settings.budget_bytes, memory.total_bytes(), working_set_bytes)
        if budget < self.scheduler.budget_bytes:
            log.info("Models may take %.1f GB: 0.9 of what the system recommends for its GPU", budget / 1e9)
            self.dispatch(BudgetChanged(budget))

    def release(self, job: ActiveRequest) -> None:
        """The caller reads no more; where it has no answer yet, that ends the work."""
        if job.id in self.requests.active:
            self.requests.release(job)
            self._cancel(job)
        job.outputs.close()

    def fail(self, job: ActiveRequest, error: SensesError) -> None:
        """Answer a job with an error and end its work."""
        self.requests.fail(job, error)
        self._cancel(job)

    def _cancel(self, job: ActiveRequest) -> None:
        self.dispatch(RequestCancelled(job.id))
        self._resume_reading(job)

    def _on_queue_drained(self, job: ActiveRequest) -> None:
        job.queue_full_since = None
        self._resume_reading(job)

    def _resume_reading(self, job: ActiveRequest) -> None:
        """Listen to the job's process again unless another caller holds it back."""
        worker = self.workers.by_incarnation(job.model.name, job.incarnation)
        if worker is None or not worker.is_paused:
            return
        running = self.requests.running_on(worker)
        if not any(other.queue_full_since is not None for other in running):
            worker.is_paused, worker.last_message_at = False, self.clock()
            for other in running:
                other.last_progress_at = worker.last_message_at
            worker.process.resume_reading()

    # -- what the scheduler wants ----------------------------------------------------------------------------------

    def dispatch(self, event: SchedulerEvent) -> None:
        """Tell the scheduler and do what it wants; what happens meanwhile is told afterwards."""
        self._pending_events.append(event)
        if self._is_handling:
            return
        self._is_handling = True
        try:
            while self._pending_events:
                for action in self.scheduler.handle(self.clock(), self._pending_events.popleft()):
                    self._perform(action)
        finally:
            self._is_handling = False
        self._prewarmer.release_if_needed(self.scheduler.free_bytes)
        self._notify_positions()
        self._feed.notify()

    def _perform(self, action: SchedulerAction) -> None:
        match action:
            case StartWorker():
                self._start_worker(action)
            case StopWorker():
                self._stop_worker(action)
            case Grant():
                self._grant(action)
            case CancelRequest():
                self._cancel_running(action)
            case RejectRequest(request_id=number):
                job = self.requests.active.get(number)
                if job is not None:
                    self.requests.fail(job, error_from_rejection(action, job.model.name))

    def _start_worker(self, spawn: StartWorker) -> None:
        model = self._models[spawn.model]
        try:
            worker = self.workers.start(model, spawn.incarnation, self._worker_events)
        except (OSError, SensesError) as error:
            self.counters.count_failed_load(model.name)
            permanent = isinstance(error, ModelMissing)
            self.dispatch(WorkerExited(model.name, spawn.incarnation, str(error), permanent))
            return
        log.info("Loading %s (%.2f GB reserved)", model.name, spawn.reserved_bytes / 1e9)
        self.requests.notify_loading(worker)

    def _stop_worker(self, stop: StopWorker) -> None:
        worker = self.workers.by_incarnation(stop.model, stop.incarnation)
        if worker is None:
            return
        log.info("Unloading %s: %s", stop.model, stop.reason)
        worker.unload_reason = stop.reason
        self.counters.count_unload(stop.model, stop.reason)
        late = f"it showed no progress for {self._settings.load_seconds:.0f} s at {worker.stage!r}"
        worker.process.stop(late if stop.reason == LOAD_TIMEOUT else "")

    def _grant(self, grant: Grant) -> None:
        job, worker = (
            self.requests.active.get(grant.request_id),
            self.workers.by_incarnation(grant.model, grant.incarnation),
        )
        if job is None or worker is None:
            self.dispatch(RequestFinished(grant.request_id, grant.model, grant.incarnation, ok=False))
            return
        job.start(worker.incarnation, worker.loading_seconds(job.arrived_at), self.clock())
        if job.is_load:
            self.requests.finish_load(job)
            self.dispatch(RequestFinished(grant.request_id, grant.model, grant.incarnation))
        else:
            worker.process.send_parts(job.encoded_command)

    def _cancel_running(self, revoke: CancelRequest) -> None:
        worker = self.workers.by_incarnation(revoke.model, revoke.incarnation)
        if worker is not None:
            worker.cancelled_at[revoke.request_id] = self.clock()
            worker.process.send(Cancel(revoke.request_id))

    def _notify_positions(self) -> None:
        for job in self.requests.active.values():
            position = self.scheduler.position(job.id)
            if position and position != job.position:
                reason = self.scheduler.explain(job.model.name)
                if self.scheduler.records[job.model.name].state is not ModelState.STARTING:
                    log.info("Job %d waits at place %d: %s", job.id, position, reason)
                self.requests.notify_position(job, position, reason, self.workers.workers.get(job.model.name))
