"""What the supervisor makes of the watchdog's actions, of a full output queue, of a shutdown, and of a spare worker."""

import signal
from collections.abc import AsyncGenerator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from typing import Any, cast

import anyio
import pytest

from model_runtime.catalog.disk import ModelFiles
from model_runtime.errors import Cancelled, JobStalled, SensesError, ShuttingDown
from model_runtime.events import Finished, Queued, TextDelta
from model_runtime.history.events import LoadEnded
from model_runtime.history.lines import compact
from model_runtime.history.store import HistoryStore
from model_runtime.ipc.messages import Cancel, Heartbeat, Load, LoadProgress, Preload, Ready, RunRequest, Shutdown
from model_runtime.prepare import PreparedRequest
from model_runtime.problems import Problems
from model_runtime.process.process import StopTimeouts
from model_runtime.requests import Task
from model_runtime.scheduler.messages import BudgetChanged
from model_runtime.settings import Settings
from model_runtime.status import ModelState
from model_runtime.supervisor.energy import EnergySaving
from model_runtime.supervisor.output_queue import OutputQueue
from model_runtime.supervisor.status_feed import StatusFeed
from model_runtime.supervisor.supervisor import Supervisor
from model_runtime.supervisor.views import RequestView, WorkerView
from model_runtime.supervisor.watchdog import (
    EndStalled,
    EndUnread,
    KillWorker,
    Prewarm,
    ReleaseMemory,
    RelievePressure,
    ReportFootprint,
    ResetTimers,
    SaveStats,
    StopSpare,
)
from tests.model_runtime.calls import chat
from tests.model_runtime.fake_workers import LOADED, FakeWorker, FakeWorkers
from tests.model_runtime.library import MEGABYTE, SERIAL_ENGINE, FakeClock, ScriptedCatalog, scripted_model

BUDGET_BYTES = 1000 * MEGABYTE
MAX_BYTES = 10_000
"""What an output queue holds in these tests: a socket takes it at once."""


class Supervised:
    """A supervisor, and calls whose outputs a test reads."""

    def __init__(self, settings: Settings, catalog: ScriptedCatalog, workers: FakeWorkers) -> None:
        self.clock = FakeClock()
        self.workers = workers
        self.catalog = catalog
        self.settings = settings
        self.calls = ExitStack()
        self.open()

    def open(self) -> None:
        """Open a supervisor, as at the start of a daemon."""
        self.history = HistoryStore(self.settings.folders.data)
        timeouts, feed = StopTimeouts(0.05, 0.05), StatusFeed(cast(Any, None))
        self.supervisor = Supervisor(
            self.catalog.models,
            self.settings,
            self.clock,
            self.clock,
            timeouts,
            feed,
            Problems(),
            EnergySaving(),
            self.history,
        )

    def submit(self, id_: int, model: str = "m", **options: Any) -> OutputQueue:
        """Submit a chat that stays open."""
        return self.calls.enter_context(self.call(id_, model, **options))

    def call(self, id_: int, model: str = "m", **options: Any) -> AbstractContextManager[OutputQueue]:
        """Return the context of a chat."""
        resolved = self.catalog.resolve(model, Task.TEXT)
        prepared = PreparedRequest(chat("a", model), resolved, Task.TEXT, 50 * MEGABYTE, files=ModelFiles())
        return self.supervisor.submit(id_, prepared, **options)

    async def run(self, id_: int, model: str = "m") -> FakeWorker:
        """Submit a chat and wait until it runs."""
        self.submit(id_, model)
        worker = await self.workers.started(len(self.workers.all) or 1)
        assert (await worker.receive(RunRequest)).request_id == id_
        return worker

    async def answer(self, id_: int, model: str = "m") -> None:
        """Run a chat to its end."""
        with self.call(id_, model) as outputs:
            worker = next(worker for worker in reversed(self.workers.all))
            await worker.receive(RunRequest)
            worker.finish(id_)
            await read_end(outputs)

    def request(self, id_: int = 1) -> RequestView:
        """Return an open request."""
        return next(request for request in self.supervisor.view().requests if request.id == id_)

    def worker(self, model: str = "m") -> WorkerView:
        """Return the worker of a model."""
        return self.supervisor.view().workers[model]

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and the scheduler act on it."""
        self.clock.now += seconds
        self.supervisor.tick()

    def state(self, model: str = "m") -> ModelState:
        """Return the state of a model."""
        return self.supervisor.view().models[model].state


async def read_end(outputs: OutputQueue) -> Finished:
    """Read outputs up to the result."""
    with anyio.fail_after(20):
        while not isinstance(event := await outputs.get(), Finished):
            pass
    return event


async def read_error(outputs: OutputQueue) -> SensesError:
    """Read outputs up to the error."""
    with pytest.raises(SensesError) as caught:
        await read_end(outputs)
    return caught.value


@pytest.fixture
async def supervised(
    settings: Settings, workers: FakeWorkers, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[Supervised]:
    """Two models, and room for both."""
    monkeypatch.setattr("model_runtime.supervisor.output_queue.MAX_BYTES", MAX_BYTES)
    catalog = ScriptedCatalog(scripted_model("m", concurrency=2), scripted_model("n"))
    with_spare = replace(settings, keep_spare_worker=True, memory_budget_bytes=BUDGET_BYTES)
    opened = Supervised(with_spare, catalog, workers)
    with anyio.fail_after(60):
        yield opened
        opened.calls.close()
        await opened.supervisor.close(0.0)


# -- the watchdog's actions --------------------------------------------------------------------------------------------


async def test_a_stalled_request_is_answered_and_its_worker_killed(supervised: Supervised) -> None:
    outputs = supervised.submit(1)
    worker = await supervised.workers.started()
    await worker.receive(RunRequest)

    supervised.supervisor.perform([EndStalled(1, 60.0), EndStalled(99, 60.0)])

    error = await read_error(outputs)
    assert isinstance(error, JobStalled)
    assert error.message == "m was stopped: a request made no progress for 60 s. Try again with a smaller request."
    assert worker.signals == [signal.SIGKILL]
    assert supervised.supervisor.view().requests == ()


async def test_an_unread_request_is_cancelled_and_what_it_has_not_read_dropped(supervised: Supervised) -> None:
    outputs = supervised.submit(1)
    worker = await supervised.workers.started()
    await worker.receive(RunRequest)
    worker.say(1, "x" * MAX_BYTES)
    await wait_for(lambda: supervised.worker().is_paused)

    supervised.supervisor.perform([EndUnread(1, 60.0), EndUnread(99, 60.0)])

    with pytest.raises(Cancelled, match="The output was not read for 60 s"):
        await outputs.get()
    assert (await worker.receive(Cancel)).request_id == 1
    assert not supervised.worker().is_paused
    assert worker.signals == []


async def test_a_worker_is_killed_if_it_is_the_one_that_was_looked_at(supervised: Supervised) -> None:
    worker = await supervised.run(1)
    incarnation = supervised.worker().incarnation

    supervised.supervisor.perform([KillWorker("m", incarnation + 1, "another"), KillWorker("nobody", 1, "none")])
    before = list(worker.signals)
    supervised.supervisor.perform([KillWorker("m", incarnation, "it sent nothing")])

    assert (before, worker.signals) == ([], [signal.SIGKILL])


async def test_after_a_sleep_of_the_machine_all_timers_start_again(supervised: Supervised) -> None:
    await supervised.run(1)
    supervised.clock.now += 500

    supervised.supervisor.perform([ResetTimers(495.0)])

    assert supervised.request().last_progress_at == supervised.clock.now
    assert supervised.worker().last_message_at == supervised.clock.now
    assert supervised.supervisor.view().upkeep.checked_at == supervised.clock.now


async def test_a_measured_footprint_is_charged(supervised: Supervised) -> None:
    await supervised.supervisor.load(1, supervised.catalog.resolve("m", Task.TEXT), ModelFiles(), 50 * MEGABYTE)
    before = supervised.supervisor.view().charged_bytes
    (await supervised.workers.started()).footprint_bytes = 33 * MEGABYTE

    supervised.supervisor.measure()
    footprint_bytes = supervised.worker().footprint_bytes
    supervised.supervisor.perform([ReportFootprint("m", supervised.worker().incarnation, footprint_bytes)])
    (await supervised.workers.started()).footprint_bytes = 0
    supervised.supervisor.measure()

    assert (before, supervised.supervisor.view().charged_bytes) == (20 * MEGABYTE, 33 * MEGABYTE)
    assert supervised.worker().footprint_bytes == 33 * MEGABYTE


async def test_what_was_measured_and_requested_survives_the_daemon(
    supervised: Supervised, workers: FakeWorkers
) -> None:
    model = supervised.catalog.resolve("m", Task.TEXT)
    workers.are_obedient = False
    with supervised.call(1):
        worker = await workers.started()
        await worker.receive(Load)
        supervised.clock.now += 7
        worker.send(Ready(LOADED))
        await worker.receive(RunRequest)
        worker.finish(1)
        await wait_for(lambda: not supervised.supervisor.view().requests)
    supervised.clock.now += 1

    supervised.supervisor.perform([SaveStats()])

    assert supervised.supervisor.view().upkeep.stats_saved_at == supervised.clock.now
    restarted = Supervised(supervised.settings, supervised.catalog, workers)
    restarted.supervisor.pin(model, 999 * MEGABYTE, pinned=False)
    restarted.supervisor.perform([Prewarm()])
    needed_bytes = restarted.supervisor.view().models["m"].needed_bytes
    assert 20 * MEGABYTE < needed_bytes < 50 * MEGABYTE, "between what was measured and the estimate"
    assert restarted.supervisor.view().spare.engine == model.engine
    worker.is_obedient = True
    (await workers.started(2)).is_obedient = True
    await restarted.supervisor.close(0.0)


@pytest.mark.promise("history:recorded")
async def test_the_history_has_each_request_with_its_times_and_each_load(supervised: Supervised) -> None:
    with supervised.call(1, client="Claude Code") as outputs:
        worker = await supervised.workers.started()
        await worker.receive(RunRequest)
        supervised.clock.now += 2
        worker.say(1, "a secret")
        while not isinstance(await outputs.get(), TextDelta):
            pass
        supervised.clock.now += 3
        worker.finish(1, "a secret")
        await read_end(outputs)
    supervised.submit(2)
    supervised.supervisor.cancel(2, Cancelled("a secret"))

    history = supervised.history.history

    answered, cancelled = history.requests
    assert (answered.client, answered.model, answered.code, answered.amount) == ("Claude Code", "m", "ok", 1)
    assert (answered.first_output_seconds, answered.running_seconds) == (2.0, 5.0)
    assert (cancelled.code, cancelled.first_output_seconds) == ("cancelled", None)
    assert [change.model for change in history.changes if isinstance(change, LoadEnded)] == ["m"]
    assert supervised.supervisor.sample(7.0).memory_bytes.keys() == {"m"}
    assert "secret" not in "".join(compact(history))


async def test_memory_is_released_once_for_each_time_that_requests_have_ended(supervised: Supervised) -> None:
    worker = await supervised.run(1)
    supervised.clock.now += 1
    worker.finish(1)
    await wait_for(lambda: not supervised.supervisor.view().requests)

    supervised.supervisor.perform([ReleaseMemory()])

    view = supervised.supervisor.view()
    assert view.upkeep.memory_released_after == view.finished_count == 1


@pytest.mark.parametrize(
    ("is_critical", "left"), [(False, ModelState.READY), (True, ModelState.ABSENT)], ids=["warning", "critical"]
)
async def test_a_warning_unloads_the_model_that_is_idle_for_longest_and_a_critical_pressure_all(
    supervised: Supervised, is_critical: bool, left: ModelState
) -> None:
    for id_, name in enumerate("mn", 1):
        await supervised.supervisor.load(id_, supervised.catalog.resolve(name, Task.TEXT), ModelFiles(), 50 * MEGABYTE)
        supervised.clock.now += 100

    supervised.supervisor.perform([RelievePressure(is_critical)])

    await wait_for(lambda: supervised.state("m") is ModelState.ABSENT)
    await wait_for(lambda: supervised.state("n") is left)


# -- the spare worker --------------------------------------------------------------------------------------------------


async def unload_after_use(supervised: Supervised) -> None:
    """Use a model and unload it."""
    model = supervised.catalog.resolve("n", Task.TEXT)
    await supervised.supervisor.load(100, model, ModelFiles(), 50 * MEGABYTE)
    await supervised.supervisor.unload(model)


async def prewarmed(supervised: Supervised) -> FakeWorker:
    """Use a model, unload it, and prepare a spare worker for it."""
    await unload_after_use(supervised)
    supervised.supervisor.perform([Prewarm()])
    spare = await supervised.workers.started(2)
    await wait_for(lambda: supervised.supervisor.view().spare.is_ready)
    return spare


async def test_the_next_load_claims_the_spare_worker(supervised: Supervised) -> None:
    spare = await prewarmed(supervised)
    supervised.supervisor.measure()
    view = supervised.supervisor.view().spare
    supervised.submit(1, "n")
    load = await spare.receive(Load)
    await spare.receive(RunRequest)

    assert (spare.name, view.engine, view.is_ready, view.held_bytes) == ("spare", SERIAL_ENGINE, True, 10 * MEGABYTE)
    assert await spare.receive(Preload) == Preload(SERIAL_ENGINE)
    assert load.spec.model == "n"
    assert len(supervised.workers.all) == 2
    after = supervised.supervisor.view().spare
    assert (after.engine, after.is_ready, after.held_bytes) == ("", False, 0)


async def test_a_model_of_another_engine_starts_its_own_process(supervised: Supervised) -> None:
    await prewarmed(supervised)
    supervised.submit(1, "m")
    own = await supervised.workers.started(3)

    assert own.name == "m"
    assert supervised.supervisor.view().spare.engine == SERIAL_ENGINE


async def test_no_spare_worker_is_prepared_while_work_is_open_or_nothing_was_requested(supervised: Supervised) -> None:
    supervised.supervisor.perform([Prewarm()])
    before_any_request = len(supervised.workers.all)
    await unload_after_use(supervised)
    supervised.workers.are_obedient = False
    supervised.submit(1, "m")
    await supervised.workers.started(2)
    supervised.supervisor.perform([Prewarm()])

    assert before_any_request == 0
    assert len(supervised.workers.all) == 2
    supervised.workers.all[1].exit(1)


async def test_the_spare_worker_leaves_when_memory_is_short_or_it_is_unused_for_an_hour(supervised: Supervised) -> None:
    first = await prewarmed(supervised)
    supervised.supervisor.perform([StopSpare()])
    await first.receive(Shutdown)
    supervised.supervisor.perform([Prewarm()])
    second = await supervised.workers.started(3)
    await wait_for(lambda: supervised.supervisor.view().spare.is_ready)
    supervised.supervisor.measure()
    supervised.clock.now += 3599
    supervised.supervisor.perform([Prewarm()])
    kept = supervised.supervisor.view().spare.engine
    supervised.clock.now += 1
    supervised.supervisor.perform([Prewarm()])
    await second.receive(Shutdown)

    assert kept == SERIAL_ENGINE
    assert supervised.supervisor.view().spare.engine == ""


async def test_the_spare_worker_leaves_as_soon_as_the_budget_has_less_than_it_holds(supervised: Supervised) -> None:
    spare = await prewarmed(supervised)
    spare.footprint_bytes = 400 * MEGABYTE
    supervised.supervisor.measure()

    supervised.supervisor.dispatch(BudgetChanged(400 * MEGABYTE))
    kept = supervised.supervisor.view().spare.engine
    supervised.supervisor.dispatch(BudgetChanged(399 * MEGABYTE))

    assert (kept, supervised.supervisor.view().spare.engine) == (SERIAL_ENGINE, "")
    await spare.receive(Shutdown)


async def test_an_engine_whose_spare_worker_died_is_not_tried_again(supervised: Supervised) -> None:
    spare = await prewarmed(supervised)
    spare.exit(1)
    await wait_for(lambda: not supervised.supervisor.view().spare.engine)

    supervised.supervisor.perform([Prewarm()])
    await unload_after_use(supervised)
    supervised.supervisor.perform([Prewarm()])

    assert [worker.name for worker in supervised.workers.all] == ["n", "spare", "n"]


async def test_a_spare_worker_that_cannot_start_is_done_without(supervised: Supervised) -> None:
    await unload_after_use(supervised)
    supervised.workers.spawn_error = OSError("no more processes")

    supervised.supervisor.perform([Prewarm()])

    assert supervised.supervisor.view().spare.engine == ""


# -- outputs -----------------------------------------------------------------------------------------------------------


async def test_a_full_queue_pauses_the_worker_until_it_is_read(supervised: Supervised) -> None:
    outputs = supervised.submit(1)
    worker = await supervised.workers.started()
    await worker.receive(RunRequest)
    worker.say(1, "x" * MAX_BYTES)
    await wait_for(lambda: supervised.worker().is_paused)
    full_since = supervised.request().queue_full_since
    worker.say(1, "later")
    supervised.clock.now += 30
    while not isinstance(await outputs.get(), TextDelta):
        pass
    resumed = supervised.worker()

    assert full_since == supervised.clock.now - 30
    assert (resumed.is_paused, resumed.last_message_at) == (False, supervised.clock.now)
    assert (supervised.request().queue_full_since, supervised.request().last_progress_at) == (
        None,
        supervised.clock.now,
    )
    assert await outputs.get() == TextDelta("later")


async def test_a_worker_stays_paused_while_another_of_its_queues_is_full(supervised: Supervised) -> None:
    first, second = supervised.submit(1), supervised.submit(2)
    worker = await supervised.workers.started()
    await worker.receive(RunRequest)
    await worker.receive(RunRequest)
    worker.say(1, "x" * MAX_BYTES)
    await wait_for(lambda: supervised.worker().is_paused)
    supervised.supervisor.perform([])
    supervised.request(1)
    paused_by_one = supervised.worker().is_paused
    while not isinstance(await first.get(), TextDelta):
        pass
    worker.say(2, "y" * MAX_BYTES)
    worker.say(1, "z" * MAX_BYTES)
    await wait_for(lambda: supervised.worker().is_paused)

    assert paused_by_one
    assert supervised.supervisor.cancel(1, Cancelled("first"))
    assert supervised.worker().is_paused
    while not isinstance(await second.get(), TextDelta):
        pass
    assert not supervised.worker().is_paused


async def test_steps_of_a_worker_are_progress_and_a_repeated_number_is_none(supervised: Supervised) -> None:
    worker = await supervised.run(1)
    started_at = supervised.clock.now
    supervised.clock.now += 10
    worker.send(Heartbeat((1,), 0, 0))
    await wait_for(lambda: supervised.worker().last_message_at == started_at + 10)
    without_steps = supervised.request().last_progress_at
    supervised.clock.now += 10
    worker.send(Heartbeat((1,), 1, 0))
    await wait_for(lambda: supervised.worker().last_message_at == started_at + 20)
    with_steps = supervised.request().last_progress_at

    assert (without_steps, with_steps) == (started_at, started_at + 20)


async def test_a_cancelled_request_is_known_until_the_worker_ends_it(supervised: Supervised) -> None:
    worker = await supervised.run(1)
    worker.is_obedient = False
    supervised.clock.now += 3

    supervised.supervisor.cancel(1, Cancelled("by an operator"))
    cancelled_at = supervised.worker().oldest_cancel_at
    await worker.receive(Cancel)
    worker.finish(1)
    await wait_for(lambda: supervised.worker().oldest_cancel_at is None)

    assert cancelled_at == supervised.clock.now
    assert supervised.supervisor.view().models["m"].active == 0


# -- requests ----------------------------------------------------------------------------------------------------------


async def test_a_request_names_its_client_and_its_warnings_come_first(supervised: Supervised) -> None:
    model = supervised.catalog.resolve("m", Task.TEXT)
    prepared = PreparedRequest(chat("a"), model, Task.TEXT, 50 * MEGABYTE, 7 * MEGABYTE, ("no word",), ModelFiles())
    with supervised.supervisor.submit(1, prepared, client="editor") as outputs:
        worker = await supervised.workers.started()
        await worker.receive(RunRequest)
        request, charged_bytes = supervised.request(), supervised.supervisor.view().charged_bytes
        worker.finish(1, "done")
        finished = await read_end(outputs)

    assert request.client == "editor"
    assert charged_bytes == 27 * MEGABYTE
    assert cast(Any, finished.result).warnings == ("no word",)


@pytest.mark.parametrize(("task", "seconds"), [(Task.TEXT, 100), (Task.IMAGE, 250)])
async def test_a_request_waits_as_long_as_the_settings_say_and_a_picture_longer(
    settings: Settings, workers: FakeWorkers, task: Task, seconds: float
) -> None:
    catalog = ScriptedCatalog(scripted_model("m", task))
    supervised = Supervised(replace(settings, queue_timeout_seconds=100.0), catalog, workers)
    model = catalog.resolve("m", task)
    prepared = PreparedRequest(chat("a"), model, task, 50 * MEGABYTE, files=ModelFiles())
    supervised.calls.enter_context(supervised.supervisor.submit(1, prepared))
    worker = await workers.started()
    await worker.receive(RunRequest)
    queued = await supervised.calls.enter_context(supervised.supervisor.submit(2, prepared)).get()
    assert isinstance(queued, Queued)
    assert queued.wait_seconds is not None

    supervised.clock.now += queued.wait_seconds + seconds - 1
    supervised.supervisor.tick()
    waiting = [request.id for request in supervised.supervisor.view().requests]
    supervised.clock.now += 1
    supervised.supervisor.tick()
    timed_out = [request.id for request in supervised.supervisor.view().requests]

    supervised.calls.close()
    await supervised.supervisor.close(0.0)
    assert (waiting, timed_out) == ([1, 2], [1])


async def test_a_load_without_progress_is_stopped_and_told_with_its_stage(
    settings: Settings, workers: FakeWorkers
) -> None:
    catalog = ScriptedCatalog(scripted_model("m"))
    supervised = Supervised(replace(settings, load_timeout_seconds=30), catalog, workers)
    workers.are_obedient = False
    outputs = supervised.submit(1)
    worker = await workers.started()
    supervised.pass_time(20)
    worker.send(LoadProgress("weights", 0.25))
    await wait_for(lambda: supervised.worker().fraction == 0.25)
    supervised.pass_time(29)
    state_with_progress = supervised.state()
    supervised.pass_time(1)
    await worker.receive(Shutdown)
    worker.exit()
    await wait_for(lambda: supervised.state() is ModelState.BACKOFF)
    supervised.pass_time(1)
    second = await workers.started(2)
    supervised.pass_time(30)
    await second.receive(Shutdown)
    second.exit()
    error = await read_error(outputs)
    counters = supervised.supervisor.view().counters
    supervised.calls.close()
    await supervised.supervisor.close(0.0)

    assert state_with_progress is ModelState.STARTING
    assert error.message == "m could not be loaded: the load made no progress for 30 s at 'starting'."
    assert counters.loads == {("m", "failed"): 2}
    assert counters.unloads == {("m", "load timeout"): 2}


# -- the end -----------------------------------------------------------------------------------------------------------


async def test_a_shutdown_lets_running_requests_finish_and_refuses_others(supervised: Supervised) -> None:
    outputs = supervised.submit(1)
    worker = await supervised.workers.started()
    await worker.receive(RunRequest)
    async with anyio.create_task_group() as group:
        group.start_soon(supervised.supervisor.close, 20.0)
        await wait_for(lambda: supervised.supervisor.view().is_closing)
        refused = await read_error(supervised.submit(2))
        worker.finish(1, "done")
        finished = await read_end(outputs)

    assert isinstance(refused, ShuttingDown)
    assert finished.model == "m"
    assert worker.status == 0
    assert supervised.supervisor.view().workers == {}


async def test_a_shutdown_answers_what_does_not_finish_in_time(supervised: Supervised) -> None:
    outputs = supervised.submit(1)
    worker = await supervised.workers.started()
    await worker.receive(RunRequest)

    await supervised.supervisor.close(0.0)
    error = await read_error(outputs)

    assert isinstance(error, ShuttingDown)
    assert error.message == "Senses shut down before the request finished. Send it again after the restart."
    assert error.retry_after_seconds == 5
    assert (await worker.receive(Cancel)).request_id == 1
    assert worker.signals == []
    assert worker.status == 0


async def test_a_worker_that_goes_on_with_a_cancelled_request_is_killed_at_the_end(
    supervised: Supervised, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model_runtime.supervisor.supervisor.CANCEL_TIMEOUT_SECONDS", 0.01)
    worker = await supervised.run(1)
    worker.is_obedient = False

    await supervised.supervisor.close(0.0)

    assert worker.signals == [signal.SIGKILL]


async def test_the_spare_worker_ends_with_the_runtime(supervised: Supervised) -> None:
    spare = await prewarmed(supervised)

    await supervised.supervisor.close(0.0)

    assert spare.status == 0


async def wait_for(condition: Any) -> None:
    """Let the event loop run until a condition holds."""
    with anyio.fail_after(20):
        while not condition():  # noqa: ASYNC110 - whatever the loop does may make it hold
            await anyio.sleep(0.001)
