"""The runtime: one owner of all state, on the event loop. The scheduler decides, this carries out.

Everything that happens becomes a `Happening`; every `Action` that comes back is performed at once. A caller is
answered exactly once: by its result, or by the error that says why there is none.
"""

import asyncio
import logging
import os
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Self

import anyio
import anyio.to_thread

from model_runtime import memory, watch
from model_runtime.checks import check
from model_runtime.counters import Tally
from model_runtime.desk import LOADED, Desk
from model_runtime.errors import Cancelled, JobStalled, ModelMissing, SensesError, ShuttingDown, UnknownModel
from model_runtime.events import Event, Finished, Loading, Result
from model_runtime.feed import Feed
from model_runtime.house import House
from model_runtime.jobs import Job, task_of
from model_runtime.library import Library
from model_runtime.models import Model
from model_runtime.processes.process import Patience, WorkerProcess
from model_runtime.refusals import error_of, worker_died
from model_runtime.requests import Request, Task
from model_runtime.scheduler import messages as happening
from model_runtime.scheduler.core import Scheduler
from model_runtime.scheduler.eviction import POLICIES
from model_runtime.scheduler.messages import Action, Grant, Happening, Refuse, Revoke, Spawn, Stop
from model_runtime.scheduler.records import Limits, ModelPlan
from model_runtime.settings import Settings
from model_runtime.snapshot import FactSheet, job_status, model_status
from model_runtime.status import MemoryStatus, ModelState, Status
from model_runtime.tenants import Tenant
from model_runtime.worker.messages import (
    Beat,
    Cancel,
    Hello,
    JobEnded,
    JobEvent,
    LoadBroke,
    LoadProgress,
    Ready,
    Report,
)

Check = Callable[[Request, Model, Mapping[str, Path]], None]
"""check(request, model, folders) raises `InvalidInput` for what the model cannot do."""

IMAGE_PATIENCE = 2.5
"""Pictures take long; a request for one may wait this much longer than others."""

SLEEP_SECONDS = 5.0
"""A tick that comes so late tells that the machine slept: silence during that time means nothing."""

REVOKED_SECONDS = 2.0
"""How long cancelled work may take to end when the runtime closes."""

LOAD_TIMEOUT = "load timeout"
"""The one reason for which the scheduler stops a process that failed."""

log = logging.getLogger(__name__)


class Runtime:
    """Implements `Service`. Enter it as a context; leaving closes it at once, `close` first gives work time to end."""

    def __init__(
        self,
        library: Library,
        settings: Settings,
        *,
        check: Check = check,
        version: str = "",
        clock: Callable[[], float] = time.monotonic,
        tick_seconds: float = 1.0,
        patience: Patience | None = None,
        limits: watch.Limits | None = None,
    ) -> None:
        self._library = library
        self._settings = settings
        self._check = check
        self._version = version
        self._clock = clock
        self._tick_seconds = tick_seconds
        self._limits = limits or watch.Limits()
        self._scheduler = _scheduler(settings)
        self._tally = Tally()
        self._desk = Desk(clock, self._tally, self._mailbox_emptied)
        self._house = House(library, clock, patience or Patience())
        self._facts = FactSheet(library)
        self._feed = Feed(self.status)
        self._models: dict[str, Model] = {}
        self._happenings: deque[Happening] = deque()
        self._is_handling = False
        self._started_at = self._ticked_at = clock()
        self._ticking: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._ticking = asyncio.create_task(self._tick_for_ever(), name="tick")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close(0.0)

    # -- the service -----------------------------------------------------------------------------------------------

    def resolve(self, name: str, task: Task) -> str:
        """Return the canonical name of the model that `name` means for `task`."""
        return self._library.resolve(name, task).name

    async def run(
        self, request: Request, *, client: str = "", keep_alive_seconds: float | None = None
    ) -> AsyncGenerator[Event]:
        """Do the work and report it; closing the generator cancels the work."""
        model = self._library.resolve(request.model, task_of(request))
        await anyio.to_thread.run_sync(self._check_request, request, model)
        working_bytes = self._library.working_bytes(request, model)
        job = self._desk.open(model, request, client)
        self._arrive(job, working_bytes, keep_alive_seconds)
        try:
            while True:
                event = await job.mailbox.take()
                yield event
                if isinstance(event, Finished):
                    return
        finally:
            self._leave(job)

    async def load(self, model: str) -> None:
        """Load a model now and wait until it is ready."""
        known = self._known(model)
        self._library.folders(known)
        job = self._desk.open(known, None, "")
        self._arrive(job, 0, None)
        try:
            event: Event | None = None
            while not (isinstance(event, Loading) and event.stage == LOADED):
                event = await job.mailbox.take()
        finally:
            self._leave(job)

    async def unload(self, model: str) -> int:
        """Let running jobs end, stop the model's process and return the bytes given back."""
        known = self._known(model)
        tenant = self._house.tenants.get(known.name)
        if tenant is None:
            return 0
        self._house.measure()
        held_bytes = tenant.footprint_bytes
        self._happen(happening.UnloadWanted(known.name))
        await tenant.process.exited.wait()
        return held_bytes

    def pin(self, model: str, pinned: bool) -> None:
        """Exempt a model from timers and eviction, or end that."""
        known = self._known(model)
        self._plan(known)
        self._happen(happening.PinChanged(known.name, pinned))

    def cancel(self, job: int) -> bool:
        """End a queued or running job; False where there is no such job."""
        found = self._desk.jobs.get(job)
        if found is None:
            return False
        self._abandon(found, Cancelled(f"Job {job} was cancelled by an operator."))
        return True

    def status(self) -> Status:
        """Return a snapshot of everything."""
        now = self._clock()
        return Status(
            version=self._version,
            pid=os.getpid(),
            uptime_seconds=now - self._started_at,
            accepting=not self._scheduler.closing,
            memory=self._memory_status(),
            models=tuple(
                model_status(
                    model,
                    self._facts.of(model, now),
                    self._scheduler.records.get(model.name),
                    self._house.tenants.get(model.name),
                    self._tally,
                    now,
                )
                for model in self._library.models()
            ),
            jobs=tuple(job_status(job, self._is_loading(job), now) for job in self._desk.jobs.values()),
            counters=self._tally.snapshot(),
        )

    def changes(self) -> AsyncIterator[Status]:
        """Yield a snapshot now, after every change and at least once a second, until the runtime is closed."""
        return self._feed.watch()

    async def close(self, grace_seconds: float) -> None:
        """Refuse new work, give running work this long, cancel the rest, stop and reap every process."""
        self._happen(happening.Closing())
        await self._until(lambda: not self._desk.jobs, grace_seconds)
        for job in list(self._desk.jobs.values()):
            self._abandon(job, ShuttingDown("Senses shut down before the work was done.", 5.0))
        await self._until(lambda: not any(tenant.revoked for tenant in self._house.tenants.values()), REVOKED_SECONDS)
        for tenant in list(self._house.tenants.values()):
            tenant.process.stop()
        for tenant in list(self._house.tenants.values()):
            await tenant.process.exited.wait()
        self._feed.close()
        if self._ticking is not None:
            self._ticking.cancel()
            self._ticking = None

    # -- jobs ------------------------------------------------------------------------------------------------------

    def _known(self, name: str) -> Model:
        known = {model.name: model for model in self._library.models()}
        if name not in known:
            raise UnknownModel(name, known)
        return known[name]

    def _check_request(self, request: Request, model: Model) -> None:
        self._check(request, model, self._library.folders(model))

    def _plan(self, model: Model) -> None:
        if model.name not in self._models:
            self._models[model.name] = model
            needed = self._library.needed_bytes(model)
            keep_alive = self._settings.idle_seconds
            self._scheduler.add(
                ModelPlan(model.name, needed, concurrency=model.concurrency, keep_alive_seconds=keep_alive)
            )

    def _arrive(self, job: Job, working_bytes: int, keep_alive_seconds: float | None) -> None:
        self._plan(job.model)
        patience = self._settings.queue_seconds * (IMAGE_PATIENCE if job.task is Task.IMAGE else 1.0)
        self._happen(
            happening.Arrived(
                job.id,
                job.model.name,
                client=job.client,
                working_bytes=working_bytes,
                patience_seconds=patience,
                keep_alive_seconds=keep_alive_seconds,
            )
        )

    def _leave(self, job: Job) -> None:
        """The caller reads no more; where it has no answer yet, that ends the work."""
        if job.id in self._desk.jobs:
            self._desk.leave(job)
            self._let_go(job)

    def _abandon(self, job: Job, error: SensesError) -> None:
        self._desk.fail(job, error)
        self._let_go(job)

    def _let_go(self, job: Job) -> None:
        self._happen(happening.Left(job.id))
        self._read_on(job)

    def _mailbox_emptied(self, job: Job) -> None:
        job.full_since = None
        self._read_on(job)

    def _read_on(self, job: Job) -> None:
        """Listen to the job's process again unless another caller holds it back."""
        tenant = self._house.at(job.model.name, job.incarnation)
        if tenant is None or not tenant.is_held_back:
            return
        running = self._desk.running_on(tenant)
        if not any(other.full_since is not None for other in running):
            tenant.is_held_back, tenant.heard_at = False, self._clock()
            for other in running:
                other.sign_at = tenant.heard_at
            tenant.process.read(wanted=True)

    def _is_loading(self, job: Job) -> bool:
        record = self._scheduler.records.get(job.model.name)
        return record is not None and record.state is ModelState.STARTING

    # -- what the scheduler wants ----------------------------------------------------------------------------------

    def _happen(self, happened: Happening) -> None:
        """Tell the scheduler and do what it wants; what happens meanwhile is told afterwards."""
        self._happenings.append(happened)
        if self._is_handling:
            return
        self._is_handling = True
        try:
            while self._happenings:
                for action in self._scheduler.handle(self._clock(), self._happenings.popleft()):
                    self._perform(action)
        finally:
            self._is_handling = False
        self._tell_positions()
        self._feed.change()

    def _perform(self, action: Action) -> None:
        match action:
            case Spawn():
                self._spawn(action)
            case Stop():
                self._stop(action)
            case Grant():
                self._grant(action)
            case Revoke():
                self._revoke(action)
            case Refuse(request=number):
                job = self._desk.jobs.get(number)
                if job is not None:
                    self._desk.fail(job, error_of(action, job.model.name))

    def _spawn(self, spawn: Spawn) -> None:
        model = self._models[spawn.model]
        try:
            tenant = self._house.move_in(model, spawn.incarnation, self)
        except (OSError, SensesError) as error:
            permanent = isinstance(error, ModelMissing)
            self._happen(happening.Exited(model.name, spawn.incarnation, str(error), permanent))
            return
        log.info("Loading %s (%.2f GB reserved)", model.name, spawn.reserved_bytes / 1e9)
        self._desk.tell_loading(tenant)

    def _stop(self, stop: Stop) -> None:
        tenant = self._house.at(stop.model, stop.incarnation)
        if tenant is None:
            return
        log.info("Unloading %s: %s", stop.model, stop.reason)
        tenant.leaving = stop.reason
        self._tally.unloaded(stop.model, stop.reason)
        late = f"it showed no progress for {self._settings.load_seconds:.0f} s at {tenant.stage!r}"
        tenant.process.stop(late if stop.reason == LOAD_TIMEOUT else "")

    def _grant(self, grant: Grant) -> None:
        job, tenant = self._desk.jobs.get(grant.request), self._house.at(grant.model, grant.incarnation)
        if job is None or tenant is None:
            self._happen(happening.Ended(grant.request, grant.model, grant.incarnation, ok=False))
            return
        now = self._clock()
        job.granted_at = job.sign_at = now
        job.incarnation, job.position, job.stage = grant.incarnation, 0, ""
        job.loading_seconds = tenant.loading_seconds(job.arrived_at)
        if job.is_load:
            self._desk.finish_load(job)
            self._happen(happening.Ended(grant.request, grant.model, grant.incarnation))
        else:
            tenant.process.send_parts(job.order)

    def _revoke(self, revoke: Revoke) -> None:
        tenant = self._house.at(revoke.model, revoke.incarnation)
        if tenant is not None:
            tenant.revoked[revoke.request] = self._clock()
            tenant.process.send(Cancel(revoke.request))

    def _tell_positions(self) -> None:
        for job in self._desk.jobs.values():
            position = self._scheduler.position(job.id)
            if position and position != job.position:
                reason = self._scheduler.explain(job.model.name)
                self._desk.tell_position(job, position, reason, self._house.tenants.get(job.model.name))

    # -- what processes do -----------------------------------------------------------------------------------------

    def reported(self, process: WorkerProcess, report: Report) -> None:
        """A worker said something."""
        tenant = self._house.of(process)
        if tenant is None:
            return
        tenant.heard_at = self._clock()
        match report:
            case JobEvent(number, event):
                job = self._desk.jobs.get(number)
                if job is not None:
                    self._desk.deliver(job, event)
                    self._hold_back(tenant, job)
                    self._feed.change()
            case JobEnded(number, outcome):
                self._ended(tenant, number, outcome)
            case Beat():
                self._beat(tenant, report)
            case LoadProgress(stage, fraction):
                tenant.stage, tenant.fraction = stage, fraction
                self._desk.tell_loading(tenant)
                self._happen(happening.LoadProgressed(process.name, process.incarnation))
            case Ready():
                self._ready(tenant, report)
            case LoadBroke(error, permanent):
                tenant.load_error, tenant.is_permanent = error.message, permanent
            case Hello():
                pass

    def lost(self, process: WorkerProcess, cause: str) -> None:
        """A worker will say nothing more: its callers learn why at once."""
        tenant = self._house.of(process)
        for job in self._desk.running_on(tenant) if tenant is not None else ():
            self._desk.fail(job, worker_died(process.name, cause))

    def reaped(self, process: WorkerProcess, cause: str) -> None:
        """A process is gone and its memory is back."""
        tenant = self._house.of(process)
        if tenant is None:
            return
        self._house.move_out(process)
        log.info("%s is gone: %s", process.name, tenant.load_error or cause)
        if tenant.loaded_at is None and tenant.leaving in ("", LOAD_TIMEOUT):
            self._tally.load_failed(process.name)
        cause = tenant.load_error or cause
        self._happen(happening.Exited(process.name, process.incarnation, cause, tenant.is_permanent))

    def _hold_back(self, tenant: Tenant, job: Job) -> None:
        if job.full_since is not None and not tenant.is_held_back:
            tenant.is_held_back = True
            tenant.process.read(wanted=False)

    def _ended(self, tenant: Tenant, number: int, outcome: Result | SensesError) -> None:
        tenant.revoked.pop(number, None)
        job = self._desk.jobs.get(number)
        ok = isinstance(outcome, Result)
        if job is not None:
            if isinstance(outcome, SensesError):
                self._desk.fail(job, outcome)
            else:
                self._desk.finish(job, outcome)
        self._happen(happening.Ended(number, tenant.model.name, tenant.incarnation, ok))

    def _beat(self, tenant: Tenant, beat: Beat) -> None:
        if beat.pieces != tenant.pieces:
            tenant.pieces = beat.pieces
            for job in self._desk.running_on(tenant):
                job.sign_at = tenant.heard_at

    def _ready(self, tenant: Tenant, ready: Ready) -> None:
        tenant.loaded_at, tenant.fraction = self._clock(), 1.0
        self._house.measure()
        measured = max(tenant.footprint_bytes, ready.loaded.active_bytes, 1)
        seconds = tenant.loaded_at - tenant.started_at
        log.info("%s is ready after %.1f s with %.2f GB", tenant.model.name, seconds, measured / 1e9)
        self._tally.loaded(tenant.model.name, seconds)
        self._happen(happening.Loaded(tenant.model.name, tenant.incarnation, measured))

    # -- time ------------------------------------------------------------------------------------------------------

    async def _tick_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._tick_seconds)
            try:
                self._tick()
            except Exception:
                log.exception("A tick failed")

    def _tick(self) -> None:
        now = self._clock()
        if now - self._ticked_at > max(SLEEP_SECONDS, 2 * self._tick_seconds):
            self._house.forgive(now)
            for job in self._desk.jobs.values():
                job.sign_at = now
        self._ticked_at = now
        self._house.measure()
        self._end_what_is_stuck(now)
        self._happen(happening.Tick())

    def _end_what_is_stuck(self, now: float) -> None:
        tenants, jobs = list(self._house.tenants.values()), list(self._desk.jobs.values())
        for job in watch.unread(jobs, self._limits, now):
            job.mailbox.drop()
            seconds = self._limits.reader_seconds
            self._abandon(job, Cancelled(f"The answer was not read for {seconds:.0f} s, so the work was ended."))
        held_back = {tenant.model.name for tenant in tenants if tenant.is_held_back}
        for job, seconds in list(watch.stalled(self._desk.jobs.values(), held_back, self._limits, now)):
            self._end_stalled(job, seconds)
        for tenant, cause in watch.silent(tenants, self._limits, now):
            tenant.process.kill(cause)
        for tenant, cause in watch.deaf(tenants, self._limits, now) if self._desk.anyone_waits() else ():
            tenant.process.kill(cause)

    def _end_stalled(self, job: Job, seconds: float) -> None:
        cause = f"a job made no progress for {seconds:.0f} s"
        self._desk.fail(
            job, JobStalled(f"{job.model.name} was stopped: {cause}. Try again, perhaps with less at once.")
        )
        tenant = self._house.at(job.model.name, job.incarnation)
        if tenant is not None:
            tenant.process.kill(cause)

    async def _until(self, condition: Callable[[], bool], seconds: float) -> None:
        with anyio.move_on_after(seconds):
            while not condition():
                await self._feed.changed()

    def _memory_status(self) -> MemoryStatus:
        return MemoryStatus(
            budget_bytes=self._scheduler.budget_bytes,
            charged_bytes=self._scheduler.charged_bytes,
            footprint_bytes=sum(tenant.footprint_bytes for tenant in self._house.tenants.values()),
            available_bytes=memory.available_bytes(),
            daemon_bytes=memory.footprint_bytes(os.getpid()),
        )


def _scheduler(settings: Settings) -> Scheduler:
    limits = Limits(
        queue_per_model=settings.queue_per_model,
        queue_total=settings.queue_total,
        queue_seconds=settings.queue_seconds,
        load_seconds=settings.load_seconds,
    )
    budget = memory.budget_bytes(settings.budget_bytes, memory.total_bytes())
    return Scheduler((), budget, limits, POLICIES[settings.eviction])
