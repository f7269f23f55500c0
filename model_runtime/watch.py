"""Who is stuck: decisions over the times of jobs and processes, once a second. No effects."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from model_runtime.jobs import Job
from model_runtime.requests import Task
from model_runtime.tenants import Tenant

STALL_SECONDS: Mapping[Task, float] = MappingProxyType(
    {Task.VISION: 60.0, Task.TEXT: 60.0, Task.SPEECH: 60.0, Task.TRANSCRIPTION: 180.0, Task.IMAGE: 300.0}
)


@dataclass(frozen=True, slots=True)
class Limits:
    """How long silence is tolerated."""

    beat_seconds: float = 15.0
    """A process that gives no sign of life."""
    stall_seconds: Mapping[Task, float] = field(default_factory=lambda: STALL_SECONDS)
    """A job that makes no progress."""
    cancel_seconds: float = 10.0
    """A job that goes on after it was cancelled, while somebody waits."""
    reader_seconds: float = 60.0
    """A caller that does not read while its mailbox is full."""


def silent(tenants: Iterable[Tenant], limits: Limits, now: float) -> Iterator[tuple[Tenant, str]]:
    """Name the processes that give no sign of life any more, and say so in a clause."""
    for tenant in tenants:
        if not tenant.is_held_back and now - tenant.heard_at >= limits.beat_seconds:
            yield tenant, f"its process gave no sign of life for {limits.beat_seconds:.0f} s"


def deaf(tenants: Iterable[Tenant], limits: Limits, now: float) -> Iterator[tuple[Tenant, str]]:
    """Name the processes that work on for a caller who is gone."""
    for tenant in tenants:
        if any(now - since >= limits.cancel_seconds for since in tenant.revoked.values()):
            yield tenant, f"it ignored a cancelled job for {limits.cancel_seconds:.0f} s while others waited"


def stalled(jobs: Iterable[Job], held_back: Collection[str], limits: Limits, now: float) -> Iterator[tuple[Job, float]]:
    """Name the running jobs without progress, and their limit; a model in `held_back` waits for a slow caller."""
    for job in jobs:
        limit = limits.stall_seconds[job.task]
        if job.granted_at is not None and job.model.name not in held_back and now - job.sign_at >= limit:
            yield job, limit


def unread(jobs: Iterable[Job], limits: Limits, now: float) -> Iterator[Job]:
    """Name the jobs whose caller does not read."""
    return (job for job in jobs if job.full_since is not None and now - job.full_since >= limits.reader_seconds)
