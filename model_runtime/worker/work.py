"""The job loop: takes orders, lets the engine work a piece at a time, reports what happened."""

from collections.abc import Callable

from model_runtime.engines.engine import Outcome, StepEngine
from model_runtime.errors import Cancelled, JobFailed, SensesError
from model_runtime.events import Result
from model_runtime.requests import Request
from model_runtime.wire.codec import CodecError
from model_runtime.wire.frames import FrameError
from model_runtime.worker.faults import as_failure
from model_runtime.worker.messages import Cancel, JobEnded, JobEvent, Order, Report, Run, Shutdown
from model_runtime.worker.orders import Orders
from model_runtime.worker.pulse import Pulse


class Work:
    """Every job that was taken in ends with exactly one `JobEnded`, or with the process."""

    def __init__(self, engine: StepEngine, orders: Orders, pulse: Pulse, send: Callable[[Report], None]) -> None:
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
        for job, outcome in outcomes:
            self._report(job, outcome)
        self._rest()

    def _report(self, job: int, outcome: Outcome) -> None:
        if job not in self._jobs:
            return
        if isinstance(outcome, Result | SensesError):
            self._end(job, outcome)
        else:
            self._send(JobEvent(job, outcome))

    def _end(self, job: int, outcome: Result | SensesError) -> None:
        self._jobs.discard(job)
        self._pulse.jobs = tuple(sorted(self._jobs))
        self._orders.forget(job)
        try:
            self._send(JobEnded(job, outcome))
        except (CodecError, FrameError) as error:
            self._send(JobEnded(job, JobFailed(f"The result cannot be sent: {error}")))

    def _rest(self) -> None:
        if not self._jobs:
            self._engine.idle()
