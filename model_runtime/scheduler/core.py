"""The scheduler: events in, actions out. The caller passes the time with every event.

Invariants (`tests/model_runtime/scheduler/invariants.py` and `world.py` check them after every event):

    1. Charged bytes exceed the budget only after an under-estimate; then idle models are unloaded at once.
    2. A model's bytes are charged from before its process starts until after the process is reaped.
    3. A model has at most one process; events of an older incarnation change nothing.
    4. Only a READY model is granted requests, and no model is stopped while it runs one.
    5. Every request is in one queue or one active set and is answered once; a client's requests keep their order.
    6. At most one model waits for memory, and it reserves none while it waits, so there is no deadlock.
    7. A model is loaded only for a queued request.
"""

from collections.abc import Mapping
from dataclasses import replace
from math import inf

from model_runtime.scheduler.backoff import PERMANENT_FAILURE, backoff_after, count_failure
from model_runtime.scheduler.estimates import start_seconds
from model_runtime.scheduler.fairness import fair_order, next_round
from model_runtime.scheduler.messages import (
    BudgetChanged,
    CancelRequest,
    Grant,
    Kept,
    LimitsChanged,
    LoadProgressed,
    MemoryMeasured,
    MemoryPressure,
    ModelLoaded,
    PinChanged,
    ProgressMeasured,
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
    TimeSkipped,
    UnloadRequested,
    WorkerExited,
)
from model_runtime.scheduler.model_record import CHARGED_STATES, SMOOTHING_FACTOR, ModelRecord, ModelSpec, QueuedRequest
from model_runtime.scheduler.state import SchedulerState
from model_runtime.sizes import format_bytes
from model_runtime.status import ModelState

OOM_ESTIMATE_FACTOR = 1.25
"""The estimate of a model grows by this factor when the system may have killed its process for memory."""
OOM_ESTIMATE_LIMIT = 2
"""Upper bound as a multiple of the first estimate (and never above the budget): the process may have been killed for
another reason, so the estimate must not grow without limit."""


class Scheduler(SchedulerState):
    """Decides which models are in memory and which requests run. Its state changes only in `add` and `handle`."""

    _arrivals = 0
    _actions: list[SchedulerAction]

    def add(self, spec: ModelSpec) -> None:
        """Add a model; a known one keeps its state."""
        self.records.setdefault(spec.name, ModelRecord.from_spec(spec))

    def handle(self, now: float, event: SchedulerEvent) -> list[SchedulerAction]:
        """Process an event and return the actions to perform, in order.

        `now` is in seconds of a monotonic clock. The event's model must have been added before.
        """
        self.now = max(self.now, now)
        self._actions = []
        match event:
            case RequestArrived():
                self._on_request_arrived(event)
            case RequestCancelled(request):
                self._on_request_cancelled(request)
            case RequestFinished():
                self._on_request_finished(event)
            case ProgressMeasured(done_shares):
                self._on_progress_measured(done_shares)
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
            case Kept(model, seconds):
                self._on_kept(self.records[model], seconds)
            case LimitsChanged(limits, keep_alive_seconds):
                self.limits = limits
                self._on_keep_alive_changed(keep_alive_seconds)
            case BudgetChanged(budget_bytes):
                self.budget_bytes = budget_bytes
                self._reclaim_over_budget()
            case MemoryPressure(is_critical):
                self._on_memory_pressure(is_critical)
            case TimeSkipped(seconds):
                self._on_time_skipped(seconds)
            case ShutdownStarted():
                self._on_shutdown_started()
        self._schedule()
        return self._actions

    def _on_request_arrived(self, arrived: RequestArrived) -> None:
        record = self.records[arrived.model]
        timeout = arrived.queue_timeout_seconds
        request = QueuedRequest(
            id=arrived.request_id,
            model=arrived.model,
            client=arrived.client,
            arrival_number=self._arrivals + 1,
            arrived_at=self.now,
            timeout_seconds=self.limits.queue_seconds if timeout is None else timeout,
            working_bytes=arrived.working_bytes,
            keep_alive_seconds=arrived.keep_alive_seconds,
            request_bytes=arrived.request_bytes,
            is_batch=arrived.is_batch,
        )
        wait_seconds = self._wait_seconds(record, request)
        rejection = self._rejection(record, request, wait_seconds)
        if rejection is not None:
            self._actions.append(rejection)
            return
        request.expires_at = self.now + wait_seconds + request.timeout_seconds
        self._arrivals += 1
        self.requests[request.id] = request
        record.queue.append(request)
        record.working_bytes = max(record.working_bytes, request.working_bytes)

    def _wait_seconds(self, record: ModelRecord, request: QueuedRequest) -> float:
        """Estimate in how many seconds a request that is not queued would start."""
        queue = self._in_fair_order(record, [*record.queue, request])
        return start_seconds(record, queue, self.now)[queue.index(request)]

    def _rejection(self, record: ModelRecord, request: QueuedRequest, wait_seconds: float) -> RejectRequest | None:
        id_ = request.id
        if self.closing:
            return RejectRequest(id_, "shutting_down", "Senses is shutting down.", 5.0)
        pinned_bytes = sum(one.charged_bytes for one in self.records.values() if one.pinned and one is not record)
        needed_bytes, available_bytes = record.needed_bytes + request.working_bytes, self.budget_bytes - pinned_bytes
        if needed_bytes > available_bytes:
            return _reject_too_large(id_, record.name, needed_bytes, available_bytes)
        backoff_seconds = record.retry_at - self.now if record.state is ModelState.BACKOFF else 0.0
        if backoff_seconds == inf:
            return RejectRequest(id_, "load_failed", record.error)
        if backoff_seconds > self.limits.short_backoff_seconds:
            return RejectRequest(id_, "model_unavailable", f"{self.explain(record.name)}.", backoff_seconds)
        queued = self.queued
        if len(record.queue) >= self.limits.queue_per_model or queued >= self.limits.queue_total:
            return RejectRequest(id_, "queue_full", f"{queued} requests are waiting.", wait_seconds)
        if queued and self.queued_bytes + request.request_bytes > self.limits.queue_bytes:
            detail = f"{queued} requests with {format_bytes(self.queued_bytes)} are waiting."
            return RejectRequest(id_, "queue_full", detail, wait_seconds)
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

    def _on_request_finished(self, finished: RequestFinished) -> None:
        record = self._record_of_incarnation(finished.model, finished.incarnation)
        if record is None or finished.request_id not in record.active:
            return
        request = record.active.pop(finished.request_id)
        del self.requests[finished.request_id]
        record.has_served = True
        if finished.ok:
            record.failures = 0  # a finished request, not a load, closes the circuit breaker
            seconds = self.now - (request.granted_at or 0.0)
            record.record_service(request, seconds)
        if not record.active:
            self._on_idle(record)

    def _on_idle(self, record: ModelRecord) -> None:
        record.idle_since = self.now
        if not record.queue:
            record.last_served_round = {}
        if record.state is ModelState.DRAINING:
            self._stop_worker(record, record.unload_reason, record.unload_detail)

    def _on_progress_measured(self, done_shares: Mapping[int, float]) -> None:
        """Record the progress, and give the requests behind it the time that it says they need."""
        moving = set()
        for id_, done_share in done_shares.items():
            request = self.requests.get(id_)
            if request is not None and request.granted_at is not None and done_share > 0:
                request.done_share = done_share
                moving.add(request.model)
        for record in map(self.records.__getitem__, moving):
            for request, seconds in zip(record.queue, self.start_seconds(record), strict=True):
                request.expires_at = max(request.expires_at, self.now + seconds + request.timeout_seconds)

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
        was_stopped = record.state is ModelState.STOPPING and record.unload_reason != "load timeout"
        record.failed_to_load = record.state in (ModelState.STARTING, ModelState.STOPPING)
        interrupted, record.active = list(record.active.values()), {}
        if exited.oom_suspected:
            self._raise_estimate(record)
        record.resident_bytes, record.idle_since, record.kept_until = 0, None, -inf
        record.unload_reason, record.unload_detail = "", ""
        record.state = ModelState.ABSENT
        if exited.out_of_memory:
            self._unload_unused()
        retried = [
            request for request in interrupted if request.id in exited.retriable and self._can_retry(request, exited)
        ]
        for request in interrupted:
            if request in retried:
                request.granted_at, request.done_share = None, 0.0
            else:
                self._reject(request, "out_of_memory" if exited.out_of_memory else "worker_died", exited.cause)
        record.queue[:0] = retried
        if not was_stopped:
            self._back_off(record, exited)

    def _raise_estimate(self, record: ModelRecord) -> None:
        limit_bytes = min(OOM_ESTIMATE_LIMIT * record.spec.needed_bytes, self.budget_bytes - record.working_bytes)
        raised_bytes = min(int(record.needed_bytes * OOM_ESTIMATE_FACTOR), limit_bytes)
        record.needed_bytes = max(record.needed_bytes, raised_bytes)

    def _can_retry(self, request: QueuedRequest, exited: WorkerExited) -> bool:
        is_recent = exited.out_of_memory or self.now - request.arrived_at < self.limits.retry_seconds
        return is_recent and not request.attempts and not request.cancelled and not self.closing

    def _back_off(self, record: ModelRecord, exited: WorkerExited) -> None:
        record.failures = count_failure(record.failures, self.now - record.failed_at, self.limits)
        record.failed_at = self.now
        record.error = exited.cause or "the worker exited"
        code = "out_of_memory" if exited.out_of_memory else "load_failed"
        backoff = PERMANENT_FAILURE if exited.permanent else backoff_after(record.failures, self.limits)
        record.state, record.retry_at = ModelState.BACKOFF, self.now + backoff.seconds
        for request in list(record.queue):
            request.attempts += 1
            if backoff.rejects_queue or request.attempts >= self.limits.attempts:
                record.queue.remove(request)
                self._reject(request, code, record.error, None if exited.permanent else backoff.seconds)

    def _on_tick(self) -> None:
        for record in self.records.values():
            if record.state is ModelState.BACKOFF and self.now >= record.retry_at:
                record.state = ModelState.ABSENT
            if record.state is ModelState.STARTING and self.now >= record.load_deadline:
                self._stop_worker(record, "load timeout")
            if self.is_idle_expired(record):
                self._stop_worker(record, "idle")
            for request in [queued for queued in record.queue if self.now >= queued.expires_at]:
                record.queue.remove(request)
                wait_seconds = self._wait_seconds(record, request)
                self._reject(request, "queue_timeout", self.explain(record.name), wait_seconds)

    def _on_unload_requested(self, record: ModelRecord) -> None:
        if record.state is ModelState.READY:
            self._unload(record, "operator")
        elif record.state is ModelState.STARTING:
            self._stop_worker(record, "operator")
            detail = f"{record.name} was unloaded by an operator. The next request loads it again."
            self._reject_queue(record, "model_unavailable", detail)

    def _on_retry_requested(self, record: ModelRecord) -> None:
        record.failures, record.needed_bytes = 0, record.spec.needed_bytes
        if record.state is ModelState.BACKOFF:
            record.state = ModelState.ABSENT

    def _on_pin_changed(self, record: ModelRecord, pinned: bool) -> None:
        record.pinned = pinned
        if record.is_idle:
            record.idle_since = self.now

    def _on_keep_alive_changed(self, seconds_by_model: Mapping[str, float]) -> None:
        """Give models another time; one that its last request keeps for a time of its own keeps that."""
        for model, seconds in seconds_by_model.items():
            record = self.records[model]
            if record.keep_alive_seconds == record.spec.keep_alive_seconds:
                record.keep_alive_seconds = seconds
            record.spec = replace(record.spec, keep_alive_seconds=seconds)

    def _on_kept(self, record: ModelRecord, seconds: float) -> None:
        if record.state in CHARGED_STATES:
            record.kept_until = self.now + seconds

    def _on_memory_pressure(self, is_critical: bool) -> None:
        if is_critical:
            self._unload_unused()
            return
        yielding = [record for record in self.records.values() if self.yields_to_warning(record)]
        if yielding and not self.unloading():  # one at a time: its memory may already be enough
            record = min(yielding, key=lambda record: record.idle_since or 0.0)
            record.yielded_at = self.now
            self._stop_worker(record, "pressure")

    def _unload_unused(self) -> None:
        for record in self.records.values():
            if record.is_unused:
                self._stop_worker(record, "pressure")

    def _on_time_skipped(self, seconds: float) -> None:
        for record in self.records.values():
            record.load_deadline += seconds
            for request in record.queue:
                request.expires_at += seconds

    def _on_shutdown_started(self) -> None:
        self.closing = True
        for record in self.records.values():
            self._reject_queue(record, "shutting_down", "Senses is shutting down.")
            if record.state is ModelState.READY:
                self._unload(record, "shutdown")
            elif record.state is ModelState.STARTING:
                self._stop_worker(record, "shutdown")

    # -- scheduling ----------------------------------------------------------------------------------------------

    def _schedule(self) -> None:
        """Grant, unload and load what the state allows; a second call changes nothing."""
        if self.closing:
            return
        for record in self._waiting_in_service_order():
            while record.queue and record.has_room and self.can_grant(record):
                self._grant(record)
                record.queue = self._in_fair_order(record, record.queue)
        for record in self.records.values():
            if record.keep_alive_seconds == 0 and self.is_idle_expired(record):
                self._stop_worker(record, "idle")
        while (admission := self._next_admission()) is not None:
            if not self._admit(admission):
                return

    def _waiting_in_service_order(self) -> list[ModelRecord]:
        """Sort every queue, and return the models with one, sorted by its head."""
        waiting = [record for record in self.records.values() if record.queue]
        for record in waiting:
            record.queue = self._in_fair_order(record, record.queue)
        return sorted(waiting, key=self.service_rank)

    def _in_fair_order(self, record: ModelRecord, queue: list[QueuedRequest]) -> list[QueuedRequest]:
        """Sort the queue of a model. Batch requests yield to interactive ones without end while they have no free slot."""
        if len(queue) < 2:
            return queue
        ageing_seconds = self.limits.ageing_seconds if record.has_batch_room else inf
        return fair_order(queue, record.last_served_round, self.now, ageing_seconds)

    def _next_admission(self) -> ModelRecord | None:
        """Return the model whose next request waits for memory, or None.

        It keeps its place until it is admitted; only a batch request yields it to an interactive one.
        """
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
        """Load the model or grant its next request and return True; return False while memory has to be freed."""
        needed_bytes = self.missing_reservation_bytes(record)
        if needed_bytes > self.budget_bytes:
            request = record.queue.pop(0)
            del self.requests[request.id]
            self._actions.append(_reject_too_large(request.id, record.name, needed_bytes, self.budget_bytes))
            return True
        if needed_bytes <= self.free_bytes:
            self.waiting_for_memory = None
            if record.state is ModelState.ABSENT:
                self._start_worker(record, needed_bytes)
            else:
                self._grant(record)
            return True
        missing_bytes = needed_bytes - self.free_bytes + self.excess_bytes - self.unloading_bytes
        if missing_bytes > 0:
            self._make_room(record, missing_bytes)
        return False

    def _make_room(self, record: ModelRecord, missing_bytes: int) -> None:
        victims = self.policy([self.eviction_candidate(other) for other in self.evictable(record)], missing_bytes)
        if victims is None and self.is_starving(record):
            victims = self.policy([self.eviction_candidate(other) for other in self.drainable(record)], missing_bytes)
        needed_bytes = self.missing_reservation_bytes(record)
        detail = f"needed {format_bytes(needed_bytes)}, {format_bytes(self.free_bytes)} free"
        for name in victims or ():
            self._unload(self.records[name], f"evicted for {record.name}", detail)

    def _reclaim_over_budget(self) -> None:
        """Unload idle models, longest idle first, until the charged bytes fit the budget."""
        for record in sorted(self.records.values(), key=lambda record: record.idle_since or 0.0):
            if self.unloading_bytes >= self.excess_bytes:
                return
            if record.is_unused:
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
        waiting_clients = {other.client for other in record.queue}
        rounds = {client: number for client, number in record.last_served_round.items() if client in waiting_clients}
        record.last_served_round = rounds | {request.client: next_round(record.last_served_round)}
        keep_alive = request.keep_alive_seconds
        record.keep_alive_seconds = record.spec.keep_alive_seconds if keep_alive is None else keep_alive
        self._actions.append(Grant(request.id, record.name, record.incarnation))

    def _unload(self, record: ModelRecord, reason: str, detail: str = "") -> None:
        if record.active:
            record.state, record.unload_reason, record.unload_detail = ModelState.DRAINING, reason, detail
        else:
            self._stop_worker(record, reason, detail)

    def _stop_worker(self, record: ModelRecord, reason: str, detail: str = "") -> None:
        record.state, record.unload_reason = ModelState.STOPPING, reason
        self._actions.append(StopWorker(record.name, record.incarnation, reason, detail))

    def _reject_queue(self, record: ModelRecord, code: str, detail: str) -> None:
        queued, record.queue = record.queue, []
        for request in queued:
            self._reject(request, code, detail, 5.0)

    def _reject(self, request: QueuedRequest, code: str, detail: str, retry_after_seconds: float | None = None) -> None:
        del self.requests[request.id]
        if not request.cancelled:
            self._actions.append(RejectRequest(request.id, code, detail, retry_after_seconds))

    def _record_of_incarnation(self, model: str, incarnation: int) -> ModelRecord | None:
        record = self.records.get(model)
        return record if record is not None and record.incarnation == incarnation else None


def _reject_too_large(request_id: int, name: str, needed_bytes: int, available_bytes: int) -> RejectRequest:
    detail = f"{name} needs {format_bytes(needed_bytes)}; the budget leaves {format_bytes(available_bytes)}."
    return RejectRequest(request_id, "model_too_large", detail, None, needed_bytes, available_bytes)
