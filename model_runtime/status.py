"""The one snapshot of the runtime that the page, the MCP resources, /api/events and Prometheus render."""

from dataclasses import dataclass
from enum import StrEnum

from model_runtime.requests import Task


class ModelState(StrEnum):
    """What a model's process is doing; only the middle four hold memory."""

    ABSENT = "absent"
    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    STOPPING = "stopping"
    BACKOFF = "backoff"


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """One model as people see it. Sizes in bytes, times in seconds, None where a value does not apply."""

    name: str
    task: Task
    engine: str
    source: str
    """Repository id or folder."""
    description: str
    state: ModelState
    present: bool
    """Whether the weights are on this disk."""
    weights_bytes: int
    """On disk where present, else the published size."""
    starter: bool
    default: bool
    """Whether calls that name no model of this task get this one."""
    pinned: bool = False
    needed_bytes: int = 0
    charged_bytes: int = 0
    footprint_bytes: int = 0
    active: int = 0
    queued: int = 0
    load_fraction: float | None = None
    stage: str = ""
    idle_seconds: float | None = None
    unloads_in_seconds: float | None = None
    retry_in_seconds: float | None = None
    loads: int = 0
    last_load_seconds: float | None = None
    requests: int = 0
    error: str = ""
    voices: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    abilities: tuple[str, ...] = ()
    """What it can do besides its task: "detect" and "point"."""


@dataclass(frozen=True, slots=True)
class JobStatus:
    """One request that waits or runs."""

    id: int
    model: str
    task: Task
    client: str
    state: str
    """"queued", "loading" or "running"."""
    position: int
    stage: str
    done: float
    total: float
    age_seconds: float
    reason: str = ""
    """What it waits for, as a clause; "" while it runs."""


@dataclass(frozen=True, slots=True)
class MemoryStatus:
    """The budget and what is used of it, in bytes."""

    budget_bytes: int
    charged_bytes: int
    footprint_bytes: int
    """Resident memory of all workers, as measured."""
    available_bytes: int
    """What the machine could still give, as the operating system says."""
    daemon_bytes: int
    spare_engine: str = ""
    """Whose libraries a process without a model has imported, or is importing; "" where there is none."""
    spare_is_ready: bool = False
    spare_bytes: int = 0
    """What that process holds; part of `footprint_bytes`."""


@dataclass(frozen=True, slots=True)
class Status:
    """Everything at one moment."""

    version: str
    pid: int
    uptime_seconds: float
    accepting: bool
    """False once the runtime is shutting down."""
    memory: MemoryStatus
    models: tuple[ModelStatus, ...]
    jobs: tuple[JobStatus, ...]
    counters: "Counters"


@dataclass(frozen=True, slots=True)
class Counters:
    """Totals since the start, keyed by their labels; Prometheus renders them as they are."""

    requests: dict[tuple[str, str, str], int]
    """(model, task, code) → number; code is "ok" or an error's code."""
    loads: dict[tuple[str, str], int]
    """(model, "ok" | "failed") → number."""
    unloads: dict[tuple[str, str], int]
    """(model, reason) → number."""
    request_seconds: dict[str, float]
    """model → sum of running time."""
    load_seconds: dict[str, float]
    """model → sum of load time."""
    queue_seconds: dict[str, float]
    """model → sum of waiting time."""
    tokens: dict[tuple[str, str], int]
    """(model, "prompt" | "completion") → number."""
    audio_seconds: dict[tuple[str, str], float]
    """(model, "heard" | "spoken") → seconds."""
    images: dict[str, int]
    """model → number of pictures drawn."""
