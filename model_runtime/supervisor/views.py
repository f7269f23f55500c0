"""What the supervisor shows of itself: frozen views, so that the runtime, the watchdog and the status only read.

Times are of the runtime's clock, in seconds; sizes in bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from model_runtime.requests import Task
from model_runtime.status import Counters, ModelState


@dataclass(frozen=True, slots=True)
class ModelView:
    """One model that was used before, as the scheduler keeps it."""

    name: str
    state: ModelState
    pinned: bool
    needed_bytes: int
    charged_bytes: int
    resident_bytes: int
    active: int
    queued: int
    is_idle: bool
    idle_since: float | None
    keep_alive_seconds: float
    retry_at: float
    error: str


@dataclass(frozen=True, slots=True)
class WorkerView:
    """One process that loads, holds or unloads a model."""

    model: str
    incarnation: int
    footprint_bytes: int
    last_message_at: float
    is_paused: bool
    """Not being read, because one of its callers does not read."""
    oldest_cancel_at: float | None
    """When the oldest cancelled request that it still runs was cancelled."""
    is_loading: bool
    stage: str
    fraction: float | None


@dataclass(frozen=True, slots=True)
class RequestView:
    """One open request."""

    id: int
    model: str
    task: Task
    client: str
    incarnation: int
    arrived_at: float
    granted_at: float | None
    last_progress_at: float
    queue_full_since: float | None
    position: int
    stage: str
    done: float
    total: float
    reason: str = ""
    """What it waits for, as a clause; empty while it runs."""


@dataclass(frozen=True, slots=True)
class SpareView:
    """The spare worker; `engine` is empty where there is none."""

    engine: str = ""
    is_ready: bool = False
    held_bytes: int = 0


@dataclass(frozen=True, slots=True)
class UpkeepView:
    """When the recurring work of the watchdog was last done."""

    checked_at: float
    stats_saved_at: float
    memory_released_after: int = 0
    """How many requests had ended when the daemon last gave memory back."""


@dataclass(frozen=True, slots=True)
class SupervisorView:
    """Everything at one moment."""

    models: Mapping[str, ModelView]
    workers: Mapping[str, WorkerView]
    requests: tuple[RequestView, ...]
    spare: SpareView
    budget_bytes: int
    charged_bytes: int
    is_closing: bool
    finished_count: int
    upkeep: UpkeepView
    counters: Counters
    last_load_seconds: Mapping[str, float]
