"""What the scheduler knows, and what follows from it: who waits for what, who may run, who may leave. Only reading."""

from collections.abc import Iterable, Iterator
from math import inf

from model_runtime.scheduler.eviction import EvictionCandidate, EvictionPolicy, least_recently_used
from model_runtime.scheduler.fairness import yields_to_interactive
from model_runtime.scheduler.lanes import NO_LANES, Lanes, lane_admits
from model_runtime.scheduler.model_record import CHARGED_STATES, ModelRecord, ModelSpec, QueuedRequest, SchedulerLimits
from model_runtime.sizes import format_bytes
from model_runtime.status import ModelState


class SchedulerState:
    """Models, requests, the budget and the time. `Scheduler` is the only one to change it."""

    def __init__(
        self,
        specs: Iterable[ModelSpec],
        budget_bytes: int,
        limits: SchedulerLimits | None = None,
        policy: EvictionPolicy = least_recently_used,
        lanes: Lanes = NO_LANES,
    ) -> None:
        self.records = {plan.name: ModelRecord.from_spec(plan) for plan in specs}
        self.requests: dict[int, QueuedRequest] = {}
        self.budget_bytes = budget_bytes
        self.limits = limits or SchedulerLimits()
        self.policy = policy
        self.lanes = dict(lanes)
        self.now = 0.0
        self.closing = False
        self.waiting_for_memory: str | None = None
        """The one model whose admission waits for memory."""

    @property
    def charged_bytes(self) -> int:
        """What all processes together take from the budget."""
        charged_bytes = 0
        for record in self.records.values():
            charged_bytes += record.charged_bytes
        return charged_bytes

    @property
    def free_bytes(self) -> int:
        """What is left of the budget; 0 after an under-estimate."""
        return max(self.budget_bytes - self.charged_bytes, 0)

    @property
    def excess_bytes(self) -> int:
        """By how much an under-estimate broke the budget; 0 in all other cases."""
        return max(self.charged_bytes - self.budget_bytes, 0)

    def position(self, request_id: int) -> int:
        """Tell how many requests of its model are served before this one, plus one; 0 once it runs or is gone."""
        request = self.requests.get(request_id)
        if request is None or request.granted_at is not None:
            return 0
        return self.records[request.model].queue.index(request) + 1

    def explain(self, model: str) -> str:
        """Say in a sentence what a waiting request of this model waits for."""
        record = self.records[model]
        if record.state is ModelState.STARTING:
            return f"{model} is loading"
        if record.state is ModelState.READY and record.has_room and not self.lane_is_free(record):
            return f"{model} waits for the GPU"
        if record.state is ModelState.READY:
            return f"{model} is busy with {len(record.active)} running"
        if record.state in CHARGED_STATES:
            return f"{model} is being unloaded ({record.unload_reason}) and will be loaded again"
        if record.state is ModelState.BACKOFF:
            return f"{model} failed and rests: {record.error}"
        needed = self.missing_reservation_bytes(record) if record.queue else record.needed_bytes
        short = f"{model} needs {format_bytes(needed)}, {format_bytes(self.free_bytes)} is free"
        return f"{short}, {self._explain_memory_wait(record, needed)}"

    def _explain_memory_wait(self, record: ModelRecord, needed_bytes: int) -> str:
        """Say whose memory it waits for."""
        if leaving := [other.name for other in self.unloading()]:
            return f"waiting for {' and '.join(leaving)} to leave"
        missing = needed_bytes - self.free_bytes + self.excess_bytes
        if missing <= 0:
            return "waiting for its turn"
        victims = self.policy([self.eviction_candidate(other) for other in self.drainable(record)], missing)
        if victims is None:
            return "and what the others hold together is too little: pinned models stay"
        return f"waiting for {' and '.join(victims)} to be done, to be evicted then"

    def is_idle_expired(self, record: ModelRecord) -> bool:
        """Whether an idle model has had its time."""
        if not record.is_idle or record.queue or record.pinned or record.keep_alive_seconds < 0:
            return False
        return self.now - (record.idle_since or 0.0) >= record.keep_alive_seconds

    def service_rank(self, record: ModelRecord) -> tuple[bool, float]:
        """Sort models by who is served first: interactive work before batch, then as the heads of their queues came."""
        if not record.queue:
            return True, inf
        head = record.queue[0]
        return yields_to_interactive(head, self.now, self.limits.ageing_seconds), head.arrival_number

    def can_grant(self, record: ModelRecord) -> bool:
        """Whether the head of the queue may run now on a model that has room."""
        return record.queue[0].working_bytes <= self.free_bytes and self.lane_is_free(record)

    def lane_is_free(self, record: ModelRecord) -> bool:
        """Whether the GPU has room for the head of the queue."""
        if not self.lanes:
            return True
        overdue = {
            other.name: other.oldest_request.arrival_number
            for other in self.records.values()
            if other.state is ModelState.READY and other.queue and self.is_starving(other)
        }
        return lane_admits(record, self.records.values(), self.lanes, overdue)

    def needs_memory(self, record: ModelRecord) -> bool:
        """Whether the head of the queue needs memory before it can go on."""
        if record.state is ModelState.ABSENT:
            return True
        return record.has_room and record.queue[0].working_bytes > self.free_bytes and self.lane_is_free(record)

    def missing_reservation_bytes(self, record: ModelRecord) -> int:
        """How many bytes that is."""
        working = record.queue[0].working_bytes
        return record.needed_bytes + working if record.state is ModelState.ABSENT else working

    def evictable(self, waiter: ModelRecord) -> Iterator[ModelRecord]:
        """Idle models that may leave for the waiter."""
        for record in self.records.values():
            is_needed = record.pinned or record.queue or record is waiter or self._is_newly_loaded(record)
            if record.is_idle and not is_needed:
                yield record

    def drainable(self, waiter: ModelRecord) -> Iterator[ModelRecord]:
        """Models, busy ones too, that leave for a waiter who has lost patience."""
        for record in self.records.values():
            if record.state is ModelState.READY and record is not waiter and not record.pinned:
                yield record

    def _is_newly_loaded(self, record: ModelRecord) -> bool:
        """A model that served nobody yet is kept for a while, so that two do not push each other out for ever."""
        guard_seconds = self.limits.min_residency_seconds and max(
            self.limits.min_residency_seconds, record.load_seconds
        )
        return not record.has_served and self.now - record.ready_at < guard_seconds

    def eviction_candidate(self, record: ModelRecord) -> EvictionCandidate:
        """A model as the eviction policy sees it."""
        idle = self.now - record.idle_since if record.idle_since is not None else 0.0
        return EvictionCandidate(record.name, record.charged_bytes, idle)

    def unloading(self) -> list[ModelRecord]:
        """Models whose memory is on its way back."""
        leaving = (ModelState.STOPPING, ModelState.DRAINING)
        return [record for record in self.records.values() if record.state in leaving]

    def is_starving(self, record: ModelRecord) -> bool:
        """Whether the oldest of the queue has been overtaken for long enough."""
        return self.now - record.oldest_request.arrived_at >= max(
            self.limits.starvation_seconds, 2 * record.load_seconds
        )
