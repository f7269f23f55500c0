"""Performs the scheduler's actions: starts and stops workers; starts, cancels and rejects requests."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from model_runtime.catalog.model import Model
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
from model_runtime.sizes import format_bytes
from model_runtime.supervisor.counters import CounterRegistry
from model_runtime.supervisor.model_worker import LOAD_TIMEOUT
from model_runtime.supervisor.request_table import RequestTable
from model_runtime.supervisor.scheduler_errors import error_from_rejection
from model_runtime.supervisor.worker_pool import WorkerPool

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class ActionPerformer:
    """Changes the request table and the worker pool; `dispatch` reports to the scheduler what could not be done."""

    models: Mapping[str, Model]
    requests: RequestTable
    pool: WorkerPool
    counters: CounterRegistry
    clock: Callable[[], float]
    dispatch: Callable[[SchedulerEvent], None]
    listener: WorkerListener
    """Receives the messages and the exit of every worker."""
    load_timeout_seconds: float

    def perform(self, action: SchedulerAction) -> None:
        """Perform an action without waiting for its effect."""
        match action:
            case Grant():
                self._grant(action)
            case StartWorker():
                self._start_worker(action)
            case StopWorker():
                self._stop_worker(action)
            case CancelRequest():
                self._cancel(action)
            case RejectRequest():
                self._reject(action)

    def _grant(self, grant: Grant) -> None:
        request = self.requests.active.get(grant.request_id)
        worker = self.pool.by_incarnation(grant.model, grant.incarnation)
        if request is None or worker is None:
            self.dispatch(RequestFinished(grant.request_id, grant.model, grant.incarnation, ok=False))
            return
        request.start(worker.incarnation, worker.loading_seconds(request.arrived_at), self.clock())
        if request.is_load:
            self.requests.finish_load(request)
            self.dispatch(RequestFinished(grant.request_id, grant.model, grant.incarnation))
        else:
            worker.process.send_parts(request.encoded_command)

    def _start_worker(self, start: StartWorker) -> None:
        model = self.models[start.model]
        try:
            worker = self.pool.start(model, start.incarnation, self.listener)
        except OSError as error:
            self.counters.count_failed_load(model.name)
            self.dispatch(WorkerExited(model.name, start.incarnation, str(error)))
            return
        log.info("Loading %s: %s are reserved", model.name, format_bytes(start.reserved_bytes))
        self.requests.notify_loading(worker)

    def _stop_worker(self, stop: StopWorker) -> None:
        worker = self.pool.by_incarnation(stop.model, stop.incarnation)
        if worker is None:
            return
        log.info("Unloading %s: %s", stop.model, stop.reason)
        worker.unload_reason = stop.reason
        self.counters.count_unload(stop.model, stop.reason, stop.detail)
        cause = f"the load made no progress for {self.load_timeout_seconds:.0f} s at {worker.stage!r}"
        worker.process.stop(cause if stop.reason == LOAD_TIMEOUT else "")

    def _cancel(self, cancel: CancelRequest) -> None:
        worker = self.pool.by_incarnation(cancel.model, cancel.incarnation)
        if worker is not None:
            worker.cancelled_at[cancel.request_id] = self.clock()
            worker.process.send(Cancel(cancel.request_id))

    def _reject(self, rejection: RejectRequest) -> None:
        request = self.requests.active.get(rejection.request_id)
        if request is not None:
            self.requests.fail(request, error_from_rejection(rejection, request.model.name))
