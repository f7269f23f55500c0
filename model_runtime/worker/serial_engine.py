"""An engine that works on one job at a time, seen as one that works in steps: jobs take turns in order of arrival."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from model_runtime.engines.fatal_errors import is_fatal
from model_runtime.engines.protocol import JobEngine, Outcome, Report
from model_runtime.errors import JobFailed, SensesError
from model_runtime.events import EngineEvent, Result
from model_runtime.loading import Loaded, LoadSpec
from model_runtime.requests import Request
from model_runtime.worker.job_errors import as_failure

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Turn:
    job: int
    pieces: Iterator[EngineEvent | Result]


class Turns:
    """Runs a `JobEngine` as a `StepEngine`; the engine calls `check(job)` between its pieces of work."""

    def __init__(self, engine: JobEngine, check: Callable[[int], None]) -> None:
        self._engine = engine
        self._check = check
        self._turns: list[_Turn] = []

    def load(self, spec: LoadSpec, report: Report) -> Loaded:
        """Load the model."""
        return self._engine.load(spec, report)

    def submit(self, job: int, request: Request) -> None:
        """Line the job up."""
        self._turns.append(_Turn(job, self._engine.run(request, lambda: self._check(job))))

    def step(self) -> list[tuple[int, Outcome]]:
        """Produce the next piece of the job whose turn it is."""
        turn = self._turns[0]
        outcome = self._piece(turn)
        if isinstance(outcome, Result | SensesError):
            self.cancel(turn.job)
        return [(turn.job, outcome)]

    def cancel(self, job: int) -> None:
        """Take the job out of the line and let its generator clean up."""
        for turn in [turn for turn in self._turns if turn.job == job]:
            self._turns.remove(turn)
            close = getattr(turn.pieces, "close", None)
            if close is not None:
                close()

    def idle(self) -> None:
        """Give back caches."""
        self._engine.idle()

    def _piece(self, turn: _Turn) -> Outcome:
        try:
            self._check(turn.job)
            return next(turn.pieces)
        except StopIteration:
            return JobFailed("The engine ended the job without a result. This is a fault of Senses: please report it.")
        except SensesError as error:
            return error
        except Exception as error:
            if is_fatal(error):
                raise
            log.exception("Job %s failed", turn.job)
            return as_failure(error)
