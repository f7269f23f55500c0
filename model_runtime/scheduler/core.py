"""The scheduler: one writer, happenings in, actions out, the clock given with every happening.

What always holds (checked by `invariants.violations` in every test):

    1. Charged bytes never exceed the budget, but for an under-estimate, which is shed as soon as it shows.
    2. Bytes are charged from before a process is spawned until after it is reaped.
    3. A model has at most one process; whatever an older incarnation reports changes nothing.
    4. A lease and an eviction never overlap: only READY models are granted, only idle ones are stopped.
    5. Every request is in exactly one place and is answered exactly once; each client's are served in their order.
    6. Only one admission at a time waits for memory, and it holds nothing; so nothing can deadlock.
    7. Nothing is loaded that nobody waits for.
"""

from math import inf

from model_runtime.scheduler.backoff import FOR_EVER, failures_now, rest_after
from model_runtime.scheduler.fairness import in_turn, next_turn
from model_runtime.scheduler.messages import (
    Action,
    Arrived,
    BudgetChanged,
    Closing,
    Ended,
    Exited,
    Grant,
    Happening,
    Left,
    Loaded,
    LoadProgressed,
    Measured,
    PinChanged,
    Pressed,
    Refuse,
    Retried,
    Revoke,
    Spawn,
    Stop,
    Tick,
    UnloadWanted,
)
from model_runtime.scheduler.model_record import CHARGED, SMOOTHING, ModelPlan, Record, Request
from model_runtime.scheduler.state import GIGABYTE, State
from model_runtime.status import ModelState

STARVED_FACTOR = 1.25
"""By how much the estimate of a model rises that the system may have killed for memory."""
STARVED_LIMIT = 2
"""Times the first estimate, and never beyond the budget: somebody else may have killed it, and it must not become too
large for ever."""


class Scheduler(State):
    """Decides which models are in memory and which requests run. `handle` is the only way in."""

    _arrivals = 0
    _actions: list[Action]

    # -- writing -------------------------------------------------------------------------------------------------

    def add(self, plan: ModelPlan) -> None:
        """Take in a model that was not known at the start; one that is known keeps its state."""
        self.records.setdefault(plan.name, Record.of(plan))

    def handle(self, now: float, happening: Happening) -> list[Action]:
        """Take in what happened and return what is to be done, in order. `now` never goes back."""
        self.now = max(self.now, now)
        self._actions = []
        match happening:
            case Arrived():
                self._arrived(happening)
            case Left(request):
                self._left(request)
            case Ended():
                self._ended(happening)
            case LoadProgressed(model, incarnation):
                self._progressed(model, incarnation)
            case Loaded():
                self._loaded(happening)
            case Measured():
                self._measured(happening)
            case Exited():
                self._exited(happening)
            case Tick():
                self._tick()
            case UnloadWanted(model):
                self._unload_wanted(self.records[model])
            case Retried(model):
                self._retried(self.records[model])
            case PinChanged(model, pinned):
                self._pin_changed(self.records[model], pinned)
            case BudgetChanged(budget_bytes):
                self.budget_bytes = budget_bytes
                self._shed()
            case Pressed():
                self._pressed()
            case Closing():
                self._close()
        self._pump()
        return self._actions

    def _arrived(self, arrived: Arrived) -> None:
        record = self.records[arrived.model]
        refusal = self._refusal(record, arrived)
        if refusal is not None:
            self._actions.append(refusal)
            return
        patience = self.limits.queue_seconds if arrived.patience_seconds is None else arrived.patience_seconds
        self._arrivals += 1
        request = Request(
            id=arrived.request,
            model=arrived.model,
            client=arrived.client,
            order=self._arrivals,
            arrived_at=self.now,
            expires_at=self.now + patience,
            working_bytes=arrived.working_bytes,
            keep_alive_seconds=arrived.keep_alive_seconds,
            is_batch=arrived.is_batch,
        )
        self.requests[request.id] = request
        record.queue.append(request)
        record.working_bytes = max(record.working_bytes, request.working_bytes)

    def _refusal(self, record: Record, arrived: Arrived) -> Refuse | None:
        if self.closing:
            return Refuse(arrived.request, "shutting_down", "Senses is shutting down.", 5.0)
        pinned = sum(other.charged_bytes for other in self.records.values() if other.pinned and other is not record)
        needed = record.needed_bytes + arrived.working_bytes
        if needed > self.budget_bytes - pinned:
            return _too_large(arrived.request, record.name, needed, self.budget_bytes - pinned)
        wait = record.not_before - self.now
        if record.state is ModelState.BACKOFF and wait == inf:
            return Refuse(arrived.request, "load_failed", record.error)
        if record.state is ModelState.BACKOFF and wait > self.limits.short_pause_seconds:
            return Refuse(arrived.request, "model_unavailable", f"{record.name} rests after: {record.error}", wait)
        waiting = sum(len(other.queue) for other in self.records.values())
        if len(record.queue) >= self.limits.queue_per_model or waiting >= self.limits.queue_total:
            wait = record.wait_seconds(len(record.queue))
            return Refuse(arrived.request, "queue_full", f"{waiting} requests wait already.", wait)
        return None

    def _left(self, request_id: int) -> None:
        request = self.requests.get(request_id)
        if request is None or request.revoked:
            return
        record = self.records[request.model]
        if request.granted_at is None:
            record.queue.remove(request)
            del self.requests[request_id]
        else:
            request.revoked = True
            self._actions.append(Revoke(request_id, record.name, record.incarnation))

    def _ended(self, ended: Ended) -> None:
        record = self._current(ended.model, ended.incarnation)
        if record is None or ended.request not in record.active:
            return
        request = record.active.pop(ended.request)
        del self.requests[ended.request]
        record.has_served = True
        if ended.ok:
            record.failures = 0
            seconds = self.now - (request.granted_at or self.now)
            record.service_seconds += SMOOTHING * (seconds - record.service_seconds)
        if not record.active:
            self._became_idle(record)

    def _became_idle(self, record: Record) -> None:
        record.idle_since = self.now
        if not record.queue:
            record.turns = {}
        if record.state is ModelState.DRAINING:
            self._stop(record, record.leaving)

    def _progressed(self, model: str, incarnation: int) -> None:
        record = self._current(model, incarnation)
        if record is not None and record.state is ModelState.STARTING:
            record.load_deadline = self.now + self.limits.load_seconds

    def _loaded(self, loaded: Loaded) -> None:
        record = self._current(loaded.model, loaded.incarnation)
        if record is None or record.state is not ModelState.STARTING:
            return
        seconds = self.now - record.started_at
        record.load_seconds += SMOOTHING * (seconds - record.load_seconds)
        record.learn_need(loaded.measured_bytes)
        record.resident_bytes = loaded.measured_bytes
        record.state, record.idle_since, record.error = ModelState.READY, self.now, ""
        record.ready_at, record.has_served = self.now, False
        self._shed()

    def _measured(self, measured: Measured) -> None:
        record = self._current(measured.model, measured.incarnation)
        if record is not None and record.is_idle:
            record.resident_bytes = max(measured.measured_bytes, 1)
            self._shed()

    def _exited(self, exited: Exited) -> None:
        record = self._current(exited.model, exited.incarnation)
        if record is None or record.state not in CHARGED:
            return
        wanted = record.state is ModelState.STOPPING and record.leaving != "load timeout"
        lost, record.active = list(record.active.values()), {}
        if exited.starved:
            limit_bytes = min(STARVED_LIMIT * record.plan.needed_bytes, self.budget_bytes - record.working_bytes)
            more_bytes = min(int(record.needed_bytes * STARVED_FACTOR), limit_bytes)
            record.needed_bytes = max(record.needed_bytes, more_bytes)
        record.resident_bytes, record.idle_since, record.leaving = 0, None, ""
        record.state = ModelState.ABSENT
        again = [request for request in lost if request.id in exited.untouched and self._may_retry(request)]
        for request in lost:
            if request in again:
                request.granted_at = None
            else:
                self._refuse(request, "worker_died", exited.cause)
        record.queue[:0] = again
        if not wanted:
            self._fail(record, exited)

    def _may_retry(self, request: Request) -> bool:
        young = self.now - request.arrived_at < self.limits.retry_seconds
        return young and not request.attempts and not request.revoked and not self.closing

    def _fail(self, record: Record, exited: Exited) -> None:
        record.failures = failures_now(record.failures, self.now - record.failed_at, self.limits)
        record.failed_at = self.now
        record.error = exited.cause or "the worker process ended"
        rest = FOR_EVER if exited.permanent else rest_after(record.failures, self.limits)
        record.state, record.not_before = ModelState.BACKOFF, self.now + rest.seconds
        for request in list(record.queue):
            request.attempts += 1
            if rest.refuses or request.attempts >= self.limits.attempts:
                record.queue.remove(request)
                self._refuse(request, "load_failed", record.error, None if exited.permanent else rest.seconds)

    def _tick(self) -> None:
        for record in self.records.values():
            if record.state is ModelState.BACKOFF and self.now >= record.not_before:
                record.state = ModelState.ABSENT
            if record.state is ModelState.STARTING and self.now >= record.load_deadline:
                self._stop(record, "load timeout")
            if self.is_overdue(record):
                self._stop(record, "idle")
            for request in [waiting for waiting in record.queue if self.now >= waiting.expires_at]:
                wait = record.wait_seconds(len(record.queue))
                record.queue.remove(request)
                self._refuse(request, "queue_timeout", self.explain(record.name), wait)

    def _unload_wanted(self, record: Record) -> None:
        if record.state is ModelState.READY:
            self._send_away(record, "operator")
        elif record.state is ModelState.STARTING:
            self._stop(record, "operator")
            self._refuse_queue(record, "model_unavailable", f"{record.name} was stopped by an operator.")

    def _retried(self, record: Record) -> None:
        record.failures, record.needed_bytes = 0, record.plan.needed_bytes
        if record.state is ModelState.BACKOFF:
            record.state = ModelState.ABSENT

    def _pin_changed(self, record: Record, pinned: bool) -> None:
        record.pinned = pinned
        if record.is_idle:
            record.idle_since = self.now

    def _pressed(self) -> None:
        """One at a time, so that a model whose memory is on its way back is not followed by another."""
        idle = [record for record in self.records.values() if record.is_idle and not record.pinned and not record.queue]
        if idle and not self.leaving():
            self._stop(min(idle, key=lambda record: record.idle_since or 0.0), "pressure")

    def _close(self) -> None:
        self.closing = True
        for record in self.records.values():
            self._refuse_queue(record, "shutting_down", "Senses is shutting down.")
            if record.state is ModelState.READY:
                self._send_away(record, "shutdown")
            elif record.state is ModelState.STARTING:
                self._stop(record, "shutdown")

    # -- the pump: runs after every happening, and again changes nothing --------------------------------------------

    def _pump(self) -> None:
        if self.closing:
            return
        for record in self._in_turn():
            while record.queue and record.has_room and self.may_grant(record):
                self._grant(record)
            if record.is_idle and not record.queue and record.keep_alive_seconds == 0 and not record.pinned:
                self._stop(record, "idle")
        while (admission := self._next_admission()) is not None:
            if not self._admit(admission):
                return

    def _in_turn(self) -> list[Record]:
        """Put every queue in order, and the models in the order of who is served first."""
        for record in self.records.values():
            record.queue = in_turn(record.queue, record.turns, self.now, self.limits.ageing_seconds)
        return sorted(self.records.values(), key=self.rank)

    def _next_admission(self) -> Record | None:
        """The oldest request that needs memory before it can go on; only batch work gives its place to a later one."""
        heads = [record for record in self.records.values() if record.queue and self.wants_memory(record)]
        if not heads:
            self.memory_waiter = None
            return None
        first = min(heads, key=self.rank)
        waiter = next((record for record in heads if record.name == self.memory_waiter), first)
        if self.rank(first)[0] < self.rank(waiter)[0]:
            waiter = first
        self.memory_waiter = waiter.name
        return waiter

    def _admit(self, record: Record) -> bool:
        """Start what was next, or make room for it; False while it has to wait."""
        need = self.need(record)
        if need > self.budget_bytes:
            request = record.queue.pop(0)
            del self.requests[request.id]
            self._actions.append(_too_large(request.id, record.name, need, self.budget_bytes))
            return True
        if need <= self.free_bytes:
            self.memory_waiter = None
            if record.state is ModelState.ABSENT:
                self._spawn(record, need)
            else:
                self._grant(record)
            return True
        missing = need - self.free_bytes + self.excess_bytes - sum(other.charged_bytes for other in self.leaving())
        if missing > 0:
            self._make_room(record, missing)
        return False

    def _make_room(self, record: Record, missing_bytes: int) -> None:
        victims = self.policy([self.resident(other) for other in self.evictable(record)], missing_bytes)
        if victims is None and self.lost_patience(record):
            victims = self.policy([self.resident(other) for other in self.occupants(record)], missing_bytes)
        for name in victims or ():
            self._send_away(self.records[name], f"evicted for {record.name}")

    def _shed(self) -> None:
        """Unload idle models, longest idle first, until the budget holds again."""
        for record in sorted(self.records.values(), key=lambda record: record.idle_since or 0.0):
            if sum(other.charged_bytes for other in self.leaving()) >= self.excess_bytes:
                return
            if record.is_idle and not record.pinned and not record.queue:
                self._stop(record, "pressure")

    # -- transitions ---------------------------------------------------------------------------------------------

    def _spawn(self, record: Record, reserved_bytes: int) -> None:
        record.incarnation += 1
        record.state, record.resident_bytes = ModelState.STARTING, reserved_bytes
        record.started_at, record.load_deadline = self.now, self.now + self.limits.load_seconds
        self._actions.append(Spawn(record.name, record.incarnation, reserved_bytes))

    def _grant(self, record: Record) -> None:
        request = record.queue.pop(0)
        request.granted_at, record.active[request.id], record.idle_since = self.now, request, None
        waiting = {other.client for other in record.queue}
        turns = {client: turn for client, turn in record.turns.items() if client in waiting}
        record.turns = turns | {request.client: next_turn(record.turns)}
        asked = request.keep_alive_seconds
        record.keep_alive_seconds = record.plan.keep_alive_seconds if asked is None else asked
        self._actions.append(Grant(request.id, record.name, record.incarnation))

    def _send_away(self, record: Record, reason: str) -> None:
        if record.active:
            record.state, record.leaving = ModelState.DRAINING, reason
        else:
            self._stop(record, reason)

    def _stop(self, record: Record, reason: str) -> None:
        record.state, record.leaving = ModelState.STOPPING, reason
        self._actions.append(Stop(record.name, record.incarnation, reason))

    def _refuse_queue(self, record: Record, code: str, detail: str) -> None:
        waiting, record.queue = record.queue, []
        for request in waiting:
            self._refuse(request, code, detail, 5.0)

    def _refuse(self, request: Request, code: str, detail: str, retry_after_seconds: float | None = None) -> None:
        del self.requests[request.id]
        if not request.revoked:
            self._actions.append(Refuse(request.id, code, detail, retry_after_seconds))

    def _current(self, model: str, incarnation: int) -> Record | None:
        record = self.records.get(model)
        return record if record is not None and record.incarnation == incarnation else None


def _too_large(request_id: int, name: str, needed_bytes: int, available_bytes: int) -> Refuse:
    detail = f"{name} needs {needed_bytes / GIGABYTE:.1f} GB, the budget leaves {available_bytes / GIGABYTE:.1f} GB."
    return Refuse(request_id, "model_too_large", detail, None, needed_bytes, available_bytes)
