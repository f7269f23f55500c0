"""The scheduler's state and the questions about it: what waits, what may run, what may be unloaded. Reads only."""

from collections.abc import Iterable, Iterator

from model_runtime.scheduler.estimates import start_seconds
from model_runtime.scheduler.eviction import EvictionCandidate, EvictionPolicy, least_recently_used
from model_runtime.scheduler.fairness import yields_to_interactive
from model_runtime.scheduler.lanes import NO_LANES, Lanes, lane_admits
from model_runtime.scheduler.model_record import CHARGED_STATES, ModelRecord, ModelSpec, QueuedRequest, SchedulerLimits
from model_runtime.sizes import format_bytes
from model_runtime.status import ModelState


class SchedulerState:
    """Models, requests, the budget and the time. Only `Scheduler` changes it."""

    def __init__(
        self,
        specs: Iterable[ModelSpec],
        budget_bytes: int,
        limits: SchedulerLimits | None = None,
        policy: EvictionPolicy = least_recently_used,
        lanes: Lanes = NO_LANES,
    ) -> None:
        self.records = {spec.name: ModelRecord.from_spec(spec) for spec in specs}
        self.requests: dict[int, QueuedRequest] = {}
        self.budget_bytes = budget_bytes
        self.limits = limits or SchedulerLimits()
        self.policy = policy
        self.lanes = dict(lanes)
        self.now = 0.0
        self.closing = False
        self.waiting_for_memory: str | None = None
        """Name of the one model that waits for memory."""

    @property
    def charged_bytes(self) -> int:
        """Bytes charged to the budget by all models."""
        charged_bytes = 0
        for record in self.records.values():
            charged_bytes += record.charged_bytes
        return charged_bytes

    @property
    def free_bytes(self) -> int:
        """Bytes of the budget that are not charged; 0 after an under-estimate."""
        return max(self.budget_bytes - self.charged_bytes, 0)

    @property
    def excess_bytes(self) -> int:
        """Bytes charged beyond the budget after an under-estimate; else 0."""
        return max(self.charged_bytes - self.budget_bytes, 0)

    @property
    def unloading_bytes(self) -> int:
        """Charged bytes of the models that are being unloaded."""
        return sum(record.charged_bytes for record in self.unloading())

    @property
    def queued(self) -> int:
        """Number of queued requests of all models."""
        return sum([len(record.queue) for record in self.records.values()])

    @property
    def queued_bytes(self) -> int:
        """Encoded size of the queued requests of all models."""
        return sum([record.queued_bytes for record in self.records.values()])

    def start_seconds(self, record: ModelRecord) -> list[float]:
        """Estimate for each queued request of a model, in order, in how many seconds it starts."""
        return start_seconds(record, record.queue, self.now)

    def explain(self, model: str) -> str:
        """Return a clause for users that says what a queued request of this model waits for."""
        record = self.records[model]
        if record.state is ModelState.STARTING:
            return f"{model} is loading"
        if record.state is ModelState.READY and record.has_room and not self.lane_is_free(record):
            return f"{model} is waiting for the GPU"
        if record.state is ModelState.READY:
            return f"{model} is busy ({len(record.active)} running)"
        if record.state in CHARGED_STATES:
            return f"{model} is being unloaded ({record.unload_reason}) and will be loaded again"
        if record.state is ModelState.BACKOFF:
            return f"{model} failed ({record.error}); next attempt in {record.retry_at - self.now:.0f} s"
        needed_bytes = self.missing_reservation_bytes(record) if record.queue else record.needed_bytes
        sizes = f"needs {format_bytes(needed_bytes)}, {format_bytes(self.free_bytes)} is free"
        return f"{model} {sizes}; {self._explain_memory_wait(record, needed_bytes)}"

    def _explain_memory_wait(self, record: ModelRecord, needed_bytes: int) -> str:
        if unloading := [other.name for other in self.unloading()]:
            return f"waiting for {' and '.join(unloading)} to unload"
        missing_bytes = needed_bytes - self.free_bytes + self.excess_bytes
        if missing_bytes <= 0:
            return "waiting for its turn"
        victims = self.policy([self.eviction_candidate(other) for other in self.drainable(record)], missing_bytes)
        if victims is None:
            return "unloading every unpinned model would not free enough"
        return f"waiting for {' and '.join(victims)} to finish and unload"

    def is_idle_expired(self, record: ModelRecord) -> bool:
        """Return whether a model has been idle for as long as it is kept loaded."""
        if not record.is_idle or record.queue or record.pinned or record.keep_alive_seconds < 0:
            return False
        return self.now >= max((record.idle_since or 0.0) + record.keep_alive_seconds, record.kept_until)

    def yields_to_warning(self, record: ModelRecord) -> bool:
        """Return whether a warning that memory is short may unload the model: idle for long, and not again and again."""
        if not record.is_unused or self.now - record.yielded_at < self.limits.warning_interval_seconds:
            return False
        return self.now - (record.idle_since or 0.0) >= self.limits.warning_idle_seconds

    def service_rank(self, record: ModelRecord) -> tuple[bool, float]:
        """Return the sort key of a model with a queue: interactive before batch, then by arrival of the head of its queue."""
        head = record.queue[0]
        return yields_to_interactive(head, self.now, self.limits.ageing_seconds), head.arrival_number

    def can_grant(self, record: ModelRecord) -> bool:
        """Return whether a model that has room may run the head of its queue now."""
        return record.queue[0].working_bytes <= self.free_bytes and self.lane_is_free(record)

    def lane_is_free(self, record: ModelRecord) -> bool:
        """Return whether the model's GPU lane admits the head of its queue."""
        if not self.lanes:
            return True
        overdue = {
            other.name: other.oldest_request.arrival_number
            for other in self.records.values()
            if other.state is ModelState.READY and other.queue and self.is_starving(other)
        }
        return lane_admits(record, self.records.values(), self.lanes, overdue)

    def needs_memory(self, record: ModelRecord) -> bool:
        """Return whether the head of the queue needs a reservation of memory before it can run."""
        if record.state is ModelState.ABSENT:
            return True
        return record.has_room and record.queue[0].working_bytes > self.free_bytes and self.lane_is_free(record)

    def missing_reservation_bytes(self, record: ModelRecord) -> int:
        """Return the bytes to reserve for the head of the queue, and for the model if it is not loaded."""
        working_bytes = record.queue[0].working_bytes
        return record.needed_bytes + working_bytes if record.state is ModelState.ABSENT else working_bytes

    def evictable(self, waiter: ModelRecord) -> Iterator[ModelRecord]:
        """Yield the idle models that may be unloaded for the waiting model."""
        for record in self.records.values():
            is_needed = record.pinned or record.queue or record is waiter or self._is_newly_loaded(record)
            if record.is_idle and not is_needed:
                yield record

    def drainable(self, waiter: ModelRecord) -> Iterator[ModelRecord]:
        """Yield the models, busy ones too, that may be unloaded for a starving model."""
        for record in self.records.values():
            if record.state is ModelState.READY and record is not waiter and not record.pinned:
                yield record

    def _is_newly_loaded(self, record: ModelRecord) -> bool:
        """Return whether it is too new to evict; without this, two models could evict each other without end."""
        minimum_seconds = self.limits.min_residency_seconds
        if not minimum_seconds or record.has_served:
            return False
        return self.now - record.ready_at < max(minimum_seconds, record.load_seconds)

    def eviction_candidate(self, record: ModelRecord) -> EvictionCandidate:
        """Return the model as the eviction policy's input."""
        idle_seconds = self.now - record.idle_since if record.idle_since is not None else 0.0
        return EvictionCandidate(record.name, record.charged_bytes, idle_seconds)

    def unloading(self) -> list[ModelRecord]:
        """Return the models that are draining or stopping: their memory will be freed."""
        states = (ModelState.STOPPING, ModelState.DRAINING)
        return [record for record in self.records.values() if record.state in states]

    def is_starving(self, record: ModelRecord) -> bool:
        """Return whether the oldest queued request has waited too long, or twice the model's load time if longer."""
        limit_seconds = max(self.limits.starvation_seconds, 2 * record.load_seconds)
        return self.now - record.oldest_request.arrived_at >= limit_seconds
