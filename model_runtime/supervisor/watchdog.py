"""Who is stuck: decided over the times of jobs and processes, and ended, once a second."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from model_runtime.errors import Cancelled, JobStalled
from model_runtime.requests import Task
from model_runtime.scheduler.messages import MemoryMeasured, MemoryPressure
from model_runtime.supervisor.active_request import ActiveRequest
from model_runtime.supervisor.model_worker import ModelWorker
from model_runtime.supervisor.supervisor import Supervisor

STALL_SECONDS: Mapping[Task, float] = MappingProxyType(
    {Task.VISION: 60.0, Task.TEXT: 60.0, Task.SPEECH: 60.0, Task.TRANSCRIPTION: 180.0, Task.IMAGE: 300.0}
)

SLEEP_SECONDS = 5.0
"""A look that comes so late tells that the machine slept: silence during that time means nothing."""

SETTLE_SECONDS = 3.0
"""How long after its last job the memory of an idle process counts as what it holds."""

LEARN_SECONDS = 10.0
"""How often what was learned is written down."""

SETTLE_SHARE = 0.02
"""A change smaller than this is not worth telling."""


@dataclass(frozen=True, slots=True)
class WatchdogLimits:
    """How long silence is tolerated."""

    heartbeat_seconds: float = 15.0
    """A process that gives no sign of life."""
    stall_seconds: Mapping[Task, float] = field(default_factory=lambda: STALL_SECONDS)
    """A job that makes no progress."""
    cancel_seconds: float = 10.0
    """A job that goes on after it was cancelled, while somebody waits."""
    uncontended_cancel_seconds: float = 60.0
    """A job that goes on after it was cancelled, while nobody waits: a reload is dearer than a little patience."""
    slow_consumer_seconds: float = 60.0
    """A caller that does not read while its output queue is full."""


def missed_heartbeat(
    workers: Iterable[ModelWorker], limits: WatchdogLimits, now: float
) -> Iterator[tuple[ModelWorker, str]]:
    """Name the processes that give no sign of life any more, and say so in a clause."""
    for worker in workers:
        if not worker.is_paused and now - worker.last_message_at >= limits.heartbeat_seconds:
            yield worker, f"its process gave no sign of life for {limits.heartbeat_seconds:.0f} s"


def ignoring_cancel(
    workers: Iterable[ModelWorker], limits: WatchdogLimits, now: float, *, anyone_waits: bool
) -> Iterator[tuple[ModelWorker, str]]:
    """Name the processes that work on for a caller who is gone."""
    limit = limits.cancel_seconds if anyone_waits else limits.uncontended_cancel_seconds
    for worker in workers:
        if any(now - since >= limit for since in worker.cancelled_at.values()):
            yield worker, f"it went on with a cancelled job for {limit:.0f} s"


def stalled(
    jobs: Iterable[ActiveRequest], held_back: Collection[str], limits: WatchdogLimits, now: float
) -> Iterator[tuple[ActiveRequest, float]]:
    """Name the running jobs without progress, and their limit; a model in `held_back` waits for a slow caller."""
    for job in jobs:
        limit = limits.stall_seconds[job.task]
        if job.granted_at is not None and job.model.name not in held_back and now - job.last_progress_at >= limit:
            yield job, limit


def slow_consumer(jobs: Iterable[ActiveRequest], limits: WatchdogLimits, now: float) -> Iterator[ActiveRequest]:
    """Name the jobs whose caller does not read."""
    return (
        job
        for job in jobs
        if job.queue_full_since is not None and now - job.queue_full_since >= limits.slow_consumer_seconds
    )


class Watchdog:
    """Ends what is stuck, so that every caller is answered."""

    def __init__(self, supervisor: Supervisor, limits: WatchdogLimits, is_short: Callable[[], bool]) -> None:
        self._supervisor = supervisor
        self._limits = limits
        self._is_short = is_short
        self._looked_at = self._learned_at = supervisor.clock()
        self._tidied_after = 0

    def check(self) -> None:
        """Measure every process and end what is stuck."""
        now = self._supervisor.clock()
        if now - self._looked_at > SLEEP_SECONDS:
            self._forgive(now)
        self._looked_at = now
        self._supervisor.workers.measure()
        self._end_unread(now)
        self._end_stalled(now)
        self._end_processes(now)
        self._charge_what_is_held(now)
        if now - self._learned_at >= LEARN_SECONDS:
            self._learned_at = now
            self._supervisor.save_stats()
        self._weigh()

    def became_idle(self) -> bool:
        """Whether nothing runs and something has ended since this was last so."""
        requests = self._supervisor.requests
        if requests.active or requests.finished_count == self._tidied_after:
            return False
        self._tidied_after = requests.finished_count
        return True

    def _weigh(self) -> None:
        """Give memory back while the machine runs short of it, what serves nobody first; else use the quiet."""
        if not self._is_short():
            self._supervisor.prepare()
        elif self._supervisor.workers.spare.engine:
            self._supervisor.workers.spare.stop()
        else:
            self._supervisor.dispatch(MemoryPressure())

    def _charge_what_is_held(self, now: float) -> None:
        """Caches and leaks count, but not the memory of a job that is being given back a moment after its end."""
        for worker in list(self._supervisor.workers.workers.values()):
            record = self._supervisor.scheduler.records[worker.model.name]
            settled = record.idle_since is not None and now - record.idle_since >= SETTLE_SECONDS
            change_bytes = abs(worker.footprint_bytes - record.resident_bytes)
            if settled and worker.footprint_bytes and change_bytes > SETTLE_SHARE * record.resident_bytes:
                self._supervisor.dispatch(MemoryMeasured(worker.model.name, worker.incarnation, worker.footprint_bytes))

    def _forgive(self, now: float) -> None:
        for worker in self._supervisor.workers.workers.values():
            worker.last_message_at = now
        for job in self._supervisor.requests.active.values():
            job.last_progress_at = now

    def _end_unread(self, now: float) -> None:
        for job in list(slow_consumer(self._supervisor.requests.active.values(), self._limits, now)):
            job.outputs.clear()
            seconds = self._limits.slow_consumer_seconds
            why = f"The answer was not read for {seconds:.0f} s, so the work was ended."
            self._supervisor.fail(job, Cancelled(why))

    def _end_stalled(self, now: float) -> None:
        held_back = {worker.model.name for worker in self._supervisor.workers.workers.values() if worker.is_paused}
        for job, seconds in list(stalled(self._supervisor.requests.active.values(), held_back, self._limits, now)):
            name, cause = job.model.name, f"a job made no progress for {seconds:.0f} s"
            why = f"{name} was stopped: {cause}. Try again, perhaps with less at once."
            self._supervisor.requests.fail(job, JobStalled(why))
            worker = self._supervisor.workers.by_incarnation(name, job.incarnation)
            if worker is not None:
                worker.process.kill(cause)

    def _end_processes(self, now: float) -> None:
        workers = self._supervisor.workers.workers.values()
        anyone_waits = self._supervisor.requests.anyone_waits()
        ends = [
            *missed_heartbeat(workers, self._limits, now),
            *ignoring_cancel(workers, self._limits, now, anyone_waits=anyone_waits),
        ]
        for worker, cause in ends:
            worker.process.kill(cause)
