"""The job loop: takes orders, lets the engine work a piece at a time, reports what happened."""

from collections.abc import Sequence
from typing import Protocol

from model_runtime.engines.protocol import Outcome, StepEngine
from model_runtime.errors import Cancelled, JobFailed, SensesError
from model_runtime.events import Result
from model_runtime.ipc.codec import CodecError
from model_runtime.ipc.framing import FrameError
from model_runtime.ipc.messages import Cancel, JobEnded, JobEvent, Order, Report, Run, Shutdown
from model_runtime.requests import Request
from model_runtime.worker.command_queue import Orders
from model_runtime.worker.heartbeat import Pulse
from model_runtime.worker.job_errors import as_failure


class Send(Protocol):
    """Tells the daemon."""

    def __call__(self, *reports: Report) -> None:
        """Send all of them; raises `CodecError` or `FrameError`, and sends none, where one of them cannot be sent."""
        ...


class Work:
    """Every job that was taken in ends with exactly one `JobEnded`, or with the process."""

    def __init__(self, engine: StepEngine, orders: Orders, pulse: Pulse, send: Send) -> None:
        self._engine = engine
        self._orders = orders
        self._pulse = pulse
        self._send = send
        self._jobs: set[int] = set()
        self._leaving = False

    def run(self) -> None:
        """Work until told to leave. Whatever the engine raises outside its jobs ends them all and goes on up."""
        try:
            while not self._leaving:
                self._take_orders()
                if self._jobs and not self._leaving:
                    self._step()
        except Exception as error:
            for job in sorted(self._jobs):
                self._end(job, as_failure(error))
            raise

    def _take_orders(self) -> None:
        if not self._jobs:
            self._follow(self._orders.wait())
        for order in self._orders.take():
            self._follow(order)

    def _follow(self, order: Order) -> None:
        match order:
            case Run(job, request):
                self._begin(job, request)
            case Cancel(job) if job in self._jobs:
                self._engine.cancel(job)
                self._end(job, Cancelled("The call was ended before it finished."))
                self._rest()
            case Cancel(job):
                self._orders.forget(job)
            case Shutdown():
                self._leaving = True
            case _:
                pass

    def _begin(self, job: int, request: Request) -> None:
        self._jobs.add(job)
        self._pulse.jobs = tuple(sorted(self._jobs))
        try:
            self._engine.submit(job, request)
        except SensesError as error:
            self._end(job, error)
            self._rest()

    def _step(self) -> None:
        outcomes = self._engine.step()
        self._pulse.pieces += 1
        self._tell([self._report(job, outcome) for job, outcome in outcomes if job in self._jobs])
        self._rest()

    def _report(self, job: int, outcome: Outcome) -> JobEvent | JobEnded:
        return self._ended(job, outcome) if isinstance(outcome, Result | SensesError) else JobEvent(job, outcome)

    def _ended(self, job: int, outcome: Result | SensesError) -> JobEnded:
        self._jobs.discard(job)
        self._pulse.jobs = tuple(sorted(self._jobs))
        self._orders.forget(job)
        return JobEnded(job, outcome)

    def _end(self, job: int, outcome: Result | SensesError) -> None:
        self._tell([self._ended(job, outcome)])

    def _tell(self, reports: Sequence[JobEvent | JobEnded]) -> None:
        """Send what one step brought in one go: eight answers wake the daemon once a token, not eight times."""
        if not reports:
            return
        try:
            self._send(*reports)
        except (CodecError, FrameError):
            for report in reports:
                self._tell_alone(report)

    def _tell_alone(self, report: JobEvent | JobEnded) -> None:
        try:
            self._send(report)
        except (CodecError, FrameError) as error:
            if isinstance(report, JobEvent):
                raise
            self._send(JobEnded(report.job, JobFailed(f"The result cannot be sent: {error} Ask for less at once.")))

    def _rest(self) -> None:
        if not self._jobs:
            self._engine.idle()
