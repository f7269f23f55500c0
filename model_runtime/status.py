"""Snapshot of the runtime, rendered by the status page, the MCP resources, /api/events and Prometheus."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from model_runtime.requests import Task


class ModelState(StrEnum):
    """State of a model's worker. A worker exists, and holds memory, from STARTING to STOPPING."""

    ABSENT = "absent"
    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    STOPPING = "stopping"
    BACKOFF = "backoff"


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """Status of one model. Sizes are in bytes, times in seconds; None means that a value does not apply."""

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
    """Size on disk, or of the download if the weights are missing."""
    starter: bool
    default: bool
    """Whether this model answers requests for its task that name no model."""
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
    """Why it cannot be used or loaded, or the cause of its last failure."""
    failure: str = ""
    """What `error` is the cause of: "cannot be used", "failed to load" or "stopped unexpectedly"."""
    voices: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    abilities: tuple[str, ...] = ()
    """Capabilities besides the task: "detect" and "point", "edit", or "ocr" of a model that does nothing else."""
    context_tokens: int = 0
    """The most tokens of a chat; 0 for a model that does not chat."""
    kept_seconds: float | None = None
    """How long an operator still keeps it from being unloaded for idleness; `unloads_in_seconds` includes it."""
    working_bytes: int = 0
    """Part of `charged_bytes` that its running requests take."""
    licence: str = ""
    """Of the weights; "" if it is not known."""
    origin: Literal["starter", "hub", "folder"] = "starter"
    """Whether its files are part of Senses, come from Hugging Face, or are the user's own."""


@dataclass(frozen=True, slots=True)
class JobStatus:
    """Status of one queued or running request."""

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
    """Why it waits, as a clause; "" while it runs."""
    preview_step: int = 0
    """The step of the unfinished picture that can be shown; 0 without one."""


@dataclass(frozen=True, slots=True)
class MemoryStatus:
    """Memory of the machine and the workers, in bytes."""

    budget_bytes: int
    charged_bytes: int
    """Part of the budget that is reserved for models and their requests."""
    footprint_bytes: int
    """Measured memory of all workers."""
    available_bytes: int
    """Memory that the operating system reports as available."""
    daemon_bytes: int
    spare_engine: str = ""
    """Engine whose libraries the spare worker imports or has imported; "" without a spare worker."""
    spare_is_ready: bool = False
    spare_bytes: int = 0
    """Memory of the spare worker; part of `footprint_bytes`."""
    total_bytes: int = 0
    """Memory of the machine."""
    other_bytes: int = 0
    """What other programs take of it, and the system itself."""
    evictable_bytes: int = 0
    """What unloading every idle model that is not pinned would free of the budget."""


@dataclass(frozen=True, slots=True)
class Status:
    """Snapshot of the runtime at one moment."""

    version: str
    pid: int
    uptime_seconds: float
    accepting: bool
    """False once the runtime is shutting down."""
    memory: MemoryStatus
    models: tuple[ModelStatus, ...]
    jobs: tuple[JobStatus, ...]
    counters: "Counters"
    problems: tuple[str, ...] = ()
    """What is wrong with the daemon at present, as sentences; a model's own problem is in its `error`."""

    def model(self, name: str) -> ModelStatus | None:
        """Return the status of the model with this name, or None."""
        return next((model for model in self.models if model.name == name), None)


@dataclass(frozen=True, slots=True)
class Counters:
    """Totals since the start, keyed by their Prometheus labels."""

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
    """model → number of images generated."""
