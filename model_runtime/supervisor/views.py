"""Frozen views of the supervisor, which the runtime, the watchdog and the status read.

Times are in seconds of the runtime's clock, sizes in bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Self

from model_runtime.requests import Task
from model_runtime.scheduler.model_record import ModelRecord
from model_runtime.status import Counters, ModelState
from model_runtime.supervisor.pressure import LastingPressure


@dataclass(frozen=True, slots=True)
class ModelView:
    """One model that was requested before, as the scheduler records it."""

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
    failed_to_load: bool = False
    kept_until: float = -inf

    @property
    def is_evictable(self) -> bool:
        """Whether another model may take its memory now."""
        return self.is_idle and not self.pinned and not self.queued

    @classmethod
    def from_record(cls, record: ModelRecord) -> Self:
        """Return the view of the scheduler's record."""
        return cls(
            state=record.state,
            pinned=record.pinned,
            needed_bytes=record.needed_bytes,
            charged_bytes=record.charged_bytes,
            resident_bytes=record.resident_bytes,
            active=len(record.active),
            queued=len(record.queue),
            is_idle=record.is_idle,
            idle_since=record.idle_since,
            keep_alive_seconds=record.keep_alive_seconds,
            retry_at=record.retry_at,
            error=record.error,
            failed_to_load=record.failed_to_load,
            kept_until=record.kept_until,
        )


@dataclass(frozen=True, slots=True)
class WorkerView:
    """One process that loads, holds or unloads a model."""

    model: str
    incarnation: int
    footprint_bytes: int
    last_message_at: float
    last_computed_at: float
    is_paused: bool
    """Whether its messages are not read because a caller does not read its output."""
    oldest_cancel_at: float | None
    """When the oldest of its cancelled but still running requests was cancelled."""
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
    preview_step: int = 0
    """The step of its newest unfinished picture; 0 without one."""


@dataclass(frozen=True, slots=True)
class SpareView:
    """The spare worker; `engine` is empty without one."""

    engine: str = ""
    is_ready: bool = False
    held_bytes: int = 0


@dataclass(frozen=True, slots=True)
class UpkeepView:
    """When the recurring work was last done."""

    checked_at: float
    wall_checked_at: float
    """The same in seconds since the epoch: that clock goes on while a Mac sleeps, the runtime's does not."""
    stats_saved_at: float
    memory_released_after: int = 0
    """Value of `SupervisorView.finished_count` when the daemon last released memory."""


@dataclass(frozen=True, slots=True)
class MachineView:
    """What the machine reports at one moment."""

    wall_seconds: float
    """Seconds since the epoch."""
    pressure: LastingPressure
    saves_energy: bool
    """Whether it runs on battery or in Low Power Mode."""


@dataclass(frozen=True, slots=True)
class SupervisorView:
    """The whole supervisor at one moment."""

    models: Mapping[str, ModelView]
    workers: Mapping[str, WorkerView]
    requests: tuple[RequestView, ...]
    spare: SpareView
    budget_bytes: int
    charged_bytes: int
    is_closing: bool
    finished_count: int
    """How many requests have been answered or released."""
    upkeep: UpkeepView
    counters: Counters
    last_load_seconds: Mapping[str, float]
