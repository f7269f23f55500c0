"""Carries out what the scheduler decides and reports to it what happens. All of it on the event loop, without waiting.

Every occurrence becomes a `SchedulerEvent`; every `SchedulerAction` that comes back is performed at once. The
`RequestTable` answers callers; the `WorkerPool` owns the processes. Nothing outside this folder reaches either: its
doors are `submit`, `load`, `unload`, `pin`, `cancel`, `dispatch`, `perform`, `view` and `close`.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable
from math import inf

import anyio

from model_runtime.catalog.model import Model
from model_runtime.catalog.protocol import CatalogProtocol
from model_runtime.errors import SensesError, ShuttingDown
from model_runtime.prepare import PreparedRequest
from model_runtime.process.process import StopTimeouts
from model_runtime.requests import Task
from model_runtime.scheduler.lanes import Lane
from model_runtime.scheduler.messages import (
    PinChanged,
    RequestArrived,
    RequestCancelled,
    RetryRequested,
    SchedulerEvent,
    ShutdownStarted,
    UnloadRequested,
)
from model_runtime.scheduler.model_record import DEFAULT_LOAD_SECONDS, ModelSpec
from model_runtime.settings import Settings
from model_runtime.status import ModelState
from model_runtime.supervisor.action_performer import ActionPerformer
from model_runtime.supervisor.active_request import ActiveRequest
from model_runtime.supervisor.counters import CounterRegistry
from model_runtime.supervisor.model_stats import ModelStatsStore
from model_runtime.supervisor.prewarmer import Prewarmer
from model_runtime.supervisor.request_handle import RequestHandle
from model_runtime.supervisor.request_table import RequestTable
from model_runtime.supervisor.scheduler_factory import create_scheduler
from model_runtime.supervisor.status_feed import StatusFeed
from model_runtime.supervisor.upkeep import Upkeep
from model_runtime.supervisor.usage_log import UsageLog, recent_models
from model_runtime.supervisor.view_builder import build_view
from model_runtime.supervisor.views import SupervisorView
from model_runtime.supervisor.watchdog import WatchdogAction
from model_runtime.supervisor.worker_events import WorkerEventHandler
from model_runtime.supervisor.worker_pool import WorkerPool

IMAGE_QUEUE_TIMEOUT_FACTOR = 2.5
"""Images take long to generate; a request for one may wait this many times longer than others."""

CANCEL_TIMEOUT_SECONDS = 2.0
"""How long cancelled work may take to end when the runtime closes."""

log = logging.getLogger(__name__)


class Supervisor:
    """The one writer of scheduler, request table and worker pool."""

    def __init__(
        self,
        catalog: CatalogProtocol,
        settings: Settings,
        clock: Callable[[], float],
        stop_timeouts: StopTimeouts,
        feed: StatusFeed,
    ) -> None:
        self._catalog = catalog
        self._settings = settings
        self._clock = clock
        self._feed = feed
        self._scheduler = create_scheduler(settings)
        self._counters = CounterRegistry()
        self._requests = RequestTable(clock, self._counters, self._on_queue_drained)
        self._pool = WorkerPool(catalog, clock, stop_timeouts)
        self._models: dict[str, Model] = {}
        self._model_stats = ModelStatsStore(settings.folders.data)
        self._usage_log = UsageLog(settings.folders.data, time.time)
        recent_requests = recent_models(settings.folders.data)
        self._prewarmer = Prewarmer(
            catalog, self._pool.spare, recent_requests, clock, is_enabled=settings.keep_spare_worker
        )
        self._listener = WorkerEventHandler(self._requests, self._pool, self._counters, clock, self.dispatch, feed)
        self._performer = ActionPerformer(
            self._models,
            self._requests,
            self._pool,
            self._counters,
            clock,
            self.dispatch,
            settings.load_timeout_seconds,
        )
        self._upkeep = Upkeep(
            self._scheduler,
            self._requests,
            self._pool,
            self._prewarmer,
            self._models,
            self._model_stats,
            self._usage_log,
            clock,
            self.dispatch,
            self._fail,
        )
        self._pending_events: deque[SchedulerEvent] = deque()
        self._is_dispatching = False

    # -- requests --------------------------------------------------------------------------------------------------

    def submit(
        self,
        request_id: int,
        prepared: PreparedRequest,
        *,
        client: str = "",
        keep_alive_seconds: float | None = None,
    ) -> RequestHandle:
        """Queue a prepared request; leaving the handle's context releases or cancels it.

        Raises:
            InvalidInput: the request holds something that cannot be sent to a worker.
        """
        request = self._requests.add(request_id, prepared, client)
        self._enqueue(request, keep_alive_seconds)
        return RequestHandle(request, self._release)

    def load(self, request_id: int, model: Model) -> RequestHandle:
        """Queue an operator's wish to load a model; it is granted once the model is ready."""
        request = self._requests.add_load(request_id, model)
        self._enqueue(request, None)
        return RequestHandle(request, self._release)

    async def unload(self, model: Model) -> int:
        """Let running requests end, stop the worker, wait until it is reaped and return the bytes given back."""
        worker = self._pool.workers.get(model.name)
        if worker is None:
            return 0
        self._pool.measure()
        held_bytes = worker.footprint_bytes
        self.dispatch(UnloadRequested(model.name))
        await worker.process.exited.wait()
        return held_bytes

    def pin(self, model: Model, *, pinned: bool) -> None:
        """Exempt a model from the idle timer and from eviction, or end that."""
        self._register(model)
        self.dispatch(PinChanged(model.name, pinned))

    def cancel(self, request_id: int, error: SensesError) -> bool:
        """Answer an open request with this error and end its work; False where no such request is open."""
        request = self._requests.active.get(request_id)
        if request is None:
            return False
        self._fail(request, error)
        return True

    def has_worker(self, model: str) -> bool:
        """Whether a worker loads or holds this model."""
        return model in self._pool.workers

    def view(self) -> SupervisorView:
        """Return everything at this moment, frozen."""
        return build_view(self._scheduler, self._requests, self._pool, self._counters, self._upkeep.view)

    def _register(self, model: Model) -> None:
        """Make a model known to the scheduler at its first use."""
        if model.name in self._models:
            return
        self._models[model.name] = model
        stats, keep_alive_seconds = self._model_stats.get(model), model.keep_alive_seconds
        spec = ModelSpec(
            model.name,
            stats.needed_bytes if stats else self._catalog.needed_bytes(model),
            load_seconds=stats.load_seconds if stats else DEFAULT_LOAD_SECONDS,
            concurrency=model.concurrency,
            keep_alive_seconds=self._settings.idle_seconds if keep_alive_seconds is None else keep_alive_seconds,
            lane=Lane.HEAVY if model.heavy else Lane.LIGHT,
        )
        self._scheduler.add(spec)

    def _enqueue(self, request: ActiveRequest, keep_alive_seconds: float | None) -> None:
        model = request.model.name
        self._register(request.model)
        if self._should_retry(request):
            self.dispatch(RetryRequested(model))
        self._usage_log.record(model)
        self._prewarmer.record_request(model)
        factor = IMAGE_QUEUE_TIMEOUT_FACTOR if request.task is Task.IMAGE else 1.0
        self.dispatch(
            RequestArrived(
                request.id,
                model,
                client=request.client,
                working_bytes=request.working_bytes,
                queue_timeout_seconds=self._settings.queue_timeout_seconds * factor,
                keep_alive_seconds=keep_alive_seconds,
                is_batch=request.is_batch,
            )
        )

    def _should_retry(self, request: ActiveRequest) -> bool:
        """A model that backs off is tried again for an operator, and after a permanent failure once its files change."""
        record = self._scheduler.records[request.model.name]
        if record.state is not ModelState.BACKOFF:
            return False
        return request.is_load or (record.retry_at == inf and self._pool.files_changed(request.model))

    def _release(self, request: ActiveRequest) -> None:
        """The caller reads no more; where the request has no answer yet, that ends its work."""
        if request.id in self._requests.active:
            self._requests.release(request)
            self._end_work(request)
        request.outputs.close()

    def _fail(self, request: ActiveRequest, error: SensesError) -> None:
        self._requests.fail(request, error)
        self._end_work(request)

    def _end_work(self, request: ActiveRequest) -> None:
        self.dispatch(RequestCancelled(request.id))
        self._resume_reading(request)

    def _on_queue_drained(self, request: ActiveRequest) -> None:
        request.queue_full_since = None
        self._resume_reading(request)

    def _resume_reading(self, request: ActiveRequest) -> None:
        """Read from the request's worker again, unless another of its callers does not read."""
        worker = self._pool.by_incarnation(request.model.name, request.incarnation)
        if worker is None or not worker.is_paused:
            return
        running = self._requests.running_on(worker)
        if any(other.queue_full_since is not None for other in running):
            return
        worker.is_paused, worker.last_message_at = False, self._clock()
        for other in running:
            other.last_progress_at = worker.last_message_at
        worker.process.resume_reading()

    # -- the scheduler ---------------------------------------------------------------------------------------------

    def dispatch(self, event: SchedulerEvent) -> None:
        """Report an event to the scheduler and perform its actions; events that these cause are handled afterwards."""
        self._pending_events.append(event)
        if self._is_dispatching:
            return
        self._is_dispatching = True
        try:
            while self._pending_events:
                for action in self._scheduler.handle(self._clock(), self._pending_events.popleft()):
                    self._performer.perform(action, self._listener)
        finally:
            self._is_dispatching = False
        self._prewarmer.release_if_needed(self._scheduler.free_bytes)
        self._notify_positions()
        self._feed.notify()

    def _notify_positions(self) -> None:
        for request in self._requests.active.values():
            if request.granted_at is not None:
                continue
            position, model = self._scheduler.position(request.id), request.model.name
            if position and position != request.position:
                reason = self._scheduler.explain(model)
                if self._scheduler.records[model].state is not ModelState.STARTING:
                    log.info("Request %d waits at place %d: %s", request.id, position, reason)
                self._requests.notify_position(request, position, reason, self._pool.workers.get(model))

    # -- upkeep ----------------------------------------------------------------------------------------------------

    def measure(self) -> None:
        """Read the memory of every worker from the system."""
        self._pool.measure()

    def perform(self, actions: Iterable[WatchdogAction]) -> None:
        """Carry out what a check of the watchdog decided."""
        self._upkeep.perform(actions)

    async def close(self, grace_seconds: float) -> None:
        """Reject new requests, give running ones this long, cancel the rest, stop and reap every worker."""
        self.dispatch(ShutdownStarted())
        await self._wait_until(lambda: not self._requests.active, grace_seconds)
        for request in list(self._requests.active.values()):
            self._fail(request, ShuttingDown("Senses shut down before the work was done.", 5.0))
        workers = self._pool.workers.values()
        await self._wait_until(lambda: not any(worker.cancelled_at for worker in workers), CANCEL_TIMEOUT_SECONDS)
        self._upkeep.save_stats()
        await self._pool.stop_all()

    async def _wait_until(self, condition: Callable[[], bool], seconds: float) -> None:
        with anyio.move_on_after(seconds):
            while not condition():
                await self._feed.changed()
