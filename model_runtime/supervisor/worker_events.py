"""What worker processes report, turned into answers for callers and events for the scheduler."""

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
from model_runtime.supervisor.worker_pool import WorkerPool

log = logging.getLogger(__name__)


class WorkerEventHandler:
    """The `Owner` of every worker process. `happen` tells the scheduler, `changed` tells whoever watches."""

    def __init__(
        self,
        requests: RequestTable,
        workers: WorkerPool,
        counters: CounterRegistry,
        clock: Callable[[], float],
        dispatch: Callable[[SchedulerEvent], None],
        changed: Callable[[], None],
    ) -> None:
        self._requests = requests
        self._workers = workers
        self._counters = counters
        self._clock = clock
        self._dispatch = dispatch
        self._changed = changed

    def on_message(self, process: WorkerProcess, report: WorkerMessage) -> None:
        """A worker said something."""
        worker = self._workers.by_process(process)
        if worker is None:
            return
        worker.last_message_at = self._clock()
        match report:
            case RequestOutput():
                self._on_output(worker, report)
            case RequestOutcome():
                self._on_outcome(worker, report)
            case Heartbeat():
                self._on_heartbeat(worker, report)
            case LoadProgress(stage, fraction):
                worker.stage, worker.fraction = stage, fraction
                self._requests.notify_loading(worker)
                self._dispatch(LoadProgressed(process.name, process.incarnation))
            case Ready():
                self._on_ready(worker, report)
            case LoadError(error, permanent):
                worker.load_error, worker.is_permanent = error.message, permanent
            case Hello() | Preloaded() | GpuProbed():
                pass

    def on_disconnect(self, process: WorkerProcess, cause: str) -> None:
        """A worker will say nothing more: its callers learn why at once."""
        worker = self._workers.by_process(process)
        for job in self._requests.running_on(worker) if worker is not None else ():
            if job.has_output or job.was_retried or process.stop_requested:
                self._requests.fail(job, worker_died(process.name, cause))

    def on_exit(self, process: WorkerProcess, cause: str) -> None:
        """A process is gone and its memory is back."""
        worker = self._workers.by_process(process)
        if worker is None:
            return
        self._workers.remove(process)
        cause = worker.load_error or cause
        log.info("%s is gone: %s", process.name, cause)
        if worker.loaded_at is None and worker.unload_reason in ("", LOAD_TIMEOUT):
            self._counters.count_failed_load(process.name)
        untouched = self._requests.running_on(worker)
        for job in untouched:
            job.requeue()
        self._dispatch(
            WorkerExited(
                process.name,
                process.incarnation,
                cause,
                permanent=worker.is_permanent,
                oom_suspected=process.oom_suspected,
                retriable=frozenset(job.id for job in untouched),
            )
        )

    def _on_output(self, worker: ModelWorker, report: RequestOutput) -> None:
        job = self._requests.active.get(report.request_id)
        if job is None:
            return
        self._requests.deliver(job, report.event)
        if job.queue_full_since is not None and not worker.is_paused:
            worker.is_paused = True
            worker.process.pause_reading()
        self._changed()

    def _on_outcome(self, worker: ModelWorker, report: RequestOutcome) -> None:
        worker.cancelled_at.pop(report.request_id, None)
        job, outcome = self._requests.active.get(report.request_id), report.outcome
        if job is not None and isinstance(outcome, SensesError):
            self._requests.fail(job, outcome)
        elif job is not None and isinstance(outcome, Result):
            self._requests.finish(job, outcome)
        self._dispatch(
            RequestFinished(report.request_id, worker.model.name, worker.incarnation, isinstance(outcome, Result))
        )

    def _on_heartbeat(self, worker: ModelWorker, beat: Heartbeat) -> None:
        if beat.progress_count != worker.progress_count:
            worker.progress_count = beat.progress_count
            for job in self._requests.running_on(worker):
                job.last_progress_at = worker.last_message_at

    def _on_ready(self, worker: ModelWorker, ready: Ready) -> None:
        worker.loaded_at, worker.fraction = self._clock(), 1.0
        self._workers.measure()
        claimed = ready.loaded.active_bytes if ready.loaded.active_bytes <= memory.total_bytes() else 0
        measured = max(worker.footprint_bytes, claimed, 1)
        seconds = worker.loaded_at - worker.started_at
        log.info("%s is ready after %.1f s with %.2f GB", worker.model.name, seconds, measured / 1e9)
        self._counters.count_load(worker.model.name, seconds)
        self._dispatch(ModelLoaded(worker.model.name, worker.incarnation, measured))
