"""Carries out what the scheduler decides, and tells it what happens. All of it on the event loop, without waiting.

Everything that happens becomes a `Happening`; every `Action` that comes back is performed at once. Callers are
answered by the desk, processes live in the house.
"""

import logging
import time
from collections import deque
from collections.abc import Callable
from math import inf

from model_runtime.catalog.model import Model
from model_runtime.catalog.protocol import Library
from model_runtime.errors import ModelMissing, SensesError
from model_runtime.ipc.messages import Cancel
from model_runtime.process.process import Patience
from model_runtime.requests import Task
from model_runtime.scheduler.lanes import Lane
from model_runtime.scheduler.messages import (
    Action,
    Arrived,
    BudgetChanged,
    Ended,
    Exited,
    Grant,
    Happening,
    Left,
    Refuse,
    Retried,
    Revoke,
    Spawn,
    Stop,
)
from model_runtime.scheduler.model_record import CHARGED, USUAL_LOAD_SECONDS, ModelPlan
from model_runtime.settings import Settings
from model_runtime.status import ModelState
from model_runtime.supervisor import memory
from model_runtime.supervisor.active_request import Job
from model_runtime.supervisor.counters import Tally
from model_runtime.supervisor.model_stats import Ledger
from model_runtime.supervisor.model_worker import LOAD_TIMEOUT
from model_runtime.supervisor.prewarmer import Foresight
from model_runtime.supervisor.request_table import Desk
from model_runtime.supervisor.scheduler_errors import error_of
from model_runtime.supervisor.scheduler_factory import scheduler_for
from model_runtime.supervisor.status_feed import Feed
from model_runtime.supervisor.usage_log import UsageLog, recent_models
from model_runtime.supervisor.worker_events import Ear
from model_runtime.supervisor.worker_pool import House

IMAGE_PATIENCE = 2.5
"""Pictures take long; a request for one may wait this much longer than others."""

log = logging.getLogger(__name__)


class Steward:
    """The one writer of scheduler, desk and house."""

    def __init__(
        self, library: Library, settings: Settings, clock: Callable[[], float], patience: Patience, feed: Feed
    ) -> None:
        self.clock = clock
        self.tally = Tally()
        self.desk = Desk(clock, self.tally, self._mailbox_emptied)
        self.house = House(library, clock, patience)
        self.scheduler = scheduler_for(settings)
        self._library = library
        self._settings = settings
        self._feed = feed
        self._models: dict[str, Model] = {}
        self._ledger = Ledger(settings.folders.data)
        self._usage_log = UsageLog(settings.folders.data, time.time)
        self._foresight = Foresight(library, self.house.spare, recent_models(settings.folders.data), clock)
        self._ear = Ear(self.desk, self.house, self.tally, clock, self.happen, feed.change)
        self._happenings: deque[Happening] = deque()
        self._is_handling = False

    # -- jobs ------------------------------------------------------------------------------------------------------

    def plan(self, model: Model) -> None:
        """Let the scheduler know a model, from its first use on."""
        if model.name in self._models:
            return
        self._models[model.name] = model
        learned, stays = self._ledger.of(model), model.keep_alive_seconds
        plan = ModelPlan(
            model.name,
            learned.needed_bytes if learned else self._library.needed_bytes(model),
            load_seconds=learned.load_seconds if learned else USUAL_LOAD_SECONDS,
            concurrency=model.concurrency,
            keep_alive_seconds=self._settings.idle_seconds if stays is None else stays,
            lane=Lane.HEAVY if model.heavy else Lane.LIGHT,
        )
        self.scheduler.add(plan)

    def arrive(self, job: Job, *, working_bytes: int = 0, keep_alive_seconds: float | None = None) -> None:
        """A job that was opened at the desk asks for its model.

        One that rests after failures is tried again where an operator asks for it; one that failed for good also where
        its files have changed.
        """
        self.plan(job.model)
        if self._may_try_again(job):
            self.happen(Retried(job.model.name))
        self._usage_log.record(job.model.name)
        self._foresight.asked(job.model.name)
        patience = self._settings.queue_seconds * (IMAGE_PATIENCE if job.task is Task.IMAGE else 1.0)
        self.happen(
            Arrived(
                job.id,
                job.model.name,
                client=job.client,
                working_bytes=working_bytes,
                patience_seconds=patience,
                keep_alive_seconds=keep_alive_seconds,
                is_batch=job.is_batch,
            )
        )

    def _may_try_again(self, job: Job) -> bool:
        record = self.scheduler.records[job.model.name]
        if record.state is not ModelState.BACKOFF:
            return False
        return job.is_load or (record.not_before == inf and self.house.is_mended(job.model))

    def learn(self) -> None:
        """Keep what was learned about models, where there is anything new."""
        for name, model in self._models.items():
            record = self.scheduler.records[name]
            if record.state is ModelState.READY:
                self._ledger.note(model, record)
        self._ledger.save()
        self._usage_log.save()

    def prepare(self) -> None:
        """Import ahead what is likely to be loaded next, while nothing runs or loads."""
        records = self.scheduler.records.values()
        is_loading = any(record.state is ModelState.STARTING for record in records)
        if self._settings.spare and not (self.desk.jobs or is_loading or self.scheduler.closing):
            resident = {record.name for record in records if record.state in CHARGED}
            self._foresight.prepare(resident, self.scheduler.free_bytes)

    def limit(self, working_set_bytes: int) -> None:
        """Keep to what the GPU works well with."""
        budget = memory.budget_bytes(self._settings.budget_bytes, memory.total_bytes(), working_set_bytes)
        if budget < self.scheduler.budget_bytes:
            log.info("Models may take %.1f GB: 0.9 of what the system recommends for its GPU", budget / 1e9)
            self.happen(BudgetChanged(budget))

    def leave(self, job: Job) -> None:
        """The caller reads no more; where it has no answer yet, that ends the work."""
        if job.id in self.desk.jobs:
            self.desk.leave(job)
            self._let_go(job)
        job.mailbox.close()

    def abandon(self, job: Job, error: SensesError) -> None:
        """Answer a job with an error and end its work."""
        self.desk.fail(job, error)
        self._let_go(job)

    def _let_go(self, job: Job) -> None:
        self.happen(Left(job.id))
        self._read_on(job)

    def _mailbox_emptied(self, job: Job) -> None:
        job.full_since = None
        self._read_on(job)

    def _read_on(self, job: Job) -> None:
        """Listen to the job's process again unless another caller holds it back."""
        tenant = self.house.at(job.model.name, job.incarnation)
        if tenant is None or not tenant.is_held_back:
            return
        running = self.desk.running_on(tenant)
        if not any(other.full_since is not None for other in running):
            tenant.is_held_back, tenant.heard_at = False, self.clock()
            for other in running:
                other.sign_at = tenant.heard_at
            tenant.process.read(wanted=True)

    # -- what the scheduler wants ----------------------------------------------------------------------------------

    def happen(self, happened: Happening) -> None:
        """Tell the scheduler and do what it wants; what happens meanwhile is told afterwards."""
        self._happenings.append(happened)
        if self._is_handling:
            return
        self._is_handling = True
        try:
            while self._happenings:
                for action in self.scheduler.handle(self.clock(), self._happenings.popleft()):
                    self._perform(action)
        finally:
            self._is_handling = False
        self._foresight.make_way(self.scheduler.free_bytes)
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
                job = self.desk.jobs.get(number)
                if job is not None:
                    self.desk.fail(job, error_of(action, job.model.name))

    def _spawn(self, spawn: Spawn) -> None:
        model = self._models[spawn.model]
        try:
            tenant = self.house.move_in(model, spawn.incarnation, self._ear)
        except (OSError, SensesError) as error:
            self.tally.load_failed(model.name)
            permanent = isinstance(error, ModelMissing)
            self.happen(Exited(model.name, spawn.incarnation, str(error), permanent))
            return
        log.info("Loading %s (%.2f GB reserved)", model.name, spawn.reserved_bytes / 1e9)
        self.desk.tell_loading(tenant)

    def _stop(self, stop: Stop) -> None:
        tenant = self.house.at(stop.model, stop.incarnation)
        if tenant is None:
            return
        log.info("Unloading %s: %s", stop.model, stop.reason)
        tenant.leaving = stop.reason
        self.tally.unloaded(stop.model, stop.reason)
        late = f"it showed no progress for {self._settings.load_seconds:.0f} s at {tenant.stage!r}"
        tenant.process.stop(late if stop.reason == LOAD_TIMEOUT else "")

    def _grant(self, grant: Grant) -> None:
        job, tenant = self.desk.jobs.get(grant.request), self.house.at(grant.model, grant.incarnation)
        if job is None or tenant is None:
            self.happen(Ended(grant.request, grant.model, grant.incarnation, ok=False))
            return
        job.begin(tenant.incarnation, tenant.loading_seconds(job.arrived_at), self.clock())
        if job.is_load:
            self.desk.finish_load(job)
            self.happen(Ended(grant.request, grant.model, grant.incarnation))
        else:
            tenant.process.send_parts(job.order)

    def _revoke(self, revoke: Revoke) -> None:
        tenant = self.house.at(revoke.model, revoke.incarnation)
        if tenant is not None:
            tenant.revoked[revoke.request] = self.clock()
            tenant.process.send(Cancel(revoke.request))

    def _tell_positions(self) -> None:
        for job in self.desk.jobs.values():
            position = self.scheduler.position(job.id)
            if position and position != job.position:
                reason = self.scheduler.explain(job.model.name)
                if self.scheduler.records[job.model.name].state is not ModelState.STARTING:
                    log.info("Job %d waits at place %d: %s", job.id, position, reason)
                self.desk.tell_position(job, position, reason, self.house.tenants.get(job.model.name))
