"""The runtime: the service behind the MCP server and OpenAI's API. Each request gets one answer: a result or an error."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Self

import anyio
import anyio.to_thread

from model_runtime.background import keep_running
from model_runtime.catalog.disk import ModelFiles, ask_disk, find_files
from model_runtime.catalog.model import Model, ModelInfo
from model_runtime.catalog.protocol import CatalogProtocol
from model_runtime.decoding.decoder import MediaDecoder
from model_runtime.errors import Cancelled, UnknownModel
from model_runtime.events import Event, Finished, Preview, Timings
from model_runtime.history.events import DaemonStarted
from model_runtime.history.history import TIER_SIZES
from model_runtime.history.store import HistoryStore
from model_runtime.prepare import RequestPreparer, Validate
from model_runtime.problems import Problems
from model_runtime.process.process import StopTimeouts
from model_runtime.release_memory import release_memory
from model_runtime.requests import Chat, GenerateImage, Request, Task
from model_runtime.scheduler.messages import BudgetChanged
from model_runtime.settings import Settings
from model_runtime.sizes import format_bytes
from model_runtime.status import Status
from model_runtime.supervisor import gpu_probe, memory
from model_runtime.supervisor.energy import EnergySaving
from model_runtime.supervisor.model_info import ModelInfoCache
from model_runtime.supervisor.pressure import LastingPressure, Pressure
from model_runtime.supervisor.scheduler_factory import budget_bytes
from model_runtime.supervisor.status_feed import StatusFeed
from model_runtime.supervisor.status_snapshot import render_status
from model_runtime.supervisor.supervisor import Supervisor
from model_runtime.supervisor.token_counter import TokenCounter
from model_runtime.supervisor.views import MachineView
from model_runtime.supervisor.watchdog import ReleaseMemory, RelievePressure, WatchdogLimits, check
from model_runtime.validation import validate

FIRST_READING_SECONDS = 5.0
"""How long the start waits for the disks of the models; later, what they hold is added to the status."""

SAMPLE_SECONDS = float(TIER_SIZES["hour"][0])
"""The history gets a sample for each of its shortest buckets."""

HISTORY_TIMEOUT_SECONDS = 2.0
"""How long the end waits for a disk to take the history."""

HISTORY = "history keeper"
MODEL_INFO = "model info"
"""The name of the task that reads the models, and of its problem."""

log = logging.getLogger(__name__)


class Runtime:
    """Implements `Service`. Enter it as a context; leaving it stops running requests, `close` lets them finish first.

    Tests replace the keyword arguments: the clocks (monotonic seconds; seconds since the epoch), timeouts and what reads
    the machine's memory and energy.
    """

    def __init__(
        self,
        catalog: CatalogProtocol,
        settings: Settings,
        *,
        validate: Validate = validate,
        version: str = "",
        first_request_id: int = 1,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        tick_seconds: float = 1.0,
        stop_timeouts: StopTimeouts | None = None,
        watchdog_limits: WatchdogLimits | None = None,
        memory_pressure: Callable[[], Pressure] = memory.pressure,
        energy: EnergySaving | None = None,
        working_set_bytes: Callable[[], Awaitable[int]] = gpu_probe.working_set_bytes,
        release_memory: Callable[[], None] = release_memory,
    ) -> None:
        self.media = MediaDecoder(settings.decode_bytes, settings.folders.run / "decoded")
        self.problems = Problems()
        self._catalog = catalog
        self._settings = settings
        self._version = version
        self._clock = clock
        self._tick_seconds = tick_seconds
        self._watchdog_limits = watchdog_limits or WatchdogLimits()
        self._wall_clock = wall_clock
        self._memory_pressure = memory_pressure
        self._lasting_pressure = LastingPressure()
        self._energy = energy or EnergySaving()
        self._working_set_bytes = working_set_bytes
        self._working_set = 0
        """What the system recommends for its GPU; 0 until it has told."""
        self._release_memory = release_memory
        self._request_ids = count(first_request_id)
        self._preparer = RequestPreparer(
            catalog, validate, budget_bytes=self._budget_bytes, max_answer_tokens=settings.max_answer_tokens
        )
        self.history = HistoryStore(settings.folders.data, self.problems)
        self._model_info = ModelInfoCache(catalog, self._budget_bytes)
        self._token_counter = TokenCounter()
        self._feed = StatusFeed(self.status)
        self._supervisor = Supervisor(
            self._present_models,
            settings,
            clock,
            wall_clock,
            stop_timeouts or StopTimeouts(),
            self._feed,
            self.problems,
            self._energy,
            self.history,
        )
        self._started_at = clock()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self.history.record(DaemonStarted(self._wall_clock()))
        await anyio.to_thread.run_sync(self.media.storage.delete_leftovers)
        with anyio.move_on_after(FIRST_READING_SECONDS):
            await self._read_models_once()
        tasks: dict[str, Callable[[], Awaitable[None]]] = {
            MODEL_INFO: partial(self._repeat, self._read_models),
            "tick": partial(self._repeat, self._tick),
            "GPU probe": self._probe_gpu,
            "energy": self._energy.watch,
            HISTORY: self._keep_history,
        }
        self._tasks = [
            asyncio.create_task(keep_running(name, task, self.problems), name=name) for name, task in tasks.items()
        ]
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close(0.0)

    async def resolve(self, name: str, task: Task) -> str:
        """Return the canonical name of the model that `name` means for `task`.

        Raises:
            UnknownModel: no alias or repository has this name.
            WrongTask: the model does something else.
            ModelMissing: the weights are not on this disk.
        """
        model = await self._preparer.resolve(name, task)
        if self._model_info.is_new(model):  # a repository without an alias
            await ask_disk(model.name, self._model_info.read, model)
        return model.name

    @property
    def open_request_count(self) -> int:
        """How many requests wait or run."""
        return self._supervisor.open_request_count

    def new_request_id(self) -> int:
        """Return an id that no other request of this runtime has."""
        return next(self._request_ids)

    async def run(
        self,
        request: Request,
        *,
        client: str = "",
        keep_alive_seconds: float | None = None,
        request_id: int | None = None,
    ) -> AsyncGenerator[Event]:
        """Run the request and yield its events, `Finished` last; closing the generator cancels the request.

        Raises:
            SensesError: the request is invalid, is rejected or fails.
        """
        if isinstance(request, GenerateImage) and not self._settings.image_provenance:
            request = replace(request, provenance=False)
        prepared = await self._preparer.prepare(request, is_loaded=self._supervisor.has_worker)
        if isinstance(prepared.request, Chat) and prepared.request.counts_only and prepared.files is not None:
            yield await self._count_tokens(prepared.request, prepared.model, prepared.files)
            return
        id_ = self.new_request_id() if request_id is None else request_id
        submitted = self._supervisor.submit(id_, prepared, client=client, keep_alive_seconds=keep_alive_seconds)
        with submitted as outputs:
            while True:
                event = await outputs.get()
                yield event
                if isinstance(event, Finished):
                    return

    async def load(self, model: str) -> None:
        """Load a model now and wait until it is ready.

        Raises:
            UnknownModel: no model has this canonical name.
            SensesError: the model cannot be loaded.
        """
        known = self._model_named(model)
        files = await ask_disk(model, lambda: find_files(self._catalog.folders(known)))
        info = await ask_disk(model, self._model_info.read, known)
        await self._supervisor.load(self.new_request_id(), known, files, info.needed_bytes)

    async def unload(self, model: str) -> int:
        """Let running requests finish, stop the model's worker and return the bytes it held.

        Raises:
            UnknownModel: no model has this canonical name.
        """
        return await self._supervisor.unload(self._model_named(model))

    def pin(self, model: str, pinned: bool) -> None:
        """Exempt a model from the idle timer and from eviction, or end the exemption.

        Raises:
            UnknownModel: no model has this canonical name.
        """
        known = self._model_named(model)
        self._supervisor.pin(known, self._model_info.of(known).needed_bytes, pinned=pinned)

    def keep(self, model: str, seconds: float) -> bool:
        """Keep a loaded model at least so long, however idle it is; return False if it is not loaded.

        Raises:
            UnknownModel: no model has this canonical name.
        """
        return self._supervisor.keep(self._model_named(model), seconds)

    def cancel(self, request_id: int) -> bool:
        """Cancel a queued or running request; return False if no such request is open."""
        error = Cancelled(f"Request {request_id} was cancelled by an operator.")
        return self._supervisor.cancel(request_id, error)

    def preview(self, request_id: int) -> Preview | None:
        """Return the newest unfinished picture of an open request; None if there is none."""
        return self._supervisor.preview(request_id)

    def status(self) -> Status:
        """Return a snapshot of everything."""
        now = self._clock()
        return render_status(
            self._supervisor.view(),
            self._model_info.all(),
            version=self._version,
            uptime_seconds=now - self._started_at,
            now=now,
            problems=self.problems.reasons(),
        )

    def model_info(self, name: str) -> ModelInfo | None:
        """Return what the disk holds of one model, None if there is none of this name."""
        return self._model_info.find(name)

    def changes(self) -> AsyncGenerator[Status]:
        """Yield a snapshot now, after every change and at least once a second, until the runtime is closed."""
        return self._feed.watch()

    def apply(self, settings: Settings) -> None:
        """Use what of these settings can change without a restart."""
        self._settings = settings
        self._preparer.max_answer_tokens = settings.max_answer_tokens
        self._supervisor.apply(settings)
        self._update_budget()

    async def close(self, grace_seconds: float) -> None:
        """Reject new requests, give running ones `grace_seconds`, cancel the rest, stop and reap every process."""
        await self._supervisor.close(grace_seconds)
        await self._token_counter.close()
        self._feed.close()
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with anyio.move_on_after(HISTORY_TIMEOUT_SECONDS):
            await self.history.save()

    async def _count_tokens(self, chat: Chat, model: Model, files: ModelFiles) -> Finished:
        """Count for a model without a worker: it would load for minutes, and perhaps another one would have to leave."""
        started_at = self._clock()
        result = await self._token_counter.count(model, files, chat)
        return Finished(model.name, result, Timings(0.0, 0.0, self._clock() - started_at), starter=model.starter)

    def _present_models(self) -> list[Model]:
        return [model for model, info in self._model_info.all() if info.present]

    def _budget_bytes(self) -> int:
        return self._supervisor.budget_bytes

    def _model_named(self, name: str) -> Model:
        known = {model.name: model for model in self._catalog.models()}
        if name not in known:
            raise UnknownModel(name, known)
        return known[name]

    async def _probe_gpu(self) -> None:
        """Set the budget to a share of what the system recommends for its GPU, once that has answered."""
        self._working_set = await self._working_set_bytes()
        if self._working_set:
            self._update_budget()

    def _update_budget(self) -> None:
        budget = budget_bytes(self._settings, self._working_set)
        if budget != self._supervisor.budget_bytes:
            log.info("Memory budget: %s", format_bytes(budget))
            self._supervisor.dispatch(BudgetChanged(budget))

    async def _repeat(self, task: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(self._tick_seconds)
            await task()

    async def _keep_history(self) -> None:
        """Read the history of earlier daemons; then record what models hold, and write it all down, in each bucket."""
        await self.history.restore()
        while True:
            sample = self._supervisor.sample(self._wall_clock())
            if sample.memory_bytes or sample.waiting:  # an idle daemon writes nothing
                self.history.record(sample)
            await self.history.save()
            await asyncio.sleep(SAMPLE_SECONDS)

    async def _read_models_once(self) -> None:
        """Read the models before the first status; the task that follows tries again what fails here."""
        try:
            await self._read_models()
        except Exception as error:
            log.exception("The models cannot be read")
            self.problems.report(MODEL_INFO, f"The models cannot be read yet, and this is tried again: {error}")

    async def _read_models(self) -> None:
        """Keep the info of the models fresh. A disk that does not answer stops this task, and nothing else."""
        info, has_worker, now = self._model_info, self._supervisor.has_worker, self._clock()
        if info.is_due(now):
            await anyio.to_thread.run_sync(info.refresh, now, has_worker, abandon_on_cancel=True)

    def _read_machine(self) -> MachineView:
        self._lasting_pressure = self._lasting_pressure.updated(self._memory_pressure(), self._clock())
        return MachineView(self._wall_clock(), self._lasting_pressure, self._energy.is_on)

    def _report_pressure(self, is_relieved: bool) -> None:
        if is_relieved:
            self.problems.report("memory pressure", "The machine is short of memory; idle models are unloaded.")
        else:
            self.problems.clear("memory pressure")

    async def _tick(self) -> None:
        """Run the watchdog, then let the scheduler act on the time that has passed."""
        supervisor = self._supervisor
        supervisor.measure()
        actions = check(supervisor.view(), self._read_machine(), self._watchdog_limits, self._clock())
        self._report_pressure(any(isinstance(action, RelievePressure) for action in actions))
        supervisor.perform(actions)
        supervisor.tick()
        if ReleaseMemory() in actions:
            await anyio.to_thread.run_sync(self._release_memory)
