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

from mcp_server.calls.progress import Meter
from mcp_server.calls.results import Answered
from model_runtime.errors import Cancelled, Failed, InvalidInput, SensesError

logger = logging.getLogger(__name__)

FINISHED_KEPT = 32
"""A result holds up to 700 KB of previews."""
REPORT_SECONDS = 0.25
SILENCE_SECONDS = 5.0

Tell = Callable[[float, str], Awaitable[None]]
"""tell(fraction, message): passes progress on to whoever waits; fractions rise from call to call."""


@dataclass(eq=False, slots=True)
class Job:
    """One piece of work; `result` or `error` is set once `finished` is."""

    id: str
    tool: str
    client: str
    meter: Meter = field(default_factory=Meter)
    started: float = field(default_factory=time.monotonic)
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    finished: anyio.Event = field(default_factory=anyio.Event)
    result: CallToolResult | None = None
    error: SensesError | None = None

    @property
    def state(self) -> str:
        """ "running", "done", "failed" or "cancelled"."""
        if not self.finished.is_set():
            return "running"
        return "done" if self.result else "cancelled" if isinstance(self.error, Cancelled) else "failed"

    def running_yet(self) -> Answered:
        """Return what is told while the work goes on: how to ask for it, how far it is, how long it may take."""
        eta = self.meter.eta_seconds()
        left = None if eta is None else float(math.ceil(eta))
        return Answered(status="running", job_id=self.id, progress=self.meter.message, eta_seconds=left)

    def outcome(self) -> CallToolResult:
        """Return what the tool answers; raises what it raised."""
        if self.result is None:
            raise self.error or Failed(f"Job {self.id} ended without a result.")
        return self.result


Work = Callable[[Meter], Awaitable[CallToolResult]]


class Jobs:
    """The jobs of all clients; they run in `tasks` and the last finished ones are remembered."""

    def __init__(self, tasks: TaskGroup) -> None:
        self._tasks = tasks
        self._jobs: dict[str, Job] = {}

    def start(self, tool: str, client: str, work: Work) -> Job:
        """Begin the work of a tool."""
        job = Job(f"job-{secrets.token_hex(6)}", tool, client)
        self._forget()
        self._jobs[job.id] = job
        self._tasks.start_soon(self._run, job, work)
        return job

    def find(self, name: str) -> Job:
        """Return the job with this id; raises `InvalidInput` where there is none."""
        if name not in self._jobs:
            raise InvalidInput(
                f"There is no job {name!r}. Results are kept for the last {FINISHED_KEPT} jobs until Senses stops.",
                param="job_id",
                code="not_found",
            )
        return self._jobs[name]

    def delivered(self, job: Job) -> None:
        """Forget a job whose result the call that asked for it has given."""
        self._jobs.pop(job.id, None)

    def all(self) -> list[Job]:
        """Return the jobs that are known, oldest first."""
        return list(self._jobs.values())

    @property
    def running(self) -> int:
        """How many jobs are not finished."""
        return sum(not job.finished.is_set() for job in self._jobs.values())

    async def _run(self, job: Job, work: Work) -> None:
        try:
            with job.scope:
                job.result = await work(job.meter)
            if job.scope.cancelled_caught:
                job.error = Cancelled(f"The {job.tool} job was cancelled.")
        except SensesError as error:
            job.error = error
        except Exception:
            logger.exception("The %s job failed unexpectedly", job.tool)
            job.error = Failed(f"{job.tool} broke on an error of its own; the log of Senses tells more.")
        finally:
            job.finished.set()
            job.meter.stir()

    def _forget(self) -> None:
        finished = [job.id for job in self._jobs.values() if job.finished.is_set()]
        for name in finished[: max(0, len(finished) - FINISHED_KEPT + 1)]:
            del self._jobs[name]


async def attend(job: Job, seconds: float | None, tell: Tell, *, owns: bool = True) -> bool:
    """Wait for a job up to `seconds`, passing its progress on; return whether it finished.

    The job goes on when the time is up. It is cancelled when the waiting task is, if that task `owns` it.
    """
    try:
        with anyio.move_on_after(seconds):
            await _follow(job, tell)
    except anyio.get_cancelled_exc_class():
        if owns:
            job.scope.cancel()
        raise
    return job.finished.is_set()


async def _follow(job: Job, tell: Tell) -> None:
    while not job.finished.is_set():
        news = job.meter.news
        await tell(*job.meter.read())
        with anyio.move_on_after(REPORT_SECONDS):
            await job.finished.wait()
        with anyio.move_on_after(SILENCE_SECONDS - REPORT_SECONDS):
            await news.wait()


PATIENT_CLIENTS = frozenset({"claude-code"})
"""Clients whose calls have no time limit as long as progress arrives."""


SOFT_DEADLINE_SECONDS = 50.0
"""Everyone else gives up after 60 s to 4 minutes, whatever the progress: answer before that with a job to ask for."""


def deadline_seconds(client: str, wait_seconds: int) -> float | None:
    """Return after how many seconds a call must answer, None for never; `wait_seconds` -1 means by the client."""
    if wait_seconds >= 0:
        return float(wait_seconds)
    return None if client in PATIENT_CLIENTS else SOFT_DEADLINE_SECONDS
