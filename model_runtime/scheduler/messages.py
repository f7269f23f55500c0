"""The scheduler's events (in) and actions (out).

`incarnation` numbers a model's processes; events of an older one change nothing. Times are in seconds of the caller's
monotonic clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from model_runtime.scheduler.model_record import SchedulerLimits


@dataclass(frozen=True, slots=True)
class RequestArrived:
    """A validated request for a model. An operator's load is a request, too; it ends as soon as it is granted."""

    request_id: int
    model: str
    client: str = ""
    working_bytes: int = 0
    request_bytes: int = 0
    """Encoded size of the request, which takes memory while it waits."""
    queue_timeout_seconds: float | None = None
    """How much longer than estimated it may wait in the queue; None means `SchedulerLimits.queue_seconds`."""
    keep_alive_seconds: float | None = None
    """How long the model stays loaded afterwards; -1 means no limit, None the model's own setting."""
    is_batch: bool = False
    """Whether interactive requests are served first."""


@dataclass(frozen=True, slots=True)
class RequestCancelled:
    """The caller disconnected, or an operator cancelled the request."""

    request_id: int


@dataclass(frozen=True, slots=True)
class RequestFinished:
    """The worker finished a granted request; `ok` is false if it failed."""

    request_id: int
    model: str
    incarnation: int
    ok: bool = True


@dataclass(frozen=True, slots=True)
class ProgressMeasured:
    """How far running requests are: for estimates, and so that a queue which moves does not time out."""

    done_shares: Mapping[int, float]
    """Request → the part of its work that is done, 0..1; requests whose amount of work is unknown are left out."""


@dataclass(frozen=True, slots=True)
class LoadProgressed:
    """A loading worker reported progress; its deadline is extended."""

    model: str
    incarnation: int


@dataclass(frozen=True, slots=True)
class ModelLoaded:
    """The model is loaded and holds `measured_bytes`."""

    model: str
    incarnation: int
    measured_bytes: int


@dataclass(frozen=True, slots=True)
class MemoryMeasured:
    """An idle model holds `measured_bytes` now; this replaces the measurement of its load."""

    model: str
    incarnation: int
    measured_bytes: int


@dataclass(frozen=True, slots=True)
class WorkerExited:
    """The process was reaped: the only event that frees charged bytes."""

    model: str
    incarnation: int
    cause: str = ""
    permanent: bool = False
    """Whether another attempt would fail the same way."""
    oom_suspected: bool = False
    """Whether the system may have killed the process because memory ran out: its estimate grows."""
    out_of_memory: bool = False
    """Whether it said itself that memory ran out: others make room, and its requests run once more."""
    retriable: frozenset[int] = frozenset()
    """Running requests without output so far: another process may run them again."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


@dataclass(frozen=True, slots=True)
class UnloadRequested:
    """An operator unloads the model; running requests may finish first."""

    model: str


@dataclass(frozen=True, slots=True)
class RetryRequested:
    """An operator loads the model, or its files changed: earlier failures are forgotten."""

    model: str


@dataclass(frozen=True, slots=True)
class PinChanged:
    """An operator pinned or unpinned the model."""

    model: str
    pinned: bool


@dataclass(frozen=True, slots=True)
class Kept:
    """An operator keeps a loaded model for so many seconds, however idle it is; it may still be evicted."""

    model: str
    seconds: float


@dataclass(frozen=True, slots=True)
class LimitsChanged:
    """Settings changed: limits, and for some models how long they stay loaded by themselves."""

    limits: SchedulerLimits
    keep_alive_seconds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BudgetChanged:
    """The memory budget changed; idle models are unloaded until it holds."""

    budget_bytes: int


@dataclass(frozen=True, slots=True)
class MemoryPressure:
    """The machine is short of memory: a critical shortage unloads every idle model, a warning one idle for long."""

    is_critical: bool


@dataclass(frozen=True, slots=True)
class TimeSkipped:
    """The clock went on by so many seconds in which nothing could happen: the deadlines of waiting work move."""

    seconds: float


@dataclass(frozen=True, slots=True)
class ShutdownStarted:
    """The runtime shuts down: queued requests are rejected, running ones may finish."""


SchedulerEvent = (
    RequestArrived
    | RequestCancelled
    | RequestFinished
    | ProgressMeasured
    | LoadProgressed
    | ModelLoaded
    | MemoryMeasured
    | WorkerExited
    | Tick
    | UnloadRequested
    | RetryRequested
    | PinChanged
    | Kept
    | LimitsChanged
    | BudgetChanged
    | MemoryPressure
    | TimeSkipped
    | ShutdownStarted
)


@dataclass(frozen=True, slots=True)
class StartWorker:
    """Start a worker for the model; `reserved_bytes` are charged from now on."""

    model: str
    incarnation: int
    reserved_bytes: int


@dataclass(frozen=True, slots=True)
class StopWorker:
    """Stop the worker, by signals if it does not exit by itself; `WorkerExited` follows once it is reaped."""

    model: str
    incarnation: int
    reason: str
    """"idle", "evicted for MODEL", "operator", "pressure", "shutdown" or "load timeout"."""
    detail: str = field(default="", compare=False)
    """For people: of an eviction, what the other model needs and what is free."""


@dataclass(frozen=True, slots=True)
class Grant:
    """Run the request in this worker."""

    request_id: int
    model: str
    incarnation: int


@dataclass(frozen=True, slots=True)
class CancelRequest:
    """Cancel a granted request in its worker; it stays granted until `RequestFinished` or `WorkerExited`."""

    request_id: int
    model: str
    incarnation: int


@dataclass(frozen=True, slots=True)
class RejectRequest:
    """Answer the request with an error."""

    request_id: int
    code: str
    """The `code` of a class in `model_runtime.errors`."""
    detail: str
    """What happened, as a sentence or clause for users."""
    retry_after_seconds: float | None = None
    needed_bytes: int = 0
    """Set with `available_bytes` if the model is too large."""
    available_bytes: int = 0


SchedulerAction = StartWorker | StopWorker | Grant | CancelRequest | RejectRequest
