"""A worker process and the model it loads, holds or unloads."""

from dataclasses import dataclass, field

from model_runtime.catalog.model import Model
from model_runtime.errors import OutOfMemory, SensesError
from model_runtime.process.process import WorkerProcess
from model_runtime.supervisor.views import WorkerView

COMPUTING_SECONDS = 0.01
"""Processor time that heartbeats alone do not take in minutes, and a process takes in a second on the busiest machine."""
LOAD_TIMEOUT = "load timeout"
"""`StopWorker.reason` of a load that made no progress, the only one that is a failure."""


@dataclass(slots=True, eq=False)
class ModelWorker:
    """One worker. Times are in seconds of the runtime's clock, sizes in bytes."""

    model: Model
    process: WorkerProcess
    started_at: float
    last_message_at: float
    progress_count: int = 0
    """The value in its last heartbeat."""
    stage: str = "starting"
    fraction: float | None = None
    """How much of the stage is loaded, 0 to 1, or None if unknown."""
    loaded_at: float | None = None
    footprint_bytes: int = 0
    last_computed_at: float = 0.0
    """When it was last seen to compute."""
    counted_processor_seconds: float = 0.0
    """Its processor time at that moment."""
    error: SensesError | None = None
    """Why the model cannot be loaded, or cannot go on, in the worker's words."""
    is_permanent: bool = False
    """Whether another attempt to load it would fail, too."""
    unload_reason: str = ""
    """`StopWorker.reason`, once it is being stopped."""
    cancelled_at: dict[int, float] = field(default_factory=dict)
    """Id of each cancelled request that it still runs → time of the cancel."""
    is_paused: bool = False
    """Whether its messages are not read because a caller does not read its output."""

    @property
    def is_out_of_memory(self) -> bool:
        """Whether it has said that memory ran out; it exits then."""
        return isinstance(self.error, OutOfMemory)

    @property
    def incarnation(self) -> int:
        """Number of this process among those of its model."""
        return self.process.incarnation

    def count_processor_time(self, seconds: float, now: float) -> None:
        """Record at `now` how long the process has computed since its start."""
        if seconds - self.counted_processor_seconds >= COMPUTING_SECONDS:
            self.last_computed_at, self.counted_processor_seconds = now, seconds

    def loading_seconds(self, arrived_at: float) -> float:
        """Return how many seconds of the load a request that arrived then waited for."""
        return max((self.loaded_at or arrived_at) - max(self.started_at, arrived_at), 0.0)

    def view(self) -> WorkerView:
        """Return the worker as it is now, frozen."""
        return WorkerView(
            model=self.model.name,
            incarnation=self.incarnation,
            footprint_bytes=self.footprint_bytes,
            last_message_at=self.last_message_at,
            last_computed_at=self.last_computed_at,
            is_paused=self.is_paused,
            oldest_cancel_at=min(self.cancelled_at.values(), default=None),
            is_loading=self.loaded_at is None,
            stage=self.stage,
            fraction=self.fraction,
        )
