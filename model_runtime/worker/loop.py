"""The worker's main loop: handle commands, step the engine, send its outputs."""

from collections.abc import Callable, Sequence
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
    """Send messages to the daemon."""

    def __call__(self, *messages: WorkerMessage) -> None:
        """Send all messages.

        Raises:
            CodecError: a message cannot be encoded; none is sent.
            FrameError: a message is too large; none is sent.
        """
        ...


class WorkerLoop:
    """Run the jobs of one engine. Every job ends with exactly one `RequestOutcome`, or with the process."""

    def __init__(
        self,
        engine: StepEngine,
        commands: CommandQueue,
        heartbeat: HeartbeatSender,
        send: SendMessages,
        synchronize: Callable[[], None],
    ) -> None:
        """`synchronize` waits for the GPU and raises its errors, which can surface after an evaluation has returned."""
        self._engine = engine
        self._commands = commands
        self._heartbeat = heartbeat
        self._send = send
        self._synchronize = synchronize
        self._running: set[int] = set()
        self._is_shutting_down = False

    def run(self) -> None:
        """Run until a `Shutdown` command.

        Raises:
            Exception: the engine raised it from a step, which ends all jobs with that error.
        """
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
        for command in self._commands.drain():
            self._handle(command)

    def _handle(self, command: Command) -> None:
        match command:
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
        outputs = self._engine.step()
        self._heartbeat.progress_count += 1
        if any(isinstance(output, Result) for _, output in outputs):  # once a request, not once a token
            self._synchronize()
        self._send_messages([self._message(job, output) for job, output in outputs if job in self._running])
        self._release_idle()

    def _message(self, job: int, output: EngineOutput) -> RequestOutput | RequestOutcome:
        return self._outcome(job, output) if isinstance(output, Result | SensesError) else RequestOutput(job, output)

    def _outcome(self, job: int, outcome: Result | SensesError) -> RequestOutcome:
        self._running.discard(job)
        self._heartbeat.request_ids = tuple(sorted(self._running))
        self._commands.discard(job)
        return RequestOutcome(job, outcome)

    def _end(self, job: int, outcome: Result | SensesError) -> None:
        self._send_messages([self._outcome(job, outcome)])

    def _send_messages(self, messages: Sequence[RequestOutput | RequestOutcome]) -> None:
        """Send all outputs of one step in a single write, so that a batch of eight wakes the daemon once per token."""
        if not messages:
            return
        try:
            self._send(*messages)
        except (CodecError, FrameError):
            for message in messages:
                self._send_message(message)

    def _send_message(self, message: RequestOutput | RequestOutcome) -> None:
        try:
            self._send(message)
        except (CodecError, FrameError) as error:
            if isinstance(message, RequestOutput):
                raise
            failure = JobFailed(f"The result cannot be sent: {error} Ask for less at once.")
            self._send(RequestOutcome(message.request_id, failure))

    def _release_idle(self) -> None:
        if not self._running:
            self._engine.idle()
