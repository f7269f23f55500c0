"""The scheduler's state as plain data, so that it can be copied, hashed and explored."""

from dataclasses import dataclass, field

from model_runtime.status import ModelState

CHARGED_STATES = (ModelState.STARTING, ModelState.READY, ModelState.DRAINING, ModelState.STOPPING)
"""The states in which a process exists and its bytes count."""

SMOOTHING_FACTOR = 0.3
"""Weight of the newest measurement in every moving average."""

DEFAULT_LOAD_SECONDS = 3.0
"""What a load is expected to take before there ever was one."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """What the scheduler must know of a model before it ever ran. `keep_alive_seconds` -1 means no timer."""

    name: str
    needed_bytes: int
    load_seconds: float = DEFAULT_LOAD_SECONDS
    concurrency: int = 1
    keep_alive_seconds: float = 300.0
    pinned: bool = False
    lane: str = "light"
    """What it gives the GPU to do: "heavy" or "light"; see `lanes`."""


@dataclass(frozen=True, slots=True)
class SchedulerLimits:
    """How much may wait, for how long, and how failures are spaced."""

    queue_per_model: int = 8
    queue_total: int = 32
    queue_seconds: float = 120.0
    load_seconds: float = 180.0
    starvation_seconds: float = 10.0
    """Resident models may overtake a request that waits for memory for this long; then busy ones are drained."""
    ageing_seconds: float = 30.0
    """Batch work that has waited so long is served like any other."""
    min_residency_seconds: float = 5.0
    """A model that was loaded and has served nobody yet is not evicted for this long, or as long as its load took; 0
    switches that off."""
    attempts: int = 2
    """Loads a waiting request survives."""
    retry_seconds: float = 30.0
    """How old a request may be that is given to another process where its own died before it said anything."""
    backoff_seconds: tuple[float, float] = (1.0, 60.0)
    """The first and the longest pause after failures; each failure doubles it."""
    short_backoff_seconds: float = 5.0
    """A pause that ends so soon is waited for in the queue; during a longer one requests are refused."""
    breaker_failures: int = 3
    """After so many failures in a row the breaker opens."""
    breaker_seconds: tuple[float, float] = (60.0, 600.0)
    """The first and the longest pause of an open breaker; each failed try doubles it."""
    failure_memory_seconds: float = 300.0
    """Failures that are further apart than this are not in a row."""


@dataclass(slots=True)
class QueuedRequest:
    """One request between its arrival and its answer. `order` is its place in the order of arrival."""

    id: int
    model: str
    client: str
    arrival_number: int
    arrived_at: float
    expires_at: float
    working_bytes: int
    keep_alive_seconds: float | None
    is_batch: bool = False
    """Nobody looks at the clock: it stands back for interactive work."""
    attempts: int = 0
    granted_at: float | None = None
    cancelled: bool = False


@dataclass(slots=True)
class ModelRecord:
    """One model: its process, who uses it and who waits for it."""

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
    """Client → number of its last turn, while others wait."""
    ready_at: float = 0.0
    has_served: bool = False
    """Whether this process has done anything for anybody."""
    failures: int = 0
    failed_at: float = 0.0
    retry_at: float = 0.0
    unload_reason: str = ""
    """Why it is draining or stopping."""
    error: str = ""
    """The cause of the last failure."""
    working_bytes: int = 0
    """The most that a request took on top of the model."""

    @classmethod
    def from_spec(cls, spec: ModelSpec) -> "ModelRecord":
        """The record of a model that is not loaded."""
        return cls(spec, spec.pinned, spec.needed_bytes, spec.keep_alive_seconds, spec.load_seconds)

    @property
    def name(self) -> str:
        """The model's name."""
        return self.spec.name

    @property
    def charged_bytes(self) -> int:
        """What this model takes from the budget: what it holds and what its running requests may need."""
        charged_bytes = self.resident_bytes
        for request in self.active.values():
            charged_bytes += request.working_bytes
        return charged_bytes

    @property
    def is_idle(self) -> bool:
        """Loaded, and nobody uses it."""
        return self.state is ModelState.READY and not self.active

    @property
    def has_room(self) -> bool:
        """Whether another request may run on it."""
        return self.state is ModelState.READY and len(self.active) < self.spec.concurrency

    @property
    def oldest_request(self) -> QueuedRequest:
        """Of those that wait, the one that came first."""
        return min(self.queue, key=lambda request: request.arrival_number)

    def update_needed_bytes(self, measured_bytes: int) -> None:
        """Raise the estimate to what was measured, or lower it part of the way: one low measurement may be chance."""
        lowered = self.needed_bytes - int(SMOOTHING_FACTOR * (self.needed_bytes - measured_bytes))
        self.needed_bytes = max(measured_bytes, lowered)

    def estimated_wait_seconds(self, position: int) -> float:
        """Estimate when the request at `position` in the queue would be served."""
        loading = self.load_seconds if self.state is not ModelState.READY else 0.0
        return loading + position * self.service_seconds / self.spec.concurrency
