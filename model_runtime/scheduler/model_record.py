"""The scheduler's state as plain data, which tests copy, compare and explore. Times in seconds, sizes in bytes."""

from dataclasses import dataclass, field

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

    queue_per_model: int = 8
    queue_total: int = 32
    queue_seconds: float = 120.0
    load_seconds: float = 180.0
    """A load without progress for this long is stopped."""
    starvation_seconds: float = 10.0
    """A request that has waited for memory this long is starving: busy models are drained for it."""
    ageing_seconds: float = 30.0
    """A batch request that has waited this long is served like an interactive one."""
    min_residency_seconds: float = 5.0
    """A loaded model that has not served a request yet is not evicted for this long, or for the duration of its load if
    that is longer; 0 turns this off."""
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


@dataclass(slots=True)
class QueuedRequest:
    """One request between its arrival and its answer; `arrival_number` counts up over all models."""

    id: int
    model: str
    client: str
    arrival_number: int
    arrived_at: float
    expires_at: float
    working_bytes: int
    keep_alive_seconds: float | None
    is_batch: bool = False
    """Batch request: interactive requests are served first."""
    attempts: int = 0
    granted_at: float | None = None
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
    state: ModelState = ModelState.ABSENT
    incarnation: int = 0
    resident_bytes: int = 0
    active: dict[int, QueuedRequest] = field(default_factory=dict)
    queue: list[QueuedRequest] = field(default_factory=list)
    idle_since: float | None = None
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
    unload_reason: str = ""
    """Why it is draining or stopping; see `StopWorker.reason`."""
    error: str = ""
    """The cause of the last failure."""
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
        """Whether it is loaded and can run another request at the same time."""
        return self.state is ModelState.READY and len(self.active) < self.spec.concurrency

    @property
    def oldest_request(self) -> QueuedRequest:
        """The queued request that arrived first; fairness may have put others before it."""
        return min(self.queue, key=lambda request: request.arrival_number)

    def update_needed_bytes(self, measured_bytes: int) -> None:
        """Raise the estimate to the measurement, or lower it partly: one low measurement may be an outlier."""
        lowered = self.needed_bytes - int(SMOOTHING_FACTOR * (self.needed_bytes - measured_bytes))
        self.needed_bytes = max(measured_bytes, lowered)

    def estimated_wait_seconds(self, position: int) -> float:
        """Estimate in how many seconds the request at this position (0 is the head) of the queue starts."""
        loading = self.load_seconds if self.state is not ModelState.READY else 0.0
        return loading + position * self.service_seconds / self.spec.concurrency
