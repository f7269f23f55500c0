"""Turns the messages and exits of workers into answers for callers and events for the scheduler."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from model_runtime.errors import OutOfMemory, SensesError
from model_runtime.events import Result
from model_runtime.ipc.messages import (
    GpuProbed,
    Heartbeat,
    Hello,
    LoadError,
    LoadProgress,
    Preloaded,
    Ready,
    RequestOutcome,
    RequestOutput,
    WorkerMessage,
)
from model_runtime.process.process import WorkerProcess
from model_runtime.scheduler.messages import LoadProgressed, ModelLoaded, RequestFinished, SchedulerEvent, WorkerExited
from model_runtime.sizes import format_bytes
from model_runtime.supervisor import memory
from model_runtime.supervisor.active_request import ActiveRequest
from model_runtime.supervisor.counters import CounterRegistry
from model_runtime.supervisor.model_worker import LOAD_TIMEOUT, ModelWorker
from model_runtime.supervisor.request_table import RequestTable
from model_runtime.supervisor.scheduler_errors import worker_died
from model_runtime.supervisor.status_feed import StatusFeed
from model_runtime.supervisor.worker_pool import WorkerPool

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class WorkerEventHandler:
    """The `WorkerListener` of every worker. `dispatch` reports to the scheduler."""

    requests: RequestTable
    pool: WorkerPool
    counters: CounterRegistry
    clock: Callable[[], float]
    dispatch: Callable[[SchedulerEvent], None]
    feed: StatusFeed

    def on_message(self, process: WorkerProcess, message: WorkerMessage) -> None:
        """Handle a message; one of a process that was replaced changes nothing."""
        worker = self.pool.workers.get(process.name)
        if worker is None or worker.process is not process:
            return
        worker.last_message_at = now = self.clock()
        match message:
            case RequestOutput(request_id, event):  # the hot path: once per token
                request = self.requests.active.get(request_id)
                if request is None:
                    return
                request.deliver(event, now)
                if request.queue_full_since is not None and not worker.is_paused:
                    worker.is_paused = True
                    process.pause_reading()
                if self.feed.watcher_count:  # saves a call for each token
                    self.feed.notify()
            case RequestOutcome():
                self._on_outcome(worker, message)
            case Heartbeat():
                self._on_heartbeat(worker, message)
            case LoadProgress():
                self._on_load_progress(worker, message)
            case Ready():
                self._on_ready(worker, message)
            case LoadError(error, permanent):
                worker.error, worker.is_permanent = error, permanent
            case Hello() | Preloaded() | GpuProbed():
                pass

    def resume_reading(self, request: ActiveRequest) -> None:
        """Read from the request's worker again, unless the output queue of another of its requests is full."""
        request.queue_full_since = None
        worker = self.pool.by_incarnation(request.model.name, request.incarnation)
        if worker is None or not worker.is_paused:
            return
        running = self.requests.running_on(worker)
        if any(other.queue_full_since is not None for other in running):
            return
        worker.is_paused, worker.last_message_at = False, self.clock()
        for other in running:
            other.last_progress_at = worker.last_message_at
        worker.process.resume_reading()

    def on_disconnect(self, process: WorkerProcess, cause: str) -> None:
        """Fail the running requests at once, except those that another worker can run again from the start."""
        worker = self.pool.by_process(process)
        if worker is None:
            return
        error = worker.error if worker.is_out_of_memory and worker.error else worker_died(process.name, cause)
        for request in self.requests.running_on(worker):
            was_answered = request.has_result if worker.is_out_of_memory else request.has_output
            if was_answered or request.was_retried or process.stop_requested:
                self.requests.fail(request, error)

    def on_exit(self, process: WorkerProcess, cause: str) -> None:
        """Report the reaped process to the scheduler: its memory is free."""
        worker = self.pool.by_process(process)
        if worker is None:
            return
        self.pool.remove(process)
        cause = worker.error.message if worker.error else cause
        log.info("The worker of %s has exited: %s", process.name, cause)
        if worker.loaded_at is None and worker.unload_reason in ("", LOAD_TIMEOUT):
            self.counters.count_failed_load(process.name)
        retriable = self.requests.running_on(worker)
        for request in retriable:
            request.requeue()
        self.dispatch(
            WorkerExited(
                process.name,
                process.incarnation,
                cause,
                permanent=worker.is_permanent,
                oom_suspected=process.oom_suspected or worker.is_out_of_memory,
                out_of_memory=worker.is_out_of_memory,
                retriable=frozenset(request.id for request in retriable),
            )
        )

    def _on_outcome(self, worker: ModelWorker, message: RequestOutcome) -> None:
        request, outcome = self.requests.active.get(message.request_id), message.outcome
        if isinstance(outcome, OutOfMemory):  # the worker exits; then the request is answered or runs once more
            worker.error = outcome
            return
        worker.cancelled_at.pop(message.request_id, None)
        if request is not None and isinstance(outcome, SensesError):
            self.requests.fail(request, outcome)
        elif request is not None and isinstance(outcome, Result):
            self.requests.finish(request, outcome)
        is_ok = isinstance(outcome, Result)
        self.dispatch(RequestFinished(message.request_id, worker.model.name, worker.incarnation, is_ok))

    def _on_heartbeat(self, worker: ModelWorker, heartbeat: Heartbeat) -> None:
        if heartbeat.progress_count == worker.progress_count:
            return
        worker.progress_count = heartbeat.progress_count
        for request in self.requests.running_on(worker):
            request.last_progress_at = worker.last_message_at

    def _on_load_progress(self, worker: ModelWorker, progress: LoadProgress) -> None:
        worker.stage, worker.fraction = progress.stage, progress.fraction
        self.requests.notify_loading(worker)
        self.dispatch(LoadProgressed(worker.model.name, worker.incarnation))

    def _on_ready(self, worker: ModelWorker, ready: Ready) -> None:
        worker.loaded_at, worker.fraction = self.clock(), 1.0
        self.pool.measure()
        reported_bytes = ready.loaded.active_bytes
        if reported_bytes > memory.total_bytes():
            reported_bytes = 0  # cannot be true: it would make the model too large for every budget
        measured_bytes = max(worker.footprint_bytes, reported_bytes, 1)
        seconds = worker.loaded_at - worker.started_at
        log.info("%s is loaded after %.1f s and holds %s", worker.model.name, seconds, format_bytes(measured_bytes))
        self.counters.count_load(worker.model.name, seconds)
        self.dispatch(ModelLoaded(worker.model.name, worker.incarnation, measured_bytes))
