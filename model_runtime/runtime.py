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
from model_runtime.catalog.protocol import CatalogProtocol
from model_runtime.errors import Cancelled, ShuttingDown, UnknownModel
from model_runtime.events import Event, Finished, Warnings
from model_runtime.process.process import StopTimeouts
from model_runtime.requests import Chat, Request, Task
from model_runtime.scheduler.messages import PinChanged, ShutdownStarted, Tick, UnloadRequested
from model_runtime.settings import Settings
from model_runtime.status import Status
from model_runtime.supervisor import gpu_probe, memory
from model_runtime.supervisor.active_request import task_of
from model_runtime.supervisor.status_feed import StatusFeed
from model_runtime.supervisor.status_snapshot import ModelInfoCache, job_status, memory_status, model_status
from model_runtime.supervisor.supervisor import Supervisor
from model_runtime.supervisor.watchdog import Watchdog, WatchdogLimits
from model_runtime.validation import validate
from model_runtime.validation.starter_vocabulary import starter_warnings

Check = Callable[[Request, Model, Mapping[str, Path]], None]
"""check(request, model, folders) raises `InvalidInput` for what the model cannot do."""

SHORT_CHAT_LETTERS = 100_000
"""A chat up to this long is checked in less time than a trip to a thread takes."""
CANCEL_TIMEOUT_SECONDS = 2.0
"""How long cancelled work may take to end when the runtime closes."""

log = logging.getLogger(__name__)


class Runtime:
    """Implements `Service`. Enter it as a context; leaving closes it at once, `close` first gives work time to end."""

    def __init__(
        self,
        library: CatalogProtocol,
        settings: Settings,
        *,
        check: Check = validate,
        version: str = "",
        clock: Callable[[], float] = time.monotonic,
        tick_seconds: float = 1.0,
        stop_timeouts: StopTimeouts | None = None,
        watchdog_limits: WatchdogLimits | None = None,
        is_under_memory_pressure: Callable[[], bool] = memory.is_under_pressure,
        working_set_bytes: Callable[[], Awaitable[int]] = gpu_probe.working_set_bytes,
        release_memory: Callable[[], None] = memory.release_memory,
    ) -> None:
        self._library = library
        self._check = check
        self._version = version
        self._clock = clock
        self._tick_seconds = tick_seconds
        self._model_info = ModelInfoCache(library)
        self._feed = StatusFeed(self.status)
        self._supervisor = Supervisor(library, settings, clock, stop_timeouts or StopTimeouts(), self._feed)
        self._watchdog = Watchdog(self._supervisor, watchdog_limits or WatchdogLimits(), is_under_memory_pressure)
        self._started_at = clock()
        self._working_set_bytes = working_set_bytes
        self._release_memory = release_memory
        self._ticking: asyncio.Task[None] | None = None
        self._probing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._ticking = asyncio.create_task(self._tick_forever(), name="tick")
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
        job = self._supervisor.requests.open(model, request, client)
        self._supervisor.enqueue(job, working_bytes=working_bytes, keep_alive_seconds=keep_alive_seconds)
        try:
            if warnings:
                yield Warnings(warnings)
            while True:
                event = await job.outputs.get()
                if isinstance(event, Finished):
                    yield _with_warnings(event, warnings)
                    return
                yield event
        finally:
            self._supervisor.release(job)

    async def load(self, model: str) -> None:
        """Load a model now and wait until it is ready."""
        known = self._model_named(model)
        self._library.folders(known)
        job = self._supervisor.requests.open(known, None, "")
        self._supervisor.enqueue(job)
        try:
            while job.granted_at is None:
                await job.outputs.get()
        finally:
            self._supervisor.release(job)

    async def unload(self, model: str) -> int:
        """Let running jobs end, stop the model's process and return the bytes given back."""
        known = self._model_named(model)
        worker = self._supervisor.workers.workers.get(known.name)
        if worker is None:
            return 0
        self._supervisor.workers.measure()
        held_bytes = worker.footprint_bytes
        self._supervisor.dispatch(UnloadRequested(known.name))
        await worker.process.exited.wait()
        return held_bytes

    def pin(self, model: str, pinned: bool) -> None:
        """Exempt a model from timers and eviction, or end that."""
        known = self._model_named(model)
        self._supervisor.register(known)
        self._supervisor.dispatch(PinChanged(known.name, pinned))

    def cancel(self, job: int) -> bool:
        """End a queued or running job; False where there is no such job."""
        found = self._supervisor.requests.active.get(job)
        if found is None:
            return False
        self._supervisor.fail(found, Cancelled(f"Job {job} was cancelled by an operator."))
        return True

    def status(self) -> Status:
        """Return a snapshot of everything."""
        supervisor, now = self._supervisor, self._clock()
        return Status(
            version=self._version,
            pid=os.getpid(),
            uptime_seconds=now - self._started_at,
            accepting=not supervisor.scheduler.closing,
            memory=memory_status(supervisor.scheduler, supervisor.workers),
            models=tuple(
                model_status(
                    model,
                    facts,
                    supervisor.scheduler.records.get(model.name),
                    supervisor.workers.workers.get(model.name),
                    supervisor.counters,
                    now,
                )
                for model, facts in self._model_info.all(now)
            ),
            jobs=tuple(job_status(job, supervisor.scheduler, now) for job in supervisor.requests.active.values()),
            counters=supervisor.counters.snapshot(),
        )

    def changes(self) -> AsyncIterator[Status]:
        """Yield a snapshot now, after every change and at least once a second, until the runtime is closed."""
        return self._feed.watch()

    async def close(self, grace_seconds: float) -> None:
        """Refuse new work, give running work this long, cancel the rest, stop and reap every process."""
        supervisor = self._supervisor
        supervisor.dispatch(ShutdownStarted())
        await self._until(lambda: not supervisor.requests.active, grace_seconds)
        for job in list(supervisor.requests.active.values()):
            supervisor.fail(job, ShuttingDown("Senses shut down before the work was done.", 5.0))
        workers = supervisor.workers.workers.values()
        await self._until(lambda: not any(worker.cancelled_at for worker in workers), CANCEL_TIMEOUT_SECONDS)
        supervisor.save_stats()
        await supervisor.workers.stop_all()
        self._feed.close()
        tasks = [task for task in (self._ticking, self._probing) if task is not None]
        self._ticking = self._probing = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _model_named(self, name: str) -> Model:
        known = {model.name: model for model in self._library.models()}
        if name not in known:
            raise UnknownModel(name, known)
        return known[name]

    async def _checked(self, request: Request, model: Model) -> tuple[str, ...]:
        """Check off the event loop, except where that takes longer: the small files of a loaded model are cached."""
        if model.name in self._supervisor.workers.workers and is_short_chat(request):
            return self._check_request(request, model)
        return await anyio.to_thread.run_sync(self._check_request, request, model)

    def _check_request(self, request: Request, model: Model) -> tuple[str, ...]:
        """Refuse what the model cannot do, and return warnings of what it may do badly."""
        folders = self._library.folders(model)
        self._check(request, model, folders)
        return starter_warnings(request, task_of(request), model, folders)

    async def _until(self, condition: Callable[[], bool], seconds: float) -> None:
        with anyio.move_on_after(seconds):
            while not condition():
                await self._feed.changed()

    async def _probe(self) -> None:
        self._supervisor.set_gpu_limit(await self._working_set_bytes())

    async def _tick_forever(self) -> None:
        while True:
            await asyncio.sleep(self._tick_seconds)
            try:
                self._watchdog.check()
                self._supervisor.dispatch(Tick())
                if self._watchdog.became_idle():
                    await anyio.to_thread.run_sync(self._release_memory)
            except Exception:
                log.exception("A tick failed")


def is_short_chat(request: Request) -> bool:
    """Whether this is a chat that takes no time to read."""
    if not isinstance(request, Chat):
        return False
    texts = (part for message in request.messages for part in message.content if isinstance(part, str))
    return len(request.json_schema) + sum(map(len, texts)) <= SHORT_CHAT_LETTERS


def _with_warnings(finished: Finished, warnings: tuple[str, ...]) -> Finished:
    result = finished.result
    return replace(finished, result=replace(result, warnings=(*warnings, *result.warnings))) if warnings else finished
