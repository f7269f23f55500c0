"""The job loop: takes orders, lets the engine work a piece at a time, reports what happened."""

from collections.abc import Sequence
from typing import Protocol

from model_runtime.engines.protocol import EngineOutput, StepEngine
from model_runtime.errors import Cancelled, JobFailed, SensesError
from model_runtime.events import Result
from model_runtime.ipc.codec import CodecError
from model_runtime.ipc.framing import FrameError
from model_runtime.ipc.messages import (
    Cancel,
    Command,
    RequestOutcome,
    RequestOutput,
    RunRequest,
    Shutdown,
    WorkerMessage,
)
from model_runtime.requests import Request
from model_runtime.worker.command_queue import CommandQueue
from model_runtime.worker.heartbeat import HeartbeatSender
from model_runtime.worker.job_errors import to_request_error


class SendMessages(Protocol):
    """Tells the daemon."""

    def __call__(self, *reports: WorkerMessage) -> None:
        """Send all of them; raises `CodecError` or `FrameError`, and sends none, where one of them cannot be sent."""
        ...


class WorkerLoop:
    """Every job that was taken in ends with exactly one `JobEnded`, or with the process."""

    def __init__(
        self, engine: StepEngine, commands: CommandQueue, heartbeat: HeartbeatSender, send: SendMessages
    ) -> None:
        self._engine = engine
        self._commands = commands
        self._heartbeat = heartbeat
        self._send = send
        self._running: set[int] = set()
        self._is_shutting_down = False

    def run(self) -> None:
        """Work until told to leave. Whatever the engine raises outside its jobs ends them all and goes on up."""
        try:
            while not self._is_shutting_down:
                self._handle_commands()
                if self._running and not self._is_shutting_down:
                    self._step()
        except Exception as error:
            for job in sorted(self._running):
                self._end(job, to_request_error(error))
            raise

    def _handle_commands(self) -> None:
        if not self._running:
            self._handle(self._commands.wait())
        for order in self._commands.drain():
            self._handle(order)

    def _handle(self, order: Command) -> None:
        match order:
            case RunRequest(job, request):
                self._begin(job, request)
            case Cancel(job) if job in self._running:
                self._engine.cancel(job)
                self._end(job, Cancelled("The call was ended before it finished."))
                self._release_idle()
            case Cancel(job):
                self._commands.discard(job)
            case Shutdown():
                self._is_shutting_down = True
            case _:
                pass

    def _begin(self, job: int, request: Request) -> None:
        self._running.add(job)
        self._heartbeat.request_ids = tuple(sorted(self._running))
        try:
            self._engine.submit(job, request)
        except SensesError as error:
            self._end(job, error)
            self._release_idle()

    def _step(self) -> None:
        outcomes = self._engine.step()
        self._heartbeat.progress_count += 1
        self._send_messages([self._message(job, outcome) for job, outcome in outcomes if job in self._running])
        self._release_idle()

    def _message(self, job: int, outcome: EngineOutput) -> RequestOutput | RequestOutcome:
        return self._outcome(job, outcome) if isinstance(outcome, Result | SensesError) else RequestOutput(job, outcome)

    def _outcome(self, job: int, outcome: Result | SensesError) -> RequestOutcome:
        self._running.discard(job)
        self._heartbeat.request_ids = tuple(sorted(self._running))
        self._commands.discard(job)
        return RequestOutcome(job, outcome)

    def _end(self, job: int, outcome: Result | SensesError) -> None:
        self._send_messages([self._outcome(job, outcome)])

    def _send_messages(self, reports: Sequence[RequestOutput | RequestOutcome]) -> None:
        """Send what one step brought in one go: eight answers wake the daemon once a token, not eight times."""
        if not reports:
            return
        try:
            self._send(*reports)
        except (CodecError, FrameError):
            for report in reports:
                self._send_message(report)

    def _send_message(self, report: RequestOutput | RequestOutcome) -> None:
        try:
            self._send(report)
        except (CodecError, FrameError) as error:
            if isinstance(report, RequestOutput):
                raise
            self._send(
                RequestOutcome(
                    report.request_id, JobFailed(f"The result cannot be sent: {error} Ask for less at once.")
                )
            )

    def _release_idle(self) -> None:
        if not self._running:
            self._engine.idle()
