"""Work that may outlive the call that asked for it.

Some clients wait for minutes as long as progress arrives, others give up after one whatever happens. So every media
tool does its work as a job: a call waits for it up to its deadline and then answers with the job's id; the work goes
on and `get_job` answers exactly what the tool would have. Cancelling a call that still waits cancels its job.
"""

import logging
import math
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio
from anyio.abc import TaskGroup
from mcp_types import CallToolResult

from mcp_server.calls.progress import ProgressTracker
from mcp_server.calls.results import ToolResult
from model_runtime.errors import Cancelled, InvalidInput, OperationFailed, SensesError

logger = logging.getLogger(__name__)

MAX_FINISHED_JOBS = 32
"""A result holds up to 700 KB of previews."""
MIN_REPORT_INTERVAL_SECONDS = 0.25
MAX_REPORT_INTERVAL_SECONDS = 5.0

ReportProgress = Callable[[float, str], Awaitable[None]]
"""tell(fraction, message): passes progress on to whoever waits; fractions rise from call to call."""


@dataclass(eq=False, slots=True)
class ToolJob:
    """One piece of work; `result` or `error` is set once `finished` is."""

    id: str
    tool: str
    client: str
    progress: ProgressTracker = field(default_factory=ProgressTracker)
    started_at: float = field(default_factory=time.monotonic)
    cancel_scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    finished: anyio.Event = field(default_factory=anyio.Event)
    result: CallToolResult | None = None
    error: SensesError | None = None

    @property
    def state(self) -> str:
        """ "running", "done", "failed" or "cancelled"."""
        if not self.finished.is_set():
            return "running"
        return "done" if self.result else "cancelled" if isinstance(self.error, Cancelled) else "failed"

    def progress_result(self) -> ToolResult:
        """Return what is told while the work goes on: how to ask for it, how far it is, how long it may take."""
        eta_seconds = self.progress.eta_seconds()
        rounded_seconds = None if eta_seconds is None else float(math.ceil(eta_seconds))
        return ToolResult(status="running", job_id=self.id, progress=self.progress.message, eta_seconds=rounded_seconds)

    def result_or_raise(self) -> CallToolResult:
        """Return what the tool answers; raises what it raised."""
        if self.result is None:
            raise self.error or OperationFailed(f"Job {self.id} ended without a result.")
        return self.result


JobFunction = Callable[[ProgressTracker], Awaitable[CallToolResult]]


class JobRegistry:
    """The jobs of all clients; they run in `tasks` and the last finished ones are remembered."""

    def __init__(self, task_group: TaskGroup) -> None:
        self._task_group = task_group
        self._jobs: dict[str, ToolJob] = {}

    def start(self, tool: str, client: str, function: JobFunction) -> ToolJob:
        """Begin the work of a tool."""
        job = ToolJob(f"job-{secrets.token_hex(6)}", tool, client)
        self._evict_finished()
        self._jobs[job.id] = job
        self._task_group.start_soon(self._run, job, function)
        return job

    def find(self, job_id: str) -> ToolJob:
        """Return the job with this id; raises `InvalidInput` where there is none."""
        if job_id not in self._jobs:
            raise InvalidInput(
                f"There is no job {job_id!r}. Results are kept for the last {MAX_FINISHED_JOBS} jobs until Senses stops.",
                param="job_id",
                code="not_found",
            )
        return self._jobs[job_id]

    def discard(self, job: ToolJob) -> None:
        """Forget a job whose result the call that asked for it has given."""
        self._jobs.pop(job.id, None)

    def all(self) -> list[ToolJob]:
        """Return the jobs that are known, oldest first."""
        return list(self._jobs.values())

    @property
    def running_count(self) -> int:
        """How many jobs are not finished."""
        return sum(not job.finished.is_set() for job in self._jobs.values())

    async def _run(self, job: ToolJob, function: JobFunction) -> None:
        try:
            with job.cancel_scope:
                job.result = await function(job.progress)
            if job.cancel_scope.cancelled_caught:
                job.error = Cancelled(f"The {job.tool} job was cancelled.")
        except SensesError as error:
            job.error = error
        except Exception:
            logger.exception("The %s job failed unexpectedly", job.tool)
            job.error = OperationFailed(f"{job.tool} broke on an error of its own; the log of Senses tells more.")
        finally:
            job.finished.set()
            job.progress.notify()

    def _evict_finished(self) -> None:
        finished = [job.id for job in self._jobs.values() if job.finished.is_set()]
        for job_id in finished[: max(0, len(finished) - MAX_FINISHED_JOBS + 1)]:
            del self._jobs[job_id]


async def wait_for_job(
    job: ToolJob, timeout_seconds: float | None, report: ReportProgress, *, cancel_with_caller: bool = True
) -> bool:
    """Wait for a job up to `seconds`, passing its progress on; return whether it finished.

    The job goes on when the time is up. It is cancelled when the waiting task is, if that task `owns` it.
    """
    try:
        with anyio.move_on_after(timeout_seconds):
            await _report_until_finished(job, report)
    except anyio.get_cancelled_exc_class():
        if cancel_with_caller:
            job.cancel_scope.cancel()
        raise
    return job.finished.is_set()


async def _report_until_finished(job: ToolJob, report: ReportProgress) -> None:
    while not job.finished.is_set():
        changed = job.progress.changed
        await report(*job.progress.next_report())
        with anyio.move_on_after(MIN_REPORT_INTERVAL_SECONDS):
            await job.finished.wait()
        with anyio.move_on_after(MAX_REPORT_INTERVAL_SECONDS - MIN_REPORT_INTERVAL_SECONDS):
            await changed.wait()


CLIENTS_WITHOUT_TIMEOUT = frozenset({"claude-code"})
"""Clients whose calls have no time limit as long as progress arrives."""


DEFAULT_CALL_TIMEOUT_SECONDS = 50.0
"""Everyone else gives up after 60 s to 4 minutes, whatever the progress: answer before that with a job to ask for."""


def call_timeout_seconds(client: str, wait_seconds: int) -> float | None:
    """Return after how many seconds a call must answer, None for never; `wait_seconds` -1 means by the client."""
    if wait_seconds >= 0:
        return float(wait_seconds)
    return None if client in CLIENTS_WITHOUT_TIMEOUT else DEFAULT_CALL_TIMEOUT_SECONDS
