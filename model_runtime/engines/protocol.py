"""The interface between worker and engine. One engine serves one model, on one thread, in one process."""

from collections.abc import Callable, Iterator
from typing import Protocol

from model_runtime.errors import SensesError
from model_runtime.events import EngineEvent, Result
from model_runtime.loading import LoadedModel, LoadSpec
from model_runtime.requests import Request

LoadReporter = Callable[[str, float | None], None]
"""report_progress(stage, fraction): the progress of a load; fraction 0..1, or None while unknown."""

CancelCheck = Callable[[], None]
"""check_cancelled(): raises `Cancelled` after the request was cancelled. Engines call it between tokens, steps,
segments and chunks."""

EngineOutput = EngineEvent | Result | SensesError


class StepEngine(Protocol):
    """An engine that runs several jobs at once, one bounded step at a time (continuous batching)."""

    def load(self, spec: LoadSpec, report_progress: LoadReporter) -> LoadedModel:
        """Load and evaluate all weights.

        Raises:
            LoadFailed: the model cannot be loaded; the message says what to do next.
        """
        ...

    def submit(self, job: int, request: Request) -> None:
        """Add a job.

        Raises:
            SensesError: this job cannot be run; other jobs are not affected.
        """
        ...

    def step(self) -> list[tuple[int, EngineOutput]]:
        """Advance every job by one step and return (job, output) pairs; a `Result` or an error ends its job.

        Raises:
            Exception: the process cannot continue; see `fatal_errors`.
        """
        ...

    def cancel(self, job: int) -> None:
        """Remove a job; it has no outputs from the next step on."""
        ...

    def idle(self) -> None:
        """Release caches; called when no job is left."""
        ...


class JobEngine(Protocol):
    """An engine that runs each job as a generator, which ends with its `Result`."""

    @property
    def takes_turns(self) -> bool:
        """Whether other jobs may run between two outputs of a job: the job has all of its state for itself."""
        ...

    def load(self, spec: LoadSpec, report_progress: LoadReporter) -> LoadedModel:
        """Load and evaluate all weights.

        Raises:
            LoadFailed: the model cannot be loaded; the message says what to do next.
        """
        ...

    def run(self, request: Request, check_cancelled: CancelCheck) -> Iterator[EngineEvent | Result]:
        """Run a job and yield its events, then its result.

        Raises:
            SensesError: the job cannot be run.
            Cancelled: the request was cancelled.
        """
        ...

    def idle(self) -> None:
        """Release caches; called when no job is left."""
        ...


Engine = StepEngine | JobEngine
