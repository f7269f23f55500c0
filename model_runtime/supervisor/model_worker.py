"""A model that lives, loads or leaves in a process."""

from dataclasses import dataclass, field

from model_runtime.catalog.model import Model
from model_runtime.process.process import WorkerProcess

LOAD_TIMEOUT = "load timeout"
"""The one reason for which the scheduler stops a process that failed."""


@dataclass(slots=True, eq=False)
class ModelWorker:
    """What the runtime keeps of a process. Times are of the runtime's clock, sizes in bytes."""

    model: Model
    process: WorkerProcess
    started_at: float
    last_message_at: float
    """When it last gave a sign of life."""
    progress_count: int = 0
    stage: str = "starting"
    fraction: float | None = None
    loaded_at: float | None = None
    footprint_bytes: int = 0
    load_error: str = ""
    """Why the model cannot be loaded, in the engine's own words."""
    is_permanent: bool = False
    unload_reason: str = ""
    """Why it was told to leave."""
    cancelled_at: dict[int, float] = field(default_factory=dict)
    """Cancelled jobs it has not let go of yet, and since when."""
    is_paused: bool = False
    """Not being read, because a caller does not read."""

    @property
    def incarnation(self) -> int:
        """Which process of its model this is."""
        return self.process.incarnation

    def loading_seconds(self, arrived_at: float) -> float:
        """How much of its load a request that arrived then waited for."""
        return max((self.loaded_at or arrived_at) - max(self.started_at, arrived_at), 0.0)
