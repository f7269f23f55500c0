"""The runtime: the service that all faces share. A caller is answered exactly once: by its result, or by an error."""

import asyncio
import logging
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Self

import anyio
import anyio.to_thread

from model_runtime.catalog.model import Model
from model_runtime.catalog.protocol import Library
from model_runtime.errors import Cancelled, ShuttingDown, UnknownModel
from model_runtime.events import Event, Finished, Warned
from model_runtime.process.process import Patience
from model_runtime.requests import Chat, Request, Task
from model_runtime.scheduler.messages import Closing, PinChanged, Tick, UnloadWanted
from model_runtime.settings import Settings
from model_runtime.status import Status
from model_runtime.supervisor import gpu_probe, memory
from model_runtime.supervisor.active_request import task_of
from model_runtime.supervisor.status_feed import Feed
from model_runtime.supervisor.status_snapshot import FactSheet, job_status, memory_status, model_status
from model_runtime.supervisor.supervisor import Steward
from model_runtime.supervisor.watchdog import Limits, Watchman
from model_runtime.validation import check
from model_runtime.validation.starter_vocabulary import doubts

Check = Callable[[Request, Model, Mapping[str, Path]], None]
"""check(request, model, folders) raises `InvalidInput` for what the model cannot do."""

SHORT_CHAT_LETTERS = 100_000
"""A chat up to this long is checked in less time than a trip to a thread takes."""
REVOKED_SECONDS = 2.0
"""How long cancelled work may take to end when the runtime closes."""

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
        limits: Limits | None = None,
        is_short_of_memory: Callable[[], bool] = memory.is_short,
        working_set_bytes: Callable[[], Awaitable[int]] = gpu_probe.working_set_bytes,
        give_back: Callable[[], None] = memory.give_back,
    ) -> None:
        self._library = library
        self._check = check
        self._version = version
        self._clock = clock
        self._tick_seconds = tick_seconds
        self._facts = FactSheet(library)
        self._feed = Feed(self.status)
        self._steward = Steward(library, settings, clock, patience or Patience(), self._feed)
        self._watchman = Watchman(self._steward, limits or Limits(), is_short_of_memory)
        self._started_at = clock()
        self._working_set_bytes = working_set_bytes
        self._give_back = give_back
        self._ticking: asyncio.Task[None] | None = None
        self._probing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._ticking = asyncio.create_task(self._tick_for_ever(), name="tick")
        self._probing = asyncio.create_task(self._probe(), name="probe")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close(0.0)

    def resolve(self, name: str, task: Task) -> str:
        """Return the canonical name of the model that `name` means for `task`."""
        return self._library.resolve(name, task).name

    async def run(
        self, request: Request, *, client: str = "", keep_alive_seconds: float | None = None
    ) -> AsyncGenerator[Event]:
        """Do the work and report it; closing the generator cancels the work."""
        model = self._library.resolve(request.model, task_of(request))
        warnings = await self._checked(request, model)
        working_bytes = self._library.working_bytes(request, model)
        job = self._steward.desk.open(model, request, client)
        self._steward.arrive(job, working_bytes=working_bytes, keep_alive_seconds=keep_alive_seconds)
        try:
            if warnings:
                yield Warned(warnings)
            while True:
                event = await job.mailbox.take()
                if isinstance(event, Finished):
                    yield _warned(event, warnings)
                    return
                yield event
        finally:
            self._steward.leave(job)

    async def load(self, model: str) -> None:
        """Load a model now and wait until it is ready."""
        known = self._known(model)
        self._library.folders(known)
        job = self._steward.desk.open(known, None, "")
        self._steward.arrive(job)
        try:
            while job.granted_at is None:
                await job.mailbox.take()
        finally:
            self._steward.leave(job)

    async def unload(self, model: str) -> int:
        """Let running jobs end, stop the model's process and return the bytes given back."""
        known = self._known(model)
        tenant = self._steward.house.tenants.get(known.name)
        if tenant is None:
            return 0
        self._steward.house.measure()
        held_bytes = tenant.footprint_bytes
        self._steward.happen(UnloadWanted(known.name))
        await tenant.process.exited.wait()
        return held_bytes

    def pin(self, model: str, pinned: bool) -> None:
        """Exempt a model from timers and eviction, or end that."""
        known = self._known(model)
        self._steward.plan(known)
        self._steward.happen(PinChanged(known.name, pinned))

    def cancel(self, job: int) -> bool:
        """End a queued or running job; False where there is no such job."""
        found = self._steward.desk.jobs.get(job)
        if found is None:
            return False
        self._steward.abandon(found, Cancelled(f"Job {job} was cancelled by an operator."))
        return True

    def status(self) -> Status:
        """Return a snapshot of everything."""
        steward, now = self._steward, self._clock()
        return Status(
            version=self._version,
            pid=os.getpid(),
            uptime_seconds=now - self._started_at,
            accepting=not steward.scheduler.closing,
            memory=memory_status(steward.scheduler, steward.house),
            models=tuple(
                model_status(
                    model,
                    facts,
                    steward.scheduler.records.get(model.name),
                    steward.house.tenants.get(model.name),
                    steward.tally,
                    now,
                )
                for model, facts in self._facts.all(now)
            ),
            jobs=tuple(job_status(job, steward.scheduler, now) for job in steward.desk.jobs.values()),
            counters=steward.tally.snapshot(),
        )

    def changes(self) -> AsyncIterator[Status]:
        """Yield a snapshot now, after every change and at least once a second, until the runtime is closed."""
        return self._feed.watch()

    async def close(self, grace_seconds: float) -> None:
        """Refuse new work, give running work this long, cancel the rest, stop and reap every process."""
        steward = self._steward
        steward.happen(Closing())
        await self._until(lambda: not steward.desk.jobs, grace_seconds)
        for job in list(steward.desk.jobs.values()):
            steward.abandon(job, ShuttingDown("Senses shut down before the work was done.", 5.0))
        tenants = steward.house.tenants.values()
        await self._until(lambda: not any(tenant.revoked for tenant in tenants), REVOKED_SECONDS)
        steward.learn()
        await steward.house.clear()
        self._feed.close()
        tasks = [task for task in (self._ticking, self._probing) if task is not None]
        self._ticking = self._probing = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _known(self, name: str) -> Model:
        known = {model.name: model for model in self._library.models()}
        if name not in known:
            raise UnknownModel(name, known)
        return known[name]

    async def _checked(self, request: Request, model: Model) -> tuple[str, ...]:
        """Check off the event loop, except where that takes longer: the small files of a loaded model are cached."""
        if model.name in self._steward.house.tenants and is_short_chat(request):
            return self._check_request(request, model)
        return await anyio.to_thread.run_sync(self._check_request, request, model)

    def _check_request(self, request: Request, model: Model) -> tuple[str, ...]:
        """Refuse what the model cannot do, and return warnings of what it may do badly."""
        folders = self._library.folders(model)
        self._check(request, model, folders)
        return doubts(request, task_of(request), model, folders)

    async def _until(self, condition: Callable[[], bool], seconds: float) -> None:
        with anyio.move_on_after(seconds):
            while not condition():
                await self._feed.changed()

    async def _probe(self) -> None:
        self._steward.limit(await self._working_set_bytes())

    async def _tick_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._tick_seconds)
            try:
                self._watchman.look()
                self._steward.happen(Tick())
                if self._watchman.comes_to_rest():
                    await anyio.to_thread.run_sync(self._give_back)
            except Exception:
                log.exception("A tick failed")


def is_short_chat(request: Request) -> bool:
    """Whether this is a chat that takes no time to read."""
    if not isinstance(request, Chat):
        return False
    texts = (part for message in request.messages for part in message.content if isinstance(part, str))
    return len(request.json_schema) + sum(map(len, texts)) <= SHORT_CHAT_LETTERS


def _warned(finished: Finished, warnings: tuple[str, ...]) -> Finished:
    result = finished.result
    return replace(finished, result=replace(result, warnings=(*warnings, *result.warnings))) if warnings else finished
