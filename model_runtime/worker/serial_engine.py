"""An engine that works on one job at a time, seen as one that works in steps: jobs take turns in order of arrival."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from model_runtime.engines.fatal_errors import is_fatal
from model_runtime.engines.protocol import EngineOutput, JobEngine, LoadReporter
from model_runtime.errors import JobFailed, SensesError
from model_runtime.events import EngineEvent, Result
from model_runtime.loading import LoadedModel, LoadSpec
from model_runtime.requests import Request
from model_runtime.worker.job_errors import to_request_error

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Run:
    job: int
    outputs: Iterator[EngineEvent | Result]


class SerialEngine:
    """Runs a `JobEngine` as a `StepEngine`; the engine calls `check(job)` between its pieces of work."""

    def __init__(self, engine: JobEngine, check: Callable[[int], None]) -> None:
        self._engine = engine
        self._check = check
        self._runs: list[_Run] = []

    def load(self, spec: LoadSpec, report: LoadReporter) -> LoadedModel:
        """Load the model."""
        return self._engine.load(spec, report)

    def submit(self, job: int, request: Request) -> None:
        """Line the job up."""
        self._runs.append(_Run(job, self._engine.run(request, lambda: self._check(job))))

    def step(self) -> list[tuple[int, EngineOutput]]:
        """Produce the next piece of the job whose turn it is."""
        turn = self._runs[0]
        outcome = self._next_output(turn)
        if isinstance(outcome, Result | SensesError):
            self.cancel(turn.job)
        return [(turn.job, outcome)]

    def cancel(self, job: int) -> None:
        """Take the job out of the line and let its generator clean up."""
        for turn in [turn for turn in self._runs if turn.job == job]:
            self._runs.remove(turn)
            close = getattr(turn.outputs, "close", None)
            if close is not None:
                close()

    def idle(self) -> None:
        """Give back caches."""
        self._engine.idle()

    def _next_output(self, turn: _Run) -> EngineOutput:
        try:
            self._check(turn.job)
            return next(turn.outputs)
        except StopIteration:
            return JobFailed("The engine ended the job without a result. This is a fault of Senses: please report it.")
        except SensesError as error:
            return error
        except Exception as error:
            if is_fatal(error):
                raise
            log.exception("Job %s failed", turn.job)
            return to_request_error(error)
