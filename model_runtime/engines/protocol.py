"""What a worker expects of an engine. One engine serves one model, on one thread, in one process."""

from collections.abc import Callable, Iterator
from typing import Protocol

from model_runtime.errors import SensesError
from model_runtime.events import EngineEvent, Result
from model_runtime.loading import LoadedModel, LoadSpec
from model_runtime.requests import Request

LoadReporter = Callable[[str, float | None], None]
"""report(stage, fraction): tells how far a load is; fraction 0..1, or None while unknown."""

CancelCheck = Callable[[], None]
"""check(): raises `Cancelled` once the job's caller is gone. Call it between tokens, steps, segments and chunks."""

EngineOutput = EngineEvent | Result | SensesError


class StepEngine(Protocol):
    """An engine that works on several jobs at once, a bounded step at a time (continuous batching)."""

    def load(self, spec: LoadSpec, report: LoadReporter) -> LoadedModel:
        """Load and evaluate all weights; raises `LoadFailed` with what to do about it."""
        ...

    def submit(self, job: int, request: Request) -> None:
        """Take in a job; raises a `SensesError` that concerns this job only."""
        ...

    def step(self) -> list[tuple[int, EngineOutput]]:
        """Work a little on every job and return what happened; a `Result` or an error ends that job."""
        ...

    def cancel(self, job: int) -> None:
        """Drop a job, effective with the next step."""
        ...

    def idle(self) -> None:
        """Give back caches; called when no job is left."""
        ...


class JobEngine(Protocol):
    """An engine that works on one job at a time, as a generator that ends with its `Result`."""

    def load(self, spec: LoadSpec, report: LoadReporter) -> LoadedModel:
        """Load and evaluate all weights; raises `LoadFailed` with what to do about it."""
        ...

    def run(self, request: Request, check: CancelCheck) -> Iterator[EngineEvent | Result]:
        """Do the work; raises a `SensesError` where the job cannot be done."""
        ...

    def idle(self) -> None:
        """Give back caches; called when no job is left."""
        ...


Engine = StepEngine | JobEngine
