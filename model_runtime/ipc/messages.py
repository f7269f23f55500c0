"""What the daemon and a worker say to each other. `job` is the number of a request in the daemon."""

from dataclasses import dataclass

from model_runtime.errors import SensesError
from model_runtime.events import EngineEvent, Result
from model_runtime.loading import LoadedModel, LoadSpec
from model_runtime.requests import Request

PROTOCOL_VERSION = 1

LINK_FD = 3
"""The worker's end of the socket pair."""


@dataclass(frozen=True, slots=True)
class Load:
    """Load this model; comes once."""

    spec: LoadSpec


@dataclass(frozen=True, slots=True)
class Preload:
    """Import the libraries of this engine and wait for `Load`."""

    engine: str


@dataclass(frozen=True, slots=True)
class ProbeGpu:
    """Say what this machine's GPU works well with."""


@dataclass(frozen=True, slots=True)
class RunRequest:
    """Work on a request."""

    request_id: int
    request: Request


@dataclass(frozen=True, slots=True)
class Cancel:
    """Nobody wants the job any more; it ends with `JobEnded` and `Cancelled`."""

    request_id: int


@dataclass(frozen=True, slots=True)
class Shutdown:
    """Leave: at once while loading, else after the piece that is being worked on."""


Command = Load | Preload | ProbeGpu | RunRequest | Cancel | Shutdown


@dataclass(frozen=True, slots=True)
class Hello:
    """The process lives and speaks this protocol."""

    pid: int
    protocol: int = PROTOCOL_VERSION


@dataclass(frozen=True, slots=True)
class Preloaded:
    """The libraries of the engine are imported."""


@dataclass(frozen=True, slots=True)
class GpuProbed:
    """How many bytes of GPU memory the system recommends to use at most; 0 where there is no GPU."""

    working_set_bytes: int


@dataclass(frozen=True, slots=True)
class LoadProgress:
    """How far the load is; `fraction` 0..1 or None."""

    stage: str
    fraction: float | None


@dataclass(frozen=True, slots=True)
class Ready:
    """The model is loaded."""

    loaded: LoadedModel


@dataclass(frozen=True, slots=True)
class LoadError:
    """The model cannot be loaded; the process leaves. `permanent` means trying again cannot help."""

    error: SensesError
    permanent: bool


@dataclass(frozen=True, slots=True)
class RequestOutput:
    """A job goes on."""

    request_id: int
    event: EngineEvent


@dataclass(frozen=True, slots=True)
class RequestOutcome:
    """A job is over, well or not; comes once per `Run`."""

    request_id: int
    outcome: Result | SensesError


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A sign of life, each second. `pieces` counts what was worked on since the start: it stands still in a stall."""

    request_ids: tuple[int, ...]
    progress_count: int
    active_bytes: int


WorkerMessage = (
    Hello | Preloaded | GpuProbed | LoadProgress | Ready | LoadError | RequestOutput | RequestOutcome | Heartbeat
)
