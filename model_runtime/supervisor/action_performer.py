"""Performs what the scheduler decides: starts and stops workers, starts, cancels and rejects requests."""

import logging
from collections.abc import Callable, Mapping

from model_runtime.catalog.model import Model
from model_runtime.errors import ModelMissing, SensesError
from model_runtime.ipc.messages import Cancel
from model_runtime.process.process import WorkerListener
from model_runtime.scheduler.messages import (
    CancelRequest,
    Grant,
    RejectRequest,
    RequestFinished,
    SchedulerAction,
    SchedulerEvent,
    StartWorker,
    StopWorker,
    WorkerExited,
)
from model_runtime.supervisor.counters import CounterRegistry
from model_runtime.supervisor.model_worker import LOAD_TIMEOUT
from model_runtime.supervisor.request_table import RequestTable
from model_runtime.supervisor.scheduler_errors import error_from_rejection
from model_runtime.supervisor.worker_pool import WorkerPool

log = logging.getLogger(__name__)


class ActionPerformer:
    """Knows the tables that the actions change; `dispatch` reports to the scheduler what could not be done."""

    def __init__(
        self,
        models: Mapping[str, Model],
        requests: RequestTable,
        workers: WorkerPool,
        counters: CounterRegistry,
        clock: Callable[[], float],
        dispatch: Callable[[SchedulerEvent], None],
        load_timeout_seconds: float,
    ) -> None:
        self._models = models
        self._requests = requests
        self._workers = workers
        self._counters = counters
        self._clock = clock
        self._dispatch = dispatch
        self._load_timeout_seconds = load_timeout_seconds

    def perform(self, action: SchedulerAction, listener: WorkerListener) -> None:
        """Do what the action says, without waiting; `listener` hears of a worker that is started."""
        match action:
            case Grant():
                self._grant(action)
            case StartWorker():
                self._start_worker(action, listener)
            case StopWorker():
                self._stop_worker(action)
            case CancelRequest():
                self._cancel(action)
            case RejectRequest():
                self._reject(action)

    def _grant(self, grant: Grant) -> None:
        request = self._requests.active.get(grant.request_id)
        worker = self._workers.by_incarnation(grant.model, grant.incarnation)
        if request is None or worker is None:
            self._dispatch(RequestFinished(grant.request_id, grant.model, grant.incarnation, ok=False))
            return
        request.start(worker.incarnation, worker.loading_seconds(request.arrived_at), self._clock())
        if request.is_load:
            self._requests.finish_load(request)
            self._dispatch(RequestFinished(grant.request_id, grant.model, grant.incarnation))
        else:
            worker.process.send_parts(request.encoded_command)

    def _start_worker(self, start: StartWorker, listener: WorkerListener) -> None:
        model = self._models[start.model]
        try:
            worker = self._workers.start(model, start.incarnation, listener)
        except (OSError, SensesError) as error:
            self._counters.count_failed_load(model.name)
            is_permanent = isinstance(error, ModelMissing)
            self._dispatch(WorkerExited(model.name, start.incarnation, str(error), is_permanent))
            return
        log.info("Loading %s (%.2f GB reserved)", model.name, start.reserved_bytes / 1e9)
        self._requests.notify_loading(worker)

    def _stop_worker(self, stop: StopWorker) -> None:
        worker = self._workers.by_incarnation(stop.model, stop.incarnation)
        if worker is None:
            return
        log.info("Unloading %s: %s", stop.model, stop.reason)
        worker.unload_reason = stop.reason
        self._counters.count_unload(stop.model, stop.reason)
        timed_out = f"the load made no progress for {self._load_timeout_seconds:.0f} s at {worker.stage!r}"
        worker.process.stop(timed_out if stop.reason == LOAD_TIMEOUT else "")

    def _cancel(self, cancel: CancelRequest) -> None:
        worker = self._workers.by_incarnation(cancel.model, cancel.incarnation)
        if worker is not None:
            worker.cancelled_at[cancel.request_id] = self._clock()
            worker.process.send(Cancel(cancel.request_id))

    def _reject(self, rejection: RejectRequest) -> None:
        request = self._requests.active.get(rejection.request_id)
        if request is not None:
            self._requests.fail(request, error_from_rejection(rejection, request.model.name))
