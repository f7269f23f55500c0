"""Adapt an engine whose jobs are generators to the interface of one that runs in steps.

Only one job computes at a time. Jobs of an engine that allows it take turns: a turn ends after a piece of work, such as
a window of a recording or a sentence, which every `Progress` but a job's first output reports, if more is to do. A job that fits into one piece therefore ends in its
first turn, and a job of many pieces gets one after each turn of another, so that none starves. There is nothing to
load or to restore for another turn: it costs a rotation of the queue.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from model_runtime.engines.fatal_errors import is_fatal
from model_runtime.engines.protocol import EngineOutput, JobEngine, LoadReporter
from model_runtime.errors import JobFailed, SensesError
from model_runtime.events import EngineEvent, Progress, Result
from model_runtime.loading import LoadedModel, LoadSpec
from model_runtime.requests import Request
from model_runtime.worker.job_errors import to_request_error

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Run:
    job: int
    outputs: Iterator[EngineEvent | Result]
    has_output: bool = False


class SerialEngine:
    """Run the jobs of a `JobEngine` in turns or one after another, as a `StepEngine`.

    `check(job)` raises `Cancelled`; the engine calls it between its pieces of work.
    """

    def __init__(self, engine: JobEngine, check: Callable[[int], None]) -> None:
        self._engine = engine
        self._check = check
        self._runs: deque[_Run] = deque()

    def load(self, spec: LoadSpec, report: LoadReporter) -> LoadedModel:
        """Load the model.

        Raises:
            LoadFailed: the model cannot be loaded.
        """
        return self._engine.load(spec, report)

    def submit(self, job: int, request: Request) -> None:
        """Append the job to the queue."""
        self._runs.append(_Run(job, self._engine.run(request, lambda: self._check(job))))

    def step(self) -> list[tuple[int, EngineOutput]]:
        """Return the next output of the first job in the queue, which goes to the end after its turn.

        Raises:
            Exception: a fatal error (see `fatal_errors.is_fatal`), unchanged.
        """
        run = self._runs[0]
        output = self._next_output(run)
        ends_turn = self._engine.takes_turns and run.has_output and _has_more_to_do(output)
        run.has_output = True
        if isinstance(output, Result | SensesError):
            self.cancel(run.job)
        elif ends_turn:
            self._runs.rotate(-1)
        return [(run.job, output)]

    def cancel(self, job: int) -> None:
        """Remove the job from the queue and close its generator."""
        for run in [run for run in self._runs if run.job == job]:
            self._runs.remove(run)
            close = getattr(run.outputs, "close", None)
            if close is not None:
                close()

    def idle(self) -> None:
        """Release caches."""
        self._engine.idle()

    def _next_output(self, run: _Run) -> EngineOutput:
        try:
            self._check(run.job)
            return next(run.outputs)
        except StopIteration:
            return JobFailed("The engine ended the job without a result. This is a defect of Senses: please report it.")
        except SensesError as error:
            return error
        except Exception as error:
            if is_fatal(error):
                raise
            log.exception("Job %s failed", run.job)
            return to_request_error(error)


def _has_more_to_do(output: EngineOutput) -> bool:
    """Return whether a piece of work is done and more is left. The first output comes before any work."""
    return isinstance(output, Progress) and output.done < output.total
