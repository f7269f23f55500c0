"""Jobs: the work of a tool, which may outlive the call that started it.

Some clients wait for minutes as long as progress arrives, others time out after one minute. Every media tool therefore
works as a job: the call waits for it up to a timeout and then returns the job's id, the job continues, and `get_job`
returns the tool's result. If the client cancels a call that still waits, the job is cancelled.

A job is a handle on a request of the runtime: it has the id of its first request, and ends when that is cancelled.
"""

import logging
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup
from mcp_types import CallToolResult

from mcp_server.calls.job_store import JobStore
from mcp_server.calls.progress import ProgressTracker
from mcp_server.calls.result_types import ToolResult
from model_runtime.errors import Cancelled, InvalidInput, OperationFailed, SensesError

logger = logging.getLogger(__name__)

MAX_FINISHED_JOBS = 32
"""Few, because a result holds up to 700 kB of previews."""
MIN_REPORT_INTERVAL_SECONDS = 0.25
MAX_REPORT_INTERVAL_SECONDS = 5.0
"""Progress is reported at least this often, so that clients with an idle timeout keep waiting."""

CLIENTS_WITHOUT_TIMEOUT = frozenset({"claude-code"})
"""Clients whose calls have no time limit as long as progress arrives."""
DEFAULT_CALL_TIMEOUT_SECONDS = 50.0
"""Other clients time out after 60 s to 4 minutes, whatever the progress: the call answers before that."""

ReportProgress = Callable[[float, str], Awaitable[None]]
"""report(fraction, message): sends progress to the waiting client; fractions rise from call to call."""


@dataclass(eq=False, slots=True)
class ToolJob:
    """The work of one call. `id` is that of its first request; when `finished` is set, `result` or `error` is, too."""

    id: int
    tool: str
    client: str
    progress: ProgressTracker = field(default_factory=ProgressTracker)
    started_at: float = field(default_factory=time.monotonic)
    cancel_scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    finished: anyio.Event = field(default_factory=anyio.Event)
    result: CallToolResult | None = None
    error: SensesError | None = None
    is_detached: bool = False
    """Its call has answered with the id."""
    _has_request: bool = False

    def next_request_id(self) -> int | None:
        """Return the id for the job's next request: its own for the first one, None (a new id) for others."""
        is_first, self._has_request = not self._has_request, True
        return self.id if is_first else None

    def cancel(self) -> None:
        """Cancel the work and its running request."""
        self.cancel_scope.cancel()

    @property
    def state(self) -> str:
        """One of "running", "done", "failed" and "cancelled"."""
        if not self.finished.is_set():
            return "running"
        return "done" if self.result else "cancelled" if isinstance(self.error, Cancelled) else "failed"

    def progress_result(self) -> ToolResult:
        """Return the result of a call that stops waiting: the job's id, its progress, the seconds left."""
        eta_seconds = self.progress.eta_seconds()
        return ToolResult(
            status="running",
            job_id=str(self.id),
            progress=self.progress.message,
            eta_seconds=None if eta_seconds is None else float(math.ceil(eta_seconds)),
        )

    def result_or_raise(self) -> CallToolResult:
        """Return the tool's result.

        Raises:
            SensesError: the job failed or was cancelled.
        """
        if self.result is None:
            raise self.error or OperationFailed(f"Job {self.id} ended without a result.")
        return self.result


JobFunction = Callable[[ToolJob], Awaitable[CallToolResult]]
"""The work of a tool: function(job) returns its result and updates `job.progress`."""


class JobRegistry:
    """The jobs of all clients. They run in `task_group`; the last finished ones are kept.

    `new_id()` returns the runtime's next request id. `store` has the jobs of earlier daemons.
    """

    def __init__(self, task_group: TaskGroup, new_id: Callable[[], int], store: JobStore | None = None) -> None:
        self._task_group = task_group
        self._new_id = new_id
        self._store = store
        self._jobs: dict[int, ToolJob] = {}

    def start(self, tool: str, client: str, function: JobFunction) -> ToolJob:
        """Start the work of a tool for the client of this name, and drop the oldest finished jobs."""
        job = ToolJob(self._unused_id(), tool, client)
        finished = [known.id for known in self._jobs.values() if known.finished.is_set()]
        for job_id in finished[: max(0, len(finished) - MAX_FINISHED_JOBS + 1)]:
            del self._jobs[job_id]
        self._jobs[job.id] = job
        self._task_group.start_soon(self._run, job, function)
        return job

    async def detach(self, job: ToolJob) -> None:
        """Keep a job whose call answers with its id, also for a later daemon."""
        job.is_detached = True
        await self._save(job)

    async def find_result(self, job_id: str) -> CallToolResult:
        """Return the result of a job of an earlier daemon.

        Raises:
            InvalidInput: no job has this id.
            SensesError: the job failed, or ended with its daemon.
        """
        if self._store is not None and job_id.isdecimal():
            result = await anyio.to_thread.run_sync(self._store.result_or_raise, int(job_id))
            if result is not None:
                return result
        raise InvalidInput(
            f"There is no job {job_id!r}. Senses keeps the last {MAX_FINISHED_JOBS} jobs. Call the tool again.",
            code="not_found",
        )

    def get(self, job_id: str) -> ToolJob | None:
        """Return the job with this id, or None."""
        return self._jobs.get(int(job_id)) if job_id.isdecimal() else None

    def discard(self, job: ToolJob) -> None:
        """Drop a job whose result its own call has returned."""
        self._jobs.pop(job.id, None)

    def all(self) -> list[ToolJob]:
        """Return the jobs that are kept, oldest first."""
        return list(self._jobs.values())

    @property
    def running_count(self) -> int:
        """The number of jobs that are not finished."""
        return sum(not job.finished.is_set() for job in self._jobs.values())

    async def _run(self, job: ToolJob, function: JobFunction) -> None:
        try:
            with job.cancel_scope:
                job.result = await function(job)
            if job.cancel_scope.cancelled_caught:
                job.error = Cancelled(f"The {job.tool} job was cancelled.")
        except SensesError as error:
            job.error = error
        except Exception:
            logger.exception("The %s job failed with an internal error", job.tool)
            job.error = OperationFailed(f"{job.tool} failed with an internal error. See the Senses log for details.")
        finally:
            try:
                if job.is_detached:
                    await self._save(job)
            finally:
                job.finished.set()
                job.progress.notify()

    async def _save(self, job: ToolJob) -> None:
        if self._store is not None:
            await anyio.to_thread.run_sync(self._store.save, job.id, job.tool, job.result, job.error)

    def _unused_id(self) -> int:
        """Return an id that names no job of an earlier daemon."""
        job_id = self._new_id()
        while self._store is not None and job_id in self._store:
            job_id = self._new_id()
        return job_id


async def wait_for_job(
    job: ToolJob, timeout_seconds: float | None, report: ReportProgress, *, cancel_with_caller: bool = True
) -> bool:
    """Wait for a job up to `timeout_seconds`, report its progress, and return whether it has finished.

    The job continues after the timeout. With `cancel_with_caller` it is cancelled when the waiting task is.
    """
    try:
        with anyio.move_on_after(timeout_seconds):
            while not job.finished.is_set():
                changed = job.progress.changed
                await report(*job.progress.next_report())
                with anyio.move_on_after(MIN_REPORT_INTERVAL_SECONDS):
                    await job.finished.wait()
                with anyio.move_on_after(MAX_REPORT_INTERVAL_SECONDS - MIN_REPORT_INTERVAL_SECONDS):
                    await changed.wait()
    except anyio.get_cancelled_exc_class():
        if cancel_with_caller:
            job.cancel()
        raise
    return job.finished.is_set()


def call_timeout_seconds(client: str, wait_seconds: int) -> float | None:
    """Return the seconds after which a call must answer, or None for no limit.

    A `wait_seconds` of -1 stands for the limit of the client with this name.
    """
    if wait_seconds >= 0:
        return float(wait_seconds)
    return None if client in CLIENTS_WITHOUT_TIMEOUT else DEFAULT_CALL_TIMEOUT_SECONDS
