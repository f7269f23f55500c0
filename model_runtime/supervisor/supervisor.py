"""Carries out what the scheduler decides and reports to it what happens, on the event loop and without waiting.

Everything that happens becomes a `SchedulerEvent`; the `SchedulerAction`s that it returns are performed at once.
`RequestTable` answers callers; `WorkerPool` owns the processes. Code outside this folder reaches neither.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from math import inf

import anyio

from model_runtime.catalog.disk import ModelFiles
from model_runtime.catalog.model import Model
from model_runtime.errors import SensesError, ShuttingDown
from model_runtime.events import Preview
from model_runtime.history.events import Sampled
from model_runtime.history.store import HistoryStore
from model_runtime.prepare import PreparedRequest
from model_runtime.problems import Problems
from model_runtime.process.process import StopTimeouts
from model_runtime.requests import Task
from model_runtime.scheduler.lanes import Lane
from model_runtime.scheduler.messages import (
    Kept,
    LimitsChanged,
    PinChanged,
    ProgressMeasured,
    RequestArrived,
    RequestCancelled,
    RetryRequested,
    SchedulerEvent,
    ShutdownStarted,
    Tick,
    UnloadRequested,
)
from model_runtime.scheduler.model_record import DEFAULT_LOAD_SECONDS, ModelSpec
from model_runtime.settings import Settings
from model_runtime.status import ModelState
from model_runtime.supervisor.action_performer import ActionPerformer
from model_runtime.supervisor.active_request import ActiveRequest
from model_runtime.supervisor.counters import CounterRegistry
from model_runtime.supervisor.energy import EnergySaving
from model_runtime.supervisor.model_stats import ModelStatsStore
from model_runtime.supervisor.output_queue import OutputQueue
from model_runtime.supervisor.prewarmer import Prewarmer
from model_runtime.supervisor.request_table import RequestTable
from model_runtime.supervisor.scheduler_factory import create_scheduler, limits_of
from model_runtime.supervisor.status_feed import StatusFeed
from model_runtime.supervisor.upkeep import Upkeep
from model_runtime.supervisor.usage_log import UsageLog, recent_models
from model_runtime.supervisor.views import ModelView, SupervisorView, UpkeepView
from model_runtime.supervisor.watchdog import WatchdogAction
from model_runtime.supervisor.worker_events import WorkerEventHandler
from model_runtime.supervisor.worker_pool import WorkerPool

IMAGE_QUEUE_TIMEOUT_FACTOR = 2.5
"""A request for an image may wait this many times longer than others: each takes long to generate."""

CANCEL_TIMEOUT_SECONDS = 2.0
"""How long workers may take to end cancelled requests when the runtime closes."""


class Supervisor:
    """The only writer of scheduler, request table and worker pool."""

    def __init__(
        self,
        present_models: Callable[[], Iterable[Model]],
        settings: Settings,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        stop_timeouts: StopTimeouts,
        feed: StatusFeed,
        problems: Problems,
        energy: EnergySaving,
        history: HistoryStore,
    ) -> None:
        """`feed` is notified of every change, `history` records it; `clock` returns monotonic seconds, `wall_clock` seconds since the epoch.

        `present_models` returns the models on this disk without looking at it: nothing here does.
        """
        self._settings = settings
        self._clock = clock
        self._feed = feed
        self._models: dict[str, Model] = {}
        self._pending_events: deque[SchedulerEvent] = deque()
        self._is_dispatching = False
        folder = settings.folders.data
        self._model_stats = ModelStatsStore(folder, problems)
        self._usage_log = UsageLog(folder, wall_clock, problems)
        self._scheduler = create_scheduler(settings)
        self._counters = CounterRegistry(history.record, wall_clock)
        self._requests = RequestTable(
            clock, self._counters, lambda request: self._listener.resume_reading(request), wall_clock
        )
        self._pool = WorkerPool(clock, stop_timeouts, energy)
        self._prewarmer = Prewarmer(
            present_models, self._pool.spare, recent_models(folder), clock, is_enabled=settings.keep_spare_worker
        )
        self._listener = WorkerEventHandler(self._requests, self._pool, self._counters, clock, self.dispatch, feed)
        self._performer = ActionPerformer(
            self._models,
            self._requests,
            self._pool,
            self._counters,
            clock,
            self.dispatch,
            self._listener,
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
            wall_clock,
            self.dispatch,
            self._fail,
            UpkeepView(checked_at=clock(), wall_checked_at=wall_clock(), stats_saved_at=clock()),
        )

    def apply(self, settings: Settings) -> None:
        """Use what of these settings can change while requests and models are there."""
        self._settings = settings
        self._performer.load_timeout_seconds = settings.load_timeout_seconds
        self._prewarmer.is_enabled = settings.keep_spare_worker
        idle = {name: settings.idle_seconds for name, model in self._models.items() if model.keep_alive_seconds is None}
        self.dispatch(LimitsChanged(limits_of(settings), idle))

    # -- requests --------------------------------------------------------------------------------------------------

    @contextmanager
    def submit(
        self,
        request_id: int,
        prepared: PreparedRequest,
        *,
        client: str = "",
        keep_alive_seconds: float | None = None,
    ) -> Iterator[OutputQueue]:
        """Queue a prepared request and yield its outputs; leaving the context cancels a request without an answer.

        Raises:
            InvalidInput: the request holds a value that cannot be sent to a worker.
        """
        request = self._requests.add(request_id, prepared, client)
        if prepared.files is not None:
            self._pool.files[prepared.model.name] = prepared.files
        try:
            self._enqueue(request, prepared.needed_bytes, keep_alive_seconds)
            yield request.outputs
        finally:
            self._release(request)

    async def load(self, request_id: int, model: Model, files: ModelFiles, needed_bytes: int) -> None:
        """Queue an operator's request to load a model and wait until the model is ready.

        `files` are what the worker loads, `needed_bytes` is the estimate of its memory.

        Raises:
            SensesError: the model cannot be loaded.
        """
        request = self._requests.add_load(request_id, model)
        self._pool.files[model.name] = files
        try:
            self._enqueue(request, needed_bytes, None)
            while request.granted_at is None:
                await request.outputs.get()
        finally:
            self._release(request)

    async def unload(self, model: Model) -> int:
        """Let running requests finish, stop the worker, wait until it is reaped and return the bytes it held."""
        worker = self._pool.workers.get(model.name)
        if worker is None:
            return 0
        self._pool.measure()
        held_bytes = worker.footprint_bytes
        self.dispatch(UnloadRequested(model.name))
        await worker.process.exited.wait()
        return held_bytes

    def pin(self, model: Model, needed_bytes: int, *, pinned: bool) -> None:
        """Exempt a model from the idle timer and from eviction, or end the exemption."""
        self._register(model, needed_bytes)
        self.dispatch(PinChanged(model.name, pinned))

    def keep(self, model: Model, seconds: float) -> bool:
        """Keep a loaded model at least so long; return False if it has no worker."""
        if not self.has_worker(model.name):
            return False
        self.dispatch(Kept(model.name, seconds))
        return True

    def cancel(self, request_id: int, error: SensesError) -> bool:
        """Answer an open request with this error and end its work; return False if no such request is open."""
        request = self._requests.active.get(request_id)
        if request is None:
            return False
        self._fail(request, error)
        return True

    def preview(self, request_id: int) -> Preview | None:
        """Return the newest unfinished picture of an open request, if there is one."""
        request = self._requests.active.get(request_id)
        return request.preview if request else None

    def has_worker(self, model: str) -> bool:
        """Return whether a worker loads, holds or unloads this model."""
        return model in self._pool.workers

    @property
    def open_request_count(self) -> int:
        """How many requests wait or run."""
        return len(self._requests.active)

    @property
    def budget_bytes(self) -> int:
        """Memory for all models together."""
        return self._scheduler.budget_bytes

    def view(self) -> SupervisorView:
        """Return the state of everything at this moment, frozen."""
        scheduler, requests = self._scheduler, self._requests.active.values()
        return SupervisorView(
            models={name: ModelView.from_record(record) for name, record in scheduler.records.items()},
            workers={name: worker.view() for name, worker in self._pool.workers.items()},
            requests=tuple(request.view(scheduler.explain) for request in requests),
            spare=self._pool.spare.view(),
            budget_bytes=scheduler.budget_bytes,
            charged_bytes=scheduler.charged_bytes,
            is_closing=scheduler.closing,
            finished_count=self._requests.finished_count,
            upkeep=self._upkeep.view,
            counters=self._counters.snapshot(),
            last_load_seconds=dict(self._counters.last_load_seconds),
        )

    def sample(self, at: float) -> Sampled:
        """Return how much memory each model holds and how many requests run and wait; `at` is seconds since the epoch."""
        running = sum(request.granted_at is not None for request in self._requests.active.values())
        return Sampled(
            at,
            {name: record.charged_bytes for name, record in self._scheduler.records.items() if record.charged_bytes},
            running,
            len(self._requests.active) - running,
        )

    def _register(self, model: Model, needed_bytes: int) -> None:
        """Add a model to the scheduler at its first use. `needed_bytes` counts until its memory has been measured."""
        if model.name in self._models:
            return
        self._models[model.name] = model
        stats, keep_alive_seconds = self._model_stats.get(model), model.keep_alive_seconds
        spec = ModelSpec(
            model.name,
            stats.needed_bytes if stats else needed_bytes,
            load_seconds=stats.load_seconds if stats else DEFAULT_LOAD_SECONDS,
            concurrency=model.concurrency,
            keep_alive_seconds=self._settings.idle_seconds if keep_alive_seconds is None else keep_alive_seconds,
            lane=Lane.HEAVY if model.heavy else Lane.LIGHT,
        )
        self._scheduler.add(spec)

    def _enqueue(self, request: ActiveRequest, needed_bytes: int, keep_alive_seconds: float | None) -> None:
        model = request.model.name
        self._register(request.model, needed_bytes)
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
                request_bytes=request.request_bytes,
                queue_timeout_seconds=self._settings.queue_timeout_seconds * factor,
                keep_alive_seconds=keep_alive_seconds,
                is_batch=request.is_batch,
            )
        )

    def _should_retry(self, request: ActiveRequest) -> bool:
        """Return whether to end a model's backoff: for an operator, and for changed files after a permanent failure."""
        record = self._scheduler.records[request.model.name]
        if record.state is not ModelState.BACKOFF:
            return False
        return request.is_load or (record.retry_at == inf and self._pool.files_changed(request.model))

    def _release(self, request: ActiveRequest) -> None:
        """Drop a request whose caller has left, and end its work if it has no answer yet."""
        if request.id in self._requests.active:
            self._requests.release(request)
            self._end_work(request)
        request.outputs.close()

    def _fail(self, request: ActiveRequest, error: SensesError) -> None:
        self._requests.fail(request, error)
        self._end_work(request)

    def _end_work(self, request: ActiveRequest) -> None:
        self.dispatch(RequestCancelled(request.id))
        self._listener.resume_reading(request)

    # -- the scheduler ---------------------------------------------------------------------------------------------

    def dispatch(self, event: SchedulerEvent) -> None:
        """Pass an event to the scheduler and perform its actions; events that they cause are processed after them."""
        self._pending_events.append(event)
        if self._is_dispatching:
            return
        self._is_dispatching = True
        try:
            while self._pending_events:
                for action in self._scheduler.handle(self._clock(), self._pending_events.popleft()):
                    self._performer.perform(action)
        finally:
            self._is_dispatching = False
        if self._pool.spare.engine:
            self._prewarmer.release_if_needed(self._scheduler.free_bytes)
        self._requests.notify_positions(self._scheduler, self._pool.workers)
        self._feed.notify()

    # -- upkeep ----------------------------------------------------------------------------------------------------

    def measure(self) -> None:
        """Read the memory and processor time of every worker from the system."""
        self._pool.measure()

    def tick(self) -> None:
        """Report to the scheduler how far the running requests are, and that time has passed."""
        running = [request for request in self._requests.active.values() if request.granted_at is not None]
        if done_shares := {request.id: request.done_share for request in running if request.done_share}:
            self.dispatch(ProgressMeasured(done_shares))
        self.dispatch(Tick())

    def perform(self, actions: Iterable[WatchdogAction]) -> None:
        """Perform the actions of a watchdog check."""
        self._upkeep.perform(actions)

    async def close(self, grace_seconds: float) -> None:
        """Reject new requests, give running ones `grace_seconds`, cancel the rest, stop and reap every worker."""
        self.dispatch(ShutdownStarted())
        await self._wait_until(lambda: not self._requests.active, grace_seconds)
        for request in list(self._requests.active.values()):
            why = "Senses shut down before the request finished. Send it again after the restart."
            self._fail(request, ShuttingDown(why, 5.0))
        workers = self._pool.workers.values()
        await self._wait_until(lambda: not any(worker.cancelled_at for worker in workers), CANCEL_TIMEOUT_SECONDS)
        self._upkeep.save_stats()
        await self._pool.stop_all()

    async def _wait_until(self, condition: Callable[[], bool], seconds: float) -> None:
        with anyio.move_on_after(seconds):
            while not condition():
                await self._feed.changed()
