"""The messages between the daemon (`Command`) and a worker (`WorkerMessage`)."""

from dataclasses import dataclass

from model_runtime.errors import SensesError
from model_runtime.events import EngineEvent, Result
from model_runtime.loading import LoadedModel, LoadSpec
from model_runtime.requests import Request

PROTOCOL_VERSION = 1
"""Version of these messages; a worker reports it in `Hello`."""

LINK_FD = 3
"""Descriptor of the worker's end of the socket pair."""

SOURCE_FD, DECODED_FD, OTHER_SOURCE_FD = 4, 5, 6
"""Descriptors of a decoder process: the file, where its decoded bytes go, and the file to compare with."""


@dataclass(frozen=True, slots=True)
class Load:
    """Load this model; sent once."""

    spec: LoadSpec


@dataclass(frozen=True, slots=True)
class Preload:
    """Import the libraries of this engine, then wait for `Load`."""

    engine: str


@dataclass(frozen=True, slots=True)
class ProbeGpu:
    """Report the GPU memory that the system recommends to use."""


@dataclass(frozen=True, slots=True)
class RunRequest:
    """Run a request."""

    request_id: int
    request: Request


@dataclass(frozen=True, slots=True)
class Cancel:
    """Cancel a request; it ends with a `RequestOutcome` of `Cancelled`."""

    request_id: int


@dataclass(frozen=True, slots=True)
class Shutdown:
    """Exit: at once while loading, else after the current step."""


Command = Load | Preload | ProbeGpu | RunRequest | Cancel | Shutdown


@dataclass(frozen=True, slots=True)
class Hello:
    """The worker has started."""

    pid: int
    protocol: int = PROTOCOL_VERSION


@dataclass(frozen=True, slots=True)
class Preloaded:
    """The libraries of the engine are imported."""


@dataclass(frozen=True, slots=True)
class GpuProbed:
    """The bytes of GPU memory that the system recommends to use at most; 0 without a GPU."""

    working_set_bytes: int


@dataclass(frozen=True, slots=True)
class LoadProgress:
    """The load has reached this stage; `fraction` is 0 to 1, or None if unknown."""

    stage: str
    fraction: float | None


@dataclass(frozen=True, slots=True)
class Ready:
    """The model is loaded."""

    loaded: LoadedModel


@dataclass(frozen=True, slots=True)
class LoadError:
    """The model cannot be loaded; the worker exits. `permanent` means that another attempt would fail, too."""

    error: SensesError
    permanent: bool


@dataclass(frozen=True, slots=True)
class RequestOutput:
    """A running request produced an output."""

    request_id: int
    event: EngineEvent


@dataclass(frozen=True, slots=True)
class RequestOutcome:
    """A request has ended with its result or an error; sent once for each `RunRequest`."""

    request_id: int
    outcome: Result | SensesError


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Sent every second while the worker is alive."""

    request_ids: tuple[int, ...]
    """The running requests."""
    progress_count: int
    """Steps since the start; it does not change while the engine is stuck."""
    active_bytes: int
    """Memory that MLX uses for arrays."""


WorkerMessage = (
    Hello | Preloaded | GpuProbed | LoadProgress | Ready | LoadError | RequestOutput | RequestOutcome | Heartbeat
)
