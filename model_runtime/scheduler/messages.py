"""What happens to the scheduler (events in) and what it wants done (actions out).

`incarnation` numbers a model's processes; an event of an older one changes nothing. Times are seconds of the
caller's monotonic clock.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RequestArrived:
    """A checked request asks for a model. `keep_alive_seconds` None keeps the model's own; -1 means no timer.

    An operator's load is a request, too: its lease ends as soon as it is granted.
    """

    request_id: int
    model: str
    client: str = ""
    working_bytes: int = 0
    queue_timeout_seconds: float | None = None
    """How long it may wait in the queue; None means the limit of the settings."""
    keep_alive_seconds: float | None = None
    is_batch: bool = False
    """Whether it is work nobody sits and waits for."""


@dataclass(frozen=True, slots=True)
class RequestCancelled:
    """The caller went away, or an operator cancelled the request."""

    request_id: int


@dataclass(frozen=True, slots=True)
class RequestFinished:
    """The worker finished a granted request, well or not."""

    request_id: int
    model: str
    incarnation: int
    ok: bool = True


@dataclass(frozen=True, slots=True)
class LoadProgressed:
    """A loading worker showed life; its deadline moves on."""

    model: str
    incarnation: int


@dataclass(frozen=True, slots=True)
class ModelLoaded:
    """The model is in memory and holds `measured_bytes`."""

    model: str
    incarnation: int
    measured_bytes: int


@dataclass(frozen=True, slots=True)
class MemoryMeasured:
    """An idle model really holds `measured_bytes` by now; what it learned from its load is out of date."""

    model: str
    incarnation: int
    measured_bytes: int


@dataclass(frozen=True, slots=True)
class WorkerExited:
    """The process was reaped: the only event that gives bytes back.

    `permanent` means trying again cannot help, `starved` that the system may have killed it for memory. `untouched`
    requests have told their callers nothing yet, so another process may serve them.
    """

    model: str
    incarnation: int
    cause: str = ""
    permanent: bool = False
    oom_suspected: bool = False
    retriable: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed."""


@dataclass(frozen=True, slots=True)
class UnloadRequested:
    """An operator wants the model gone; running work may end first."""

    model: str


@dataclass(frozen=True, slots=True)
class RetryRequested:
    """An operator wants the model tried again, or its files or settings changed: what failed before is forgotten."""

    model: str


@dataclass(frozen=True, slots=True)
class PinChanged:
    """An operator pinned or unpinned the model."""

    model: str
    pinned: bool


@dataclass(frozen=True, slots=True)
class BudgetChanged:
    """The memory budget is now this; idle models are shed until it holds."""

    budget_bytes: int


@dataclass(frozen=True, slots=True)
class MemoryPressure:
    """The machine runs short of memory, whoever takes it: the longest idle model leaves."""


@dataclass(frozen=True, slots=True)
class ShutdownStarted:
    """The runtime is leaving: refuse what waits, let running work end."""


SchedulerEvent = (
    RequestArrived
    | RequestCancelled
    | RequestFinished
    | LoadProgressed
    | ModelLoaded
    | MemoryMeasured
    | WorkerExited
    | Tick
    | UnloadRequested
    | RetryRequested
    | PinChanged
    | BudgetChanged
    | MemoryPressure
    | ShutdownStarted
)


@dataclass(frozen=True, slots=True)
class StartWorker:
    """Start a process for the model; its bytes are charged from now on."""

    model: str
    incarnation: int
    reserved_bytes: int


@dataclass(frozen=True, slots=True)
class StopWorker:
    """Ask the process to leave; escalate to killing where it does not. Report `Exited` once it is reaped."""

    model: str
    incarnation: int
    reason: str
    """"idle", "evicted", "operator", "pressure", "shutdown" or "load timeout"."""


@dataclass(frozen=True, slots=True)
class Grant:
    """The request may run now on this process."""

    request_id: int
    model: str
    incarnation: int


@dataclass(frozen=True, slots=True)
class CancelRequest:
    """Cancel a granted request inside the worker; the lease ends with `Ended` or `Exited`."""

    request_id: int
    model: str
    incarnation: int


@dataclass(frozen=True, slots=True)
class RejectRequest:
    """Answer the request with an error; `code` is that of an error class, `detail` a sentence for people.

    Where the model is too large, `needed_bytes` and `available_bytes` say by how much.
    """

    request_id: int
    code: str
    detail: str
    retry_after_seconds: float | None = None
    needed_bytes: int = 0
    available_bytes: int = 0


SchedulerAction = StartWorker | StopWorker | Grant | CancelRequest | RejectRequest
