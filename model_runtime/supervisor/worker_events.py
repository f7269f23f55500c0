"""What workers report, turned into answers for callers and events for the scheduler."""

import logging
from collections.abc import Callable

from model_runtime.errors import SensesError
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
from model_runtime.supervisor import memory
from model_runtime.supervisor.counters import CounterRegistry
from model_runtime.supervisor.model_worker import LOAD_TIMEOUT, ModelWorker
from model_runtime.supervisor.request_table import RequestTable
from model_runtime.supervisor.scheduler_errors import worker_died
from model_runtime.supervisor.status_feed import StatusFeed
from model_runtime.supervisor.worker_pool import WorkerPool

log = logging.getLogger(__name__)


class WorkerEventHandler:
    """The `WorkerListener` of every worker. `dispatch` reports to the scheduler."""

    def __init__(
        self,
        requests: RequestTable,
        workers: WorkerPool,
        counters: CounterRegistry,
        clock: Callable[[], float],
        dispatch: Callable[[SchedulerEvent], None],
        feed: StatusFeed,
    ) -> None:
        self._requests = requests
        self._workers = workers
        self._counters = counters
        self._clock = clock
        self._dispatch = dispatch
        self._feed = feed

    def on_message(self, process: WorkerProcess, message: WorkerMessage) -> None:
        """A worker sent a message; one from a process that was replaced changes nothing."""
        worker = self._workers.workers.get(process.name)
        if worker is None or worker.process is not process:
            return
        worker.last_message_at = now = self._clock()
        match message:
            case RequestOutput(request_id, event):  # the hot path: once per token
                request = self._requests.active.get(request_id)
                if request is None:
                    return
                request.deliver(event, now)
                if request.queue_full_since is not None and not worker.is_paused:
                    worker.is_paused = True
                    process.pause_reading()
                if self._feed.watcher_count:
                    self._feed.notify()
            case RequestOutcome():
                self._on_outcome(worker, message)
            case Heartbeat():
                self._on_heartbeat(worker, message)
            case LoadProgress():
                self._on_load_progress(worker, message)
            case Ready():
                self._on_ready(worker, message)
            case LoadError(error, permanent):
                worker.load_error, worker.is_permanent = error.message, permanent
            case Hello() | Preloaded() | GpuProbed():
                pass

    def on_disconnect(self, process: WorkerProcess, cause: str) -> None:
        """A worker sends no more messages: its callers learn the cause at once."""
        worker = self._workers.by_process(process)
        for request in self._requests.running_on(worker) if worker is not None else ():
            if request.has_output or request.was_retried or process.stop_requested:
                self._requests.fail(request, worker_died(process.name, cause))

    def on_exit(self, process: WorkerProcess, cause: str) -> None:
        """A process was reaped: its memory is back."""
        worker = self._workers.by_process(process)
        if worker is None:
            return
        self._workers.remove(process)
        cause = worker.load_error or cause
        log.info("The worker of %s has exited: %s", process.name, cause)
        if worker.loaded_at is None and worker.unload_reason in ("", LOAD_TIMEOUT):
            self._counters.count_failed_load(process.name)
        retriable = self._requests.running_on(worker)
        for request in retriable:
            request.requeue()
        self._dispatch(
            WorkerExited(
                process.name,
                process.incarnation,
                cause,
                permanent=worker.is_permanent,
                oom_suspected=process.oom_suspected,
                retriable=frozenset(request.id for request in retriable),
            )
        )

    def _on_outcome(self, worker: ModelWorker, message: RequestOutcome) -> None:
        worker.cancelled_at.pop(message.request_id, None)
        request, outcome = self._requests.active.get(message.request_id), message.outcome
        if request is not None and isinstance(outcome, SensesError):
            self._requests.fail(request, outcome)
        elif request is not None and isinstance(outcome, Result):
            self._requests.finish(request, outcome)
        is_ok = isinstance(outcome, Result)
        self._dispatch(RequestFinished(message.request_id, worker.model.name, worker.incarnation, is_ok))

    def _on_heartbeat(self, worker: ModelWorker, heartbeat: Heartbeat) -> None:
        if heartbeat.progress_count == worker.progress_count:
            return
        worker.progress_count = heartbeat.progress_count
        for request in self._requests.running_on(worker):
            request.last_progress_at = worker.last_message_at

    def _on_load_progress(self, worker: ModelWorker, progress: LoadProgress) -> None:
        worker.stage, worker.fraction = progress.stage, progress.fraction
        self._requests.notify_loading(worker)
        self._dispatch(LoadProgressed(worker.model.name, worker.incarnation))

    def _on_ready(self, worker: ModelWorker, ready: Ready) -> None:
        worker.loaded_at, worker.fraction = self._clock(), 1.0
        self._workers.measure()
        claimed = ready.loaded.active_bytes if ready.loaded.active_bytes <= memory.total_bytes() else 0
        measured = max(worker.footprint_bytes, claimed, 1)
        seconds = worker.loaded_at - worker.started_at
        log.info("%s is ready after %.1f s with %.2f GB", worker.model.name, seconds, measured / 1e9)
        self._counters.count_load(worker.model.name, seconds)
        self._dispatch(ModelLoaded(worker.model.name, worker.incarnation, measured))
