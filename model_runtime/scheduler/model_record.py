"""The scheduler's state as plain data, which tests copy, compare and explore. Times in seconds, sizes in bytes."""

from dataclasses import dataclass, field
from math import inf

from model_runtime.status import ModelState

CHARGED_STATES = (ModelState.STARTING, ModelState.READY, ModelState.DRAINING, ModelState.STOPPING)
"""States in which a process exists, so that its bytes are charged to the budget."""

SMOOTHING_FACTOR = 0.3
"""Weight of the newest measurement in every exponential moving average."""

DEFAULT_LOAD_SECONDS = 3.0
"""Expected time of a load that was never measured."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """What the scheduler knows of a model before its first load."""

    name: str
    needed_bytes: int
    load_seconds: float = DEFAULT_LOAD_SECONDS
    concurrency: int = 1
    keep_alive_seconds: float = 300.0
    """How long it stays loaded while idle; -1 means no limit."""
    pinned: bool = False
    lane: str = "light"
    """Its `lanes.Lane`: "heavy" or "light"."""


@dataclass(frozen=True, slots=True)
class SchedulerLimits:
    """Limits of queues, waiting times and retries."""

    queue_per_model: int = 200
    queue_total: int = 500
    queue_bytes: float = 512_000_000
    """Encoded size of all queued requests; one request may always wait, however large it is."""
    queue_seconds: float = 120.0
    """How much longer than estimated a request waits."""
    load_seconds: float = 180.0
    """A load without progress for this long is stopped."""
    starvation_seconds: float = 10.0
    """A request that has waited for memory this long is starving: busy models are drained for it."""
    ageing_seconds: float = 30.0
    """A batch request that has waited this long is served like an interactive one."""
    min_residency_seconds: float = 5.0
    """A loaded model that has not served a request yet is not evicted for this long, or for the duration of its load if
    that is longer; 0 turns this off."""
    warning_idle_seconds: float = 30.0
    """A warning of the system that memory is short unloads only models that have been idle for this long."""
    warning_interval_seconds: float = 300.0
    """A warning unloads a model at most once in this time: on a machine where it never ends, each call would load it."""
    attempts: int = 2
    """A queued request is rejected after this many failed loads."""
    retry_seconds: float = 30.0
    """Oldest age of a request that runs again after its worker died without output."""
    backoff_seconds: tuple[float, float] = (1.0, 60.0)
    """The first and the longest pause after failures; each failure doubles it."""
    short_backoff_seconds: float = 5.0
    """Requests queue during a pause that ends within this time; during a longer one they are rejected."""
    breaker_failures: int = 3
    """The circuit breaker opens after this many failures in a row."""
    breaker_seconds: tuple[float, float] = (60.0, 600.0)
    """The first and the longest pause while the breaker is open; each failed load doubles it."""
    failure_memory_seconds: float = 300.0
    """Failures further apart than this are not in a row."""


@dataclass(slots=True, eq=False)
class QueuedRequest:
    """One request between its arrival and its answer; `arrival_number` counts up over all models."""

    id: int
    model: str
    client: str
    arrival_number: int
    arrived_at: float
    timeout_seconds: float
    """How much longer than estimated it waits."""
    working_bytes: int
    keep_alive_seconds: float | None
    request_bytes: int = 0
    expires_at: float = inf
    is_batch: bool = False
    """Batch request: interactive requests are served first."""
    attempts: int = 0
    granted_at: float | None = None
    done_share: float = 0.0
    """The part of its work that is done, 0..1; 0 while unknown."""
    cancelled: bool = False


@dataclass(slots=True)
class ModelRecord:
    """One model: its process, its running requests (`active`) and its queue."""

    spec: ModelSpec
    pinned: bool
    needed_bytes: int
    keep_alive_seconds: float
    load_seconds: float
    service_seconds: float = 2.0
    """How long an interactive request runs: a moving average."""
    batch_service_seconds: float = 20.0
    """How long a batch request runs: a moving average."""
    state: ModelState = ModelState.ABSENT
    incarnation: int = 0
    resident_bytes: int = 0
    active: dict[int, QueuedRequest] = field(default_factory=dict)
    queue: list[QueuedRequest] = field(default_factory=list)
    idle_since: float | None = None
    kept_until: float = -inf
    """Until then an operator keeps it from being unloaded for idleness; its end forgets that."""
    started_at: float = 0.0
    load_deadline: float = 0.0
    last_served_round: dict[str, int] = field(default_factory=dict)
    """Client → round in which it was last served, for clients with queued requests."""
    ready_at: float = 0.0
    has_served: bool = False
    """Whether this process has finished a request."""
    failures: int = 0
    failed_at: float = 0.0
    retry_at: float = 0.0
    yielded_at: float = -inf
    """When a warning of the system last unloaded it."""
    unload_reason: str = ""
    """Why it is draining or stopping; see `StopWorker.reason`."""
    unload_detail: str = ""
    """See `StopWorker.detail`."""
    error: str = ""
    """The cause of the last failure."""
    failed_to_load: bool = False
    """Whether that failure was one of loading, not of a loaded model."""
    working_bytes: int = 0
    """The largest memory of one request on top of the loaded model."""

    @classmethod
    def from_spec(cls, spec: ModelSpec) -> "ModelRecord":
        """Return the record of a model that is not loaded."""
        return cls(spec, spec.pinned, spec.needed_bytes, spec.keep_alive_seconds, spec.load_seconds)

    @property
    def name(self) -> str:
        """The model's name."""
        return self.spec.name

    @property
    def charged_bytes(self) -> int:
        """Bytes charged to the budget: of the loaded model and of its running requests."""
        charged_bytes = self.resident_bytes
        for request in self.active.values():
            charged_bytes += request.working_bytes
        return charged_bytes

    @property
    def is_idle(self) -> bool:
        """Whether it is loaded and runs no request."""
        return self.state is ModelState.READY and not self.active

    @property
    def is_unused(self) -> bool:
        """Whether it is idle, not pinned, and has no queued request."""
        return self.is_idle and not self.pinned and not self.queue

    @property
    def has_room(self) -> bool:
        """Whether it is loaded and can run the head of its queue, or else any request, beside those that run."""
        if self.queue and self.queue[0].is_batch and not self.has_batch_room:
            return False
        return self.state is ModelState.READY and len(self.active) < self.spec.concurrency

    @property
    def batch_slots(self) -> int:
        """How many batch requests may run at once: half of all, so that an interactive request finds a free slot."""
        return max(1, self.spec.concurrency // 2)

    @property
    def has_batch_room(self) -> bool:
        """Whether fewer batch requests run than may run at once."""
        return sum(request.is_batch for request in self.active.values()) < self.batch_slots

    @property
    def queued_bytes(self) -> int:
        """Encoded size of its queued requests."""
        return sum(request.request_bytes for request in self.queue)

    @property
    def oldest_request(self) -> QueuedRequest:
        """The queued request that arrived first; fairness may have put others before it."""
        return min(self.queue, key=lambda request: request.arrival_number)

    def update_needed_bytes(self, measured_bytes: int) -> None:
        """Raise the estimate to the measurement, or lower it partly: one low measurement may be an outlier."""
        lowered = self.needed_bytes - int(SMOOTHING_FACTOR * (self.needed_bytes - measured_bytes))
        self.needed_bytes = max(measured_bytes, lowered)

    def record_service(self, request: QueuedRequest, seconds: float) -> None:
        """Count in the average how long a finished request ran."""
        if request.is_batch:
            self.batch_service_seconds += SMOOTHING_FACTOR * (seconds - self.batch_service_seconds)
        else:
            self.service_seconds += SMOOTHING_FACTOR * (seconds - self.service_seconds)
