"""What worker processes report, turned into answers for callers and happenings for the scheduler."""

import logging
from collections.abc import Callable

from model_runtime.errors import SensesError
from model_runtime.events import Result
from model_runtime.ipc.messages import (
    Beat,
    Hello,
    JobEnded,
    JobEvent,
    LoadBroke,
    LoadProgress,
    Prepared,
    Probed,
    Ready,
    Report,
)
from model_runtime.process.process import WorkerProcess
from model_runtime.scheduler.messages import Ended, Exited, Happening, Loaded, LoadProgressed
from model_runtime.supervisor import memory
from model_runtime.supervisor.counters import Tally
from model_runtime.supervisor.model_worker import LOAD_TIMEOUT, Tenant
from model_runtime.supervisor.request_table import Desk
from model_runtime.supervisor.scheduler_errors import worker_died
from model_runtime.supervisor.worker_pool import House

log = logging.getLogger(__name__)


class Ear:
    """The `Owner` of every worker process. `happen` tells the scheduler, `changed` tells whoever watches."""

    def __init__(
        self,
        desk: Desk,
        house: House,
        tally: Tally,
        clock: Callable[[], float],
        happen: Callable[[Happening], None],
        changed: Callable[[], None],
    ) -> None:
        self._desk = desk
        self._house = house
        self._tally = tally
        self._clock = clock
        self._happen = happen
        self._changed = changed

    def reported(self, process: WorkerProcess, report: Report) -> None:
        """A worker said something."""
        tenant = self._house.of(process)
        if tenant is None:
            return
        tenant.heard_at = self._clock()
        match report:
            case JobEvent():
                self._worked(tenant, report)
            case JobEnded():
                self._ended(tenant, report)
            case Beat():
                self._beat(tenant, report)
            case LoadProgress(stage, fraction):
                tenant.stage, tenant.fraction = stage, fraction
                self._desk.tell_loading(tenant)
                self._happen(LoadProgressed(process.name, process.incarnation))
            case Ready():
                self._ready(tenant, report)
            case LoadBroke(error, permanent):
                tenant.load_error, tenant.is_permanent = error.message, permanent
            case Hello() | Prepared() | Probed():
                pass

    def lost(self, process: WorkerProcess, cause: str) -> None:
        """A worker will say nothing more: its callers learn why at once."""
        tenant = self._house.of(process)
        for job in self._desk.running_on(tenant) if tenant is not None else ():
            if job.has_said or job.was_retried or process.was_sent_away:
                self._desk.fail(job, worker_died(process.name, cause))

    def reaped(self, process: WorkerProcess, cause: str) -> None:
        """A process is gone and its memory is back."""
        tenant = self._house.of(process)
        if tenant is None:
            return
        self._house.move_out(process)
        cause = tenant.load_error or cause
        log.info("%s is gone: %s", process.name, cause)
        if tenant.loaded_at is None and tenant.leaving in ("", LOAD_TIMEOUT):
            self._tally.load_failed(process.name)
        untouched = self._desk.running_on(tenant)
        for job in untouched:
            job.begin_anew()
        self._happen(
            Exited(
                process.name,
                process.incarnation,
                cause,
                permanent=tenant.is_permanent,
                starved=process.may_have_starved,
                untouched=frozenset(job.id for job in untouched),
            )
        )

    def _worked(self, tenant: Tenant, report: JobEvent) -> None:
        job = self._desk.jobs.get(report.job)
        if job is None:
            return
        self._desk.deliver(job, report.event)
        if job.full_since is not None and not tenant.is_held_back:
            tenant.is_held_back = True
            tenant.process.read(wanted=False)
        self._changed()

    def _ended(self, tenant: Tenant, report: JobEnded) -> None:
        tenant.revoked.pop(report.job, None)
        job, outcome = self._desk.jobs.get(report.job), report.outcome
        if job is not None and isinstance(outcome, SensesError):
            self._desk.fail(job, outcome)
        elif job is not None and isinstance(outcome, Result):
            self._desk.finish(job, outcome)
        self._happen(Ended(report.job, tenant.model.name, tenant.incarnation, isinstance(outcome, Result)))

    def _beat(self, tenant: Tenant, beat: Beat) -> None:
        if beat.pieces != tenant.pieces:
            tenant.pieces = beat.pieces
            for job in self._desk.running_on(tenant):
                job.sign_at = tenant.heard_at

    def _ready(self, tenant: Tenant, ready: Ready) -> None:
        tenant.loaded_at, tenant.fraction = self._clock(), 1.0
        self._house.measure()
        claimed = ready.loaded.active_bytes if ready.loaded.active_bytes <= memory.total_bytes() else 0
        measured = max(tenant.footprint_bytes, claimed, 1)
        seconds = tenant.loaded_at - tenant.started_at
        log.info("%s is ready after %.1f s with %.2f GB", tenant.model.name, seconds, measured / 1e9)
        self._tally.loaded(tenant.model.name, seconds)
        self._happen(Loaded(tenant.model.name, tenant.incarnation, measured))
