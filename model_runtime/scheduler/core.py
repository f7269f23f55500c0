"""The scheduler: one writer, events in, actions out, the clock given with every event.

What always holds (`tests/model_runtime/scheduler/invariants.py` checks it in every test):

    1. Charged bytes never exceed the budget, but for an under-estimate, which is shed as soon as it shows.
    2. Bytes are charged from before a process is spawned until after it is reaped.
    3. A model has at most one process; whatever an older incarnation reports changes nothing.
    4. A lease and an eviction never overlap: only READY models are granted, only idle ones are stopped.
    5. Every request is in exactly one place and is answered exactly once; each client's are served in their order.
    6. Only one admission at a time waits for memory, and it holds nothing; so nothing can deadlock.
    7. Nothing is loaded that nobody waits for.
"""

from math import inf

from model_runtime.scheduler.backoff import PERMANENT_FAILURE, backoff_after, count_failure
from model_runtime.scheduler.fairness import fair_order, next_round
from model_runtime.scheduler.messages import (
    BudgetChanged,
    CancelRequest,
    Grant,
    LoadProgressed,
    MemoryMeasured,
    MemoryPressure,
    ModelLoaded,
    PinChanged,
    RejectRequest,
    RequestArrived,
    RequestCancelled,
    RequestFinished,
    RetryRequested,
    SchedulerAction,
    SchedulerEvent,
    ShutdownStarted,
    StartWorker,
    StopWorker,
    Tick,
    UnloadRequested,
    WorkerExited,
)
from model_runtime.scheduler.model_record import CHARGED_STATES, SMOOTHING_FACTOR, ModelRecord, ModelSpec, QueuedRequest
from model_runtime.scheduler.state import SchedulerState
from model_runtime.sizes import format_bytes
from model_runtime.status import ModelState

OOM_ESTIMATE_FACTOR = 1.25
"""By how much the estimate of a model rises that the system may have killed for memory."""
OOM_ESTIMATE_LIMIT = 2
"""Times the first estimate, and never beyond the budget: somebody else may have killed it, and it must not become too
large for ever."""


class Scheduler(SchedulerState):
    """Decides which models are in memory and which requests run. `handle` is the only way in."""

    _arrivals = 0
    _actions: list[SchedulerAction]

    # -- writing -------------------------------------------------------------------------------------------------

    def add(self, spec: ModelSpec) -> None:
        """Take in a model that was not known at the start; one that is known keeps its state."""
        self.records.setdefault(spec.name, ModelRecord.from_spec(spec))

    def handle(self, now: float, event: SchedulerEvent) -> list[SchedulerAction]:
        """Take in what happened and return what is to be done, in order. `now` never goes back."""
        self.now = max(self.now, now)
        self._actions = []
        match event:
            case RequestArrived():
                self._on_request_arrived(event)
            case RequestCancelled(request):
                self._on_request_cancelled(request)
            case RequestFinished():
                self._on_request_finished(event)
            case LoadProgressed(model, incarnation):
                self._on_load_progressed(model, incarnation)
            case ModelLoaded():
                self._on_model_loaded(event)
            case MemoryMeasured():
                self._on_memory_measured(event)
            case WorkerExited():
                self._on_worker_exited(event)
            case Tick():
                self._on_tick()
            case UnloadRequested(model):
                self._on_unload_requested(self.records[model])
            case RetryRequested(model):
                self._on_retry_requested(self.records[model])
            case PinChanged(model, pinned):
                self._on_pin_changed(self.records[model], pinned)
            case BudgetChanged(budget_bytes):
                self.budget_bytes = budget_bytes
                self._reclaim_over_budget()
            case MemoryPressure():
                self._on_memory_pressure()
            case ShutdownStarted():
                self._on_shutdown_started()
        self._schedule()
        return self._actions

    def _on_request_arrived(self, arrived: RequestArrived) -> None:
        record = self.records[arrived.model]
        refusal = self._rejection(record, arrived)
        if refusal is not None:
            self._actions.append(refusal)
            return
        patience = self.limits.queue_seconds if arrived.queue_timeout_seconds is None else arrived.queue_timeout_seconds
        self._arrivals += 1
        request = QueuedRequest(
            id=arrived.request_id,
            model=arrived.model,
            client=arrived.client,
            arrival_number=self._arrivals,
            arrived_at=self.now,
            expires_at=self.now + patience,
            working_bytes=arrived.working_bytes,
            keep_alive_seconds=arrived.keep_alive_seconds,
            is_batch=arrived.is_batch,
        )
        self.requests[request.id] = request
        record.queue.append(request)
        record.working_bytes = max(record.working_bytes, request.working_bytes)

    def _rejection(self, record: ModelRecord, arrived: RequestArrived) -> RejectRequest | None:
        if self.closing:
            return RejectRequest(arrived.request_id, "shutting_down", "Senses is shutting down.", 5.0)
        pinned = sum(other.charged_bytes for other in self.records.values() if other.pinned and other is not record)
        needed = record.needed_bytes + arrived.working_bytes
        if needed > self.budget_bytes - pinned:
            return _reject_too_large(arrived.request_id, record.name, needed, self.budget_bytes - pinned)
        wait = record.retry_at - self.now
        if record.state is ModelState.BACKOFF and wait == inf:
            return RejectRequest(arrived.request_id, "load_failed", record.error)
        if record.state is ModelState.BACKOFF and wait > self.limits.short_backoff_seconds:
            return RejectRequest(
                arrived.request_id, "model_unavailable", f"{record.name} rests after: {record.error}", wait
            )
        waiting = sum(len(other.queue) for other in self.records.values())
        if len(record.queue) >= self.limits.queue_per_model or waiting >= self.limits.queue_total:
            wait = record.estimated_wait_seconds(len(record.queue))
            return RejectRequest(arrived.request_id, "queue_full", f"{waiting} requests wait already.", wait)
        return None

    def _on_request_cancelled(self, request_id: int) -> None:
        request = self.requests.get(request_id)
        if request is None or request.cancelled:
            return
        record = self.records[request.model]
        if request.granted_at is None:
            record.queue.remove(request)
            del self.requests[request_id]
        else:
            request.cancelled = True
            self._actions.append(CancelRequest(request_id, record.name, record.incarnation))

    def _on_request_finished(self, ended: RequestFinished) -> None:
        record = self._record_of_incarnation(ended.model, ended.incarnation)
        if record is None or ended.request_id not in record.active:
            return
        request = record.active.pop(ended.request_id)
        del self.requests[ended.request_id]
        record.has_served = True
        if ended.ok:
            record.failures = 0
            seconds = self.now - (request.granted_at or self.now)
            record.service_seconds += SMOOTHING_FACTOR * (seconds - record.service_seconds)
        if not record.active:
            self._on_idle(record)

    def _on_idle(self, record: ModelRecord) -> None:
        record.idle_since = self.now
        if not record.queue:
            record.last_served_round = {}
        if record.state is ModelState.DRAINING:
            self._stop_worker(record, record.unload_reason)

    def _on_load_progressed(self, model: str, incarnation: int) -> None:
        record = self._record_of_incarnation(model, incarnation)
        if record is not None and record.state is ModelState.STARTING:
            record.load_deadline = self.now + self.limits.load_seconds

    def _on_model_loaded(self, loaded: ModelLoaded) -> None:
        record = self._record_of_incarnation(loaded.model, loaded.incarnation)
        if record is None or record.state is not ModelState.STARTING:
            return
        seconds = self.now - record.started_at
        record.load_seconds += SMOOTHING_FACTOR * (seconds - record.load_seconds)
        record.update_needed_bytes(loaded.measured_bytes)
        record.resident_bytes = loaded.measured_bytes
        record.state, record.idle_since, record.error = ModelState.READY, self.now, ""
        record.ready_at, record.has_served = self.now, False
        self._reclaim_over_budget()

    def _on_memory_measured(self, measured: MemoryMeasured) -> None:
        record = self._record_of_incarnation(measured.model, measured.incarnation)
        if record is not None and record.is_idle:
            record.resident_bytes = max(measured.measured_bytes, 1)
            self._reclaim_over_budget()

    def _on_worker_exited(self, exited: WorkerExited) -> None:
        record = self._record_of_incarnation(exited.model, exited.incarnation)
        if record is None or record.state not in CHARGED_STATES:
            return
        wanted = record.state is ModelState.STOPPING and record.unload_reason != "load timeout"
        lost, record.active = list(record.active.values()), {}
        if exited.oom_suspected:
            limit_bytes = min(OOM_ESTIMATE_LIMIT * record.spec.needed_bytes, self.budget_bytes - record.working_bytes)
            more_bytes = min(int(record.needed_bytes * OOM_ESTIMATE_FACTOR), limit_bytes)
            record.needed_bytes = max(record.needed_bytes, more_bytes)
        record.resident_bytes, record.idle_since, record.unload_reason = 0, None, ""
        record.state = ModelState.ABSENT
        again = [request for request in lost if request.id in exited.retriable and self._can_retry(request)]
        for request in lost:
            if request in again:
                request.granted_at = None
            else:
                self._reject(request, "worker_died", exited.cause)
        record.queue[:0] = again
        if not wanted:
            self._back_off(record, exited)

    def _can_retry(self, request: QueuedRequest) -> bool:
        young = self.now - request.arrived_at < self.limits.retry_seconds
        return young and not request.attempts and not request.cancelled and not self.closing

    def _back_off(self, record: ModelRecord, exited: WorkerExited) -> None:
        record.failures = count_failure(record.failures, self.now - record.failed_at, self.limits)
        record.failed_at = self.now
        record.error = exited.cause or "the worker process ended"
        rest = PERMANENT_FAILURE if exited.permanent else backoff_after(record.failures, self.limits)
        record.state, record.retry_at = ModelState.BACKOFF, self.now + rest.seconds
        for request in list(record.queue):
            request.attempts += 1
            if rest.rejects_queue or request.attempts >= self.limits.attempts:
                record.queue.remove(request)
                self._reject(request, "load_failed", record.error, None if exited.permanent else rest.seconds)

    def _on_tick(self) -> None:
        for record in self.records.values():
            if record.state is ModelState.BACKOFF and self.now >= record.retry_at:
                record.state = ModelState.ABSENT
            if record.state is ModelState.STARTING and self.now >= record.load_deadline:
                self._stop_worker(record, "load timeout")
            if self.is_idle_expired(record):
                self._stop_worker(record, "idle")
            for request in [waiting for waiting in record.queue if self.now >= waiting.expires_at]:
                wait = record.estimated_wait_seconds(len(record.queue))
                record.queue.remove(request)
                self._reject(request, "queue_timeout", self.explain(record.name), wait)

    def _on_unload_requested(self, record: ModelRecord) -> None:
        if record.state is ModelState.READY:
            self._unload(record, "operator")
        elif record.state is ModelState.STARTING:
            self._stop_worker(record, "operator")
            self._reject_queue(record, "model_unavailable", f"{record.name} was stopped by an operator.")

    def _on_retry_requested(self, record: ModelRecord) -> None:
        record.failures, record.needed_bytes = 0, record.spec.needed_bytes
        if record.state is ModelState.BACKOFF:
            record.state = ModelState.ABSENT

    def _on_pin_changed(self, record: ModelRecord, pinned: bool) -> None:
        record.pinned = pinned
        if record.is_idle:
            record.idle_since = self.now

    def _on_memory_pressure(self) -> None:
        """One at a time, so that a model whose memory is on its way back is not followed by another."""
        idle = [record for record in self.records.values() if record.is_idle and not record.pinned and not record.queue]
        if idle and not self.unloading():
            self._stop_worker(min(idle, key=lambda record: record.idle_since or 0.0), "pressure")

    def _on_shutdown_started(self) -> None:
        self.closing = True
        for record in self.records.values():
            self._reject_queue(record, "shutting_down", "Senses is shutting down.")
            if record.state is ModelState.READY:
                self._unload(record, "shutdown")
            elif record.state is ModelState.STARTING:
                self._stop_worker(record, "shutdown")

    # -- the pump: runs after every event, and again changes nothing --------------------------------------------

    def _schedule(self) -> None:
        if self.closing:
            return
        for record in self._models_in_service_order():
            while record.queue and record.has_room and self.can_grant(record):
                self._grant(record)
            if record.is_idle and not record.queue and record.keep_alive_seconds == 0 and not record.pinned:
                self._stop_worker(record, "idle")
        while (admission := self._next_admission()) is not None:
            if not self._admit(admission):
                return

    def _models_in_service_order(self) -> list[ModelRecord]:
        """Put every queue in order, and the models in the order of who is served first."""
        for record in self.records.values():
            if len(record.queue) > 1:
                record.queue = fair_order(record.queue, record.last_served_round, self.now, self.limits.ageing_seconds)
        return sorted(self.records.values(), key=self.service_rank)

    def _next_admission(self) -> ModelRecord | None:
        """The oldest request that needs memory before it can go on; only batch work gives its place to a later one."""
        heads = [record for record in self.records.values() if record.queue and self.needs_memory(record)]
        if not heads:
            self.waiting_for_memory = None
            return None
        first = min(heads, key=self.service_rank)
        waiter = next((record for record in heads if record.name == self.waiting_for_memory), first)
        if self.service_rank(first)[0] < self.service_rank(waiter)[0]:
            waiter = first
        self.waiting_for_memory = waiter.name
        return waiter

    def _admit(self, record: ModelRecord) -> bool:
        """Start what was next, or make room for it; False while it has to wait."""
        need = self.missing_reservation_bytes(record)
        if need > self.budget_bytes:
            request = record.queue.pop(0)
            del self.requests[request.id]
            self._actions.append(_reject_too_large(request.id, record.name, need, self.budget_bytes))
            return True
        if need <= self.free_bytes:
            self.waiting_for_memory = None
            if record.state is ModelState.ABSENT:
                self._start_worker(record, need)
            else:
                self._grant(record)
            return True
        missing = need - self.free_bytes + self.excess_bytes - sum(other.charged_bytes for other in self.unloading())
        if missing > 0:
            self._make_room(record, missing)
        return False

    def _make_room(self, record: ModelRecord, missing_bytes: int) -> None:
        victims = self.policy([self.eviction_candidate(other) for other in self.evictable(record)], missing_bytes)
        if victims is None and self.is_starving(record):
            victims = self.policy([self.eviction_candidate(other) for other in self.drainable(record)], missing_bytes)
        for name in victims or ():
            self._unload(self.records[name], f"evicted for {record.name}")

    def _reclaim_over_budget(self) -> None:
        """Unload idle models, longest idle first, until the budget holds again."""
        for record in sorted(self.records.values(), key=lambda record: record.idle_since or 0.0):
            if sum(other.charged_bytes for other in self.unloading()) >= self.excess_bytes:
                return
            if record.is_idle and not record.pinned and not record.queue:
                self._stop_worker(record, "pressure")

    # -- transitions ---------------------------------------------------------------------------------------------

    def _start_worker(self, record: ModelRecord, reserved_bytes: int) -> None:
        record.incarnation += 1
        record.state, record.resident_bytes = ModelState.STARTING, reserved_bytes
        record.started_at, record.load_deadline = self.now, self.now + self.limits.load_seconds
        self._actions.append(StartWorker(record.name, record.incarnation, reserved_bytes))

    def _grant(self, record: ModelRecord) -> None:
        request = record.queue.pop(0)
        request.granted_at, record.active[request.id], record.idle_since = self.now, request, None
        waiting = {other.client for other in record.queue}
        turns = {client: turn for client, turn in record.last_served_round.items() if client in waiting}
        record.last_served_round = turns | {request.client: next_round(record.last_served_round)}
        asked = request.keep_alive_seconds
        record.keep_alive_seconds = record.spec.keep_alive_seconds if asked is None else asked
        self._actions.append(Grant(request.id, record.name, record.incarnation))

    def _unload(self, record: ModelRecord, reason: str) -> None:
        if record.active:
            record.state, record.unload_reason = ModelState.DRAINING, reason
        else:
            self._stop_worker(record, reason)

    def _stop_worker(self, record: ModelRecord, reason: str) -> None:
        record.state, record.unload_reason = ModelState.STOPPING, reason
        self._actions.append(StopWorker(record.name, record.incarnation, reason))

    def _reject_queue(self, record: ModelRecord, code: str, detail: str) -> None:
        waiting, record.queue = record.queue, []
        for request in waiting:
            self._reject(request, code, detail, 5.0)

    def _reject(self, request: QueuedRequest, code: str, detail: str, retry_after_seconds: float | None = None) -> None:
        del self.requests[request.id]
        if not request.cancelled:
            self._actions.append(RejectRequest(request.id, code, detail, retry_after_seconds))

    def _record_of_incarnation(self, model: str, incarnation: int) -> ModelRecord | None:
        record = self.records.get(model)
        return record if record is not None and record.incarnation == incarnation else None


def _reject_too_large(request_id: int, name: str, needed_bytes: int, available_bytes: int) -> RejectRequest:
    detail = f"{name} needs {format_bytes(needed_bytes)}, the budget leaves {format_bytes(available_bytes)}."
    return RejectRequest(request_id, "model_too_large", detail, None, needed_bytes, available_bytes)
