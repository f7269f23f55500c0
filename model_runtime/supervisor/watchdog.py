"""Who is stuck: decided over the times of jobs and processes, and ended, once a second."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from model_runtime.errors import Cancelled, JobStalled
from model_runtime.requests import Task
from model_runtime.scheduler.messages import Measured, Pressed
from model_runtime.supervisor.active_request import Job
from model_runtime.supervisor.model_worker import Tenant
from model_runtime.supervisor.supervisor import Steward

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
class Limits:
    """How long silence is tolerated."""

    beat_seconds: float = 15.0
    """A process that gives no sign of life."""
    stall_seconds: Mapping[Task, float] = field(default_factory=lambda: STALL_SECONDS)
    """A job that makes no progress."""
    cancel_seconds: float = 10.0
    """A job that goes on after it was cancelled, while somebody waits."""
    alone_seconds: float = 60.0
    """A job that goes on after it was cancelled, while nobody waits: a reload is dearer than a little patience."""
    reader_seconds: float = 60.0
    """A caller that does not read while its mailbox is full."""


def silent(tenants: Iterable[Tenant], limits: Limits, now: float) -> Iterator[tuple[Tenant, str]]:
    """Name the processes that give no sign of life any more, and say so in a clause."""
    for tenant in tenants:
        if not tenant.is_held_back and now - tenant.heard_at >= limits.beat_seconds:
            yield tenant, f"its process gave no sign of life for {limits.beat_seconds:.0f} s"


def deaf(tenants: Iterable[Tenant], limits: Limits, now: float, *, anyone_waits: bool) -> Iterator[tuple[Tenant, str]]:
    """Name the processes that work on for a caller who is gone."""
    limit = limits.cancel_seconds if anyone_waits else limits.alone_seconds
    for tenant in tenants:
        if any(now - since >= limit for since in tenant.revoked.values()):
            yield tenant, f"it went on with a cancelled job for {limit:.0f} s"


def stalled(jobs: Iterable[Job], held_back: Collection[str], limits: Limits, now: float) -> Iterator[tuple[Job, float]]:
    """Name the running jobs without progress, and their limit; a model in `held_back` waits for a slow caller."""
    for job in jobs:
        limit = limits.stall_seconds[job.task]
        if job.granted_at is not None and job.model.name not in held_back and now - job.sign_at >= limit:
            yield job, limit


def unread(jobs: Iterable[Job], limits: Limits, now: float) -> Iterator[Job]:
    """Name the jobs whose caller does not read."""
    return (job for job in jobs if job.full_since is not None and now - job.full_since >= limits.reader_seconds)


class Watchman:
    """Ends what is stuck, so that every caller is answered."""

    def __init__(self, steward: Steward, limits: Limits, is_short: Callable[[], bool]) -> None:
        self._steward = steward
        self._limits = limits
        self._is_short = is_short
        self._looked_at = self._learned_at = steward.clock()
        self._tidied_after = 0

    def look(self) -> None:
        """Measure every process and end what is stuck."""
        now = self._steward.clock()
        if now - self._looked_at > SLEEP_SECONDS:
            self._forgive(now)
        self._looked_at = now
        self._steward.house.measure()
        self._end_unread(now)
        self._end_stalled(now)
        self._end_processes(now)
        self._charge_what_is_held(now)
        if now - self._learned_at >= LEARN_SECONDS:
            self._learned_at = now
            self._steward.learn()
        self._weigh()

    def comes_to_rest(self) -> bool:
        """Whether nothing runs and something has ended since this was last so."""
        desk = self._steward.desk
        if desk.jobs or desk.answered == self._tidied_after:
            return False
        self._tidied_after = desk.answered
        return True

    def _weigh(self) -> None:
        """Give memory back while the machine runs short of it, what serves nobody first; else use the quiet."""
        if not self._is_short():
            self._steward.prepare()
        elif self._steward.house.spare.engine:
            self._steward.house.spare.drop()
        else:
            self._steward.happen(Pressed())

    def _charge_what_is_held(self, now: float) -> None:
        """Caches and leaks count, but not the memory of a job that is being given back a moment after its end."""
        for tenant in list(self._steward.house.tenants.values()):
            record = self._steward.scheduler.records[tenant.model.name]
            settled = record.idle_since is not None and now - record.idle_since >= SETTLE_SECONDS
            change_bytes = abs(tenant.footprint_bytes - record.resident_bytes)
            if settled and tenant.footprint_bytes and change_bytes > SETTLE_SHARE * record.resident_bytes:
                self._steward.happen(Measured(tenant.model.name, tenant.incarnation, tenant.footprint_bytes))

    def _forgive(self, now: float) -> None:
        for tenant in self._steward.house.tenants.values():
            tenant.heard_at = now
        for job in self._steward.desk.jobs.values():
            job.sign_at = now

    def _end_unread(self, now: float) -> None:
        for job in list(unread(self._steward.desk.jobs.values(), self._limits, now)):
            job.mailbox.drop()
            seconds = self._limits.reader_seconds
            why = f"The answer was not read for {seconds:.0f} s, so the work was ended."
            self._steward.abandon(job, Cancelled(why))

    def _end_stalled(self, now: float) -> None:
        held_back = {tenant.model.name for tenant in self._steward.house.tenants.values() if tenant.is_held_back}
        for job, seconds in list(stalled(self._steward.desk.jobs.values(), held_back, self._limits, now)):
            name, cause = job.model.name, f"a job made no progress for {seconds:.0f} s"
            why = f"{name} was stopped: {cause}. Try again, perhaps with less at once."
            self._steward.desk.fail(job, JobStalled(why))
            tenant = self._steward.house.at(name, job.incarnation)
            if tenant is not None:
                tenant.process.kill(cause)

    def _end_processes(self, now: float) -> None:
        tenants = self._steward.house.tenants.values()
        anyone_waits = self._steward.desk.anyone_waits()
        ends = [*silent(tenants, self._limits, now), *deaf(tenants, self._limits, now, anyone_waits=anyone_waits)]
        for tenant, cause in ends:
            tenant.process.kill(cause)
