"""The runtime with fake workers: what callers, the status and the worker see of a load, a run, a cancel and an exit."""

import signal
import struct
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import TaskGroup

from model_runtime.errors import (
    Cancelled,
    JobFailed,
    LoadFailed,
    SensesError,
    UnknownModel,
    WorkerDied,
)
from model_runtime.events import ChatResult, Finished, Loading, Preview, Queued, TextDelta
from model_runtime.ipc.messages import (
    Cancel,
    Hello,
    Load,
    LoadError,
    LoadProgress,
    Ready,
    RequestOutcome,
    RequestOutput,
    RunRequest,
)
from model_runtime.loading import LoadedModel, LoadSpec
from model_runtime.media.types import ImageData
from model_runtime.requests import Chat
from model_runtime.settings import Settings
from model_runtime.status import ModelState, Status
from tests.model_runtime.calls import BackgroundCall, chat, model_status_of, run_request, wait_for_status
from tests.model_runtime.fake_workers import FakeWorker, FakeWorkers, open_fake_runtime, run_request_id
from tests.model_runtime.library import MEGABYTE, SERIAL_ENGINE, FakeClock, ScriptedCatalog, scripted_model


@pytest.fixture
def catalog() -> ScriptedCatalog:
    """Return a catalogue of one model."""
    return ScriptedCatalog(scripted_model("m"))


@pytest.fixture
def clock() -> FakeClock:
    """Return the runtime's clock."""
    return FakeClock()


def state_is(state: ModelState, name: str = "m") -> Callable[[Status], bool]:
    """Return whether a model is in a state."""
    return lambda status: model_status_of(status, name).state is state


async def answer_next(worker: FakeWorker, text: str = "") -> None:
    """Answer the next request with a text."""
    worker.finish(await run_request_id(worker), text)


class Operation:
    """What an operator asks for, in the background."""

    def __init__(self, ask: Callable[[str], Awaitable[Any]], model: str) -> None:
        self.result: Any = None
        self.error: SensesError | None = None
        self.finished = anyio.Event()
        self._ask = ask
        self._model = model

    def start(self, group: TaskGroup) -> "Operation":
        """Start it."""
        group.start_soon(self._run)
        return self

    async def _run(self) -> None:
        try:
            self.result = await self._ask(self._model)
        except SensesError as error:
            self.error = error
        finally:
            self.finished.set()


async def test_a_cold_call_is_queued_loaded_run_and_finished(
    settings: Settings, workers: FakeWorkers, clock: FakeClock, tmp_path: Path
) -> None:
    workers.are_obedient = False
    catalog = ScriptedCatalog(scripted_model("m", load="touch x"), folder=tmp_path)
    async with open_fake_runtime(settings, catalog, clock) as runtime, anyio.create_task_group() as group:
        call = BackgroundCall(runtime, chat("hello")).start(group)
        worker = await workers.started()
        load = await worker.receive(Load)
        loading = runtime.status()
        worker.send(Hello(worker.pid))
        worker.send(LoadProgress("weights", 0.5))
        await wait_for_status(runtime, lambda status: model_status_of(status).load_fraction == 0.5)
        clock.now += 4
        worker.send(Ready(LoadedModel(MEGABYTE, 20 * MEGABYTE, 20 * MEGABYTE)))
        id_ = await run_request_id(worker)
        running = runtime.status()
        clock.now += 2
        worker.say(id_, "hi")
        worker.finish(id_, "hi")
        await call.wait_until_finished()
        after = runtime.status()

    queued, starting, weights, text, finished = call.events
    assert worker.name == "m"
    assert load.spec == LoadSpec("m", SERIAL_ENGINE, {"model": str(tmp_path)}, {"load": "touch x"})
    assert queued == Queued(1, "m is loading", 3.0)
    assert (starting, weights) == (Loading("m", "starting", None), Loading("m", "weights", 0.5))
    assert text == TextDelta("hi")
    assert isinstance(finished, Finished)
    assert finished.result == ChatResult("hi", "stop", 1, 1)
    assert (finished.timings.queued_seconds, finished.timings.loading_seconds) == (0, 4)
    assert finished.timings.running_seconds == 2
    assert [job.state for job in loading.jobs] == ["loading"]
    assert model_status_of(loading).charged_bytes == 50 * MEGABYTE
    assert [(job.state, job.position) for job in running.jobs] == [("running", 0)]
    loaded = model_status_of(after)
    assert (loaded.state, loaded.load_fraction, loaded.idle_seconds) == (ModelState.READY, None, 0)
    assert (loaded.charged_bytes, loaded.footprint_bytes) == (20 * MEGABYTE, 10 * MEGABYTE)
    assert (loaded.loads, loaded.last_load_seconds, loaded.requests) == (1, 4, 1)
    assert (after.jobs, after.accepting) == ((), True)
    assert after.counters.requests == {("m", "text", "ok"): 1}


async def test_what_a_worker_says_to_hold_counts_unless_it_cannot_be_true(
    settings: Settings, workers: FakeWorkers, catalog: ScriptedCatalog
) -> None:
    workers.are_obedient = False
    async with open_fake_runtime(settings, catalog) as runtime, anyio.create_task_group() as group:
        group.start_soon(runtime.load, "m")
        worker = await workers.started()
        await worker.receive(Load)
        worker.send(Ready(LoadedModel(MEGABYTE, 1 << 50, 1 << 50)))
        status = await wait_for_status(runtime, state_is(ModelState.READY))

    assert model_status_of(status).charged_bytes == worker.footprint_bytes


async def test_the_next_request_waits_for_its_place_and_is_told(
    settings: Settings, workers: FakeWorkers, catalog: ScriptedCatalog, clock: FakeClock
) -> None:
    async with open_fake_runtime(settings, catalog, clock) as runtime, anyio.create_task_group() as group:
        first = BackgroundCall(runtime, chat("a")).start(group)
        worker = await workers.started()
        id_ = await run_request_id(worker)
        second, third = BackgroundCall(runtime, chat("b")).start(group), BackgroundCall(runtime, chat("c"))
        await second.wait_for_event(Queued)
        third.start(group)
        await third.wait_for_event(Queued)
        positions = [(job.state, job.position) for job in runtime.status().jobs]
        worker.finish(id_)
        worker.finish(await run_request_id(worker), "second")
        await second.wait_until_finished()
        await answer_next(worker)
        await third.wait_until_finished()

    assert first.error is second.error is third.error is None
    assert positions == [("running", 0), ("queued", 1), ("queued", 2)]
    places = [event.position for event in third.events if isinstance(event, Queued)]
    assert places == [2, 1]
    assert not any(isinstance(event, Loading) for event in third.events)


async def test_a_caller_that_leaves_ends_its_work_and_no_other(
    settings: Settings, workers: FakeWorkers, clock: FakeClock
) -> None:
    catalog = ScriptedCatalog(scripted_model("m", concurrency=2))
    async with open_fake_runtime(settings, catalog, clock) as runtime, anyio.create_task_group() as group:
        leaver, stayer = BackgroundCall(runtime, chat("a")).start(group), BackgroundCall(runtime, chat("b"))
        worker = await workers.started()
        left = await run_request_id(worker)
        stayer.start(group)
        stays = await run_request_id(worker)
        leaver.cancel_scope.cancel()
        cancel = await worker.receive(Cancel)
        worker.finish(stays, "stayed")
        await stayer.wait_until_finished()
        status = runtime.status()

    assert cancel.request_id == left
    assert isinstance(stayer.events[-1], Finished)
    assert status.counters.requests == {("m", "text", "cancelled"): 1, ("m", "text", "ok"): 1}
    assert model_status_of(status).state is ModelState.READY


async def test_a_caller_that_leaves_the_queue_is_never_run(
    settings: Settings, workers: FakeWorkers, catalog: ScriptedCatalog
) -> None:
    async with open_fake_runtime(settings, catalog) as runtime, anyio.create_task_group() as group:
        running, waiting = BackgroundCall(runtime, chat("a")).start(group), BackgroundCall(runtime, chat("b"))
        worker = await workers.started()
        id_ = await run_request_id(worker)
        waiting.start(group)
        await waiting.wait_for_event(Queued)
        waiting.cancel_scope.cancel()
        await waiting.wait_until_finished()
        worker.finish(id_)
        await running.wait_until_finished()
        after = BackgroundCall(runtime, chat("c")).start(group)
        next_id = await run_request_id(worker)
        worker.finish(next_id)
        await after.wait_until_finished()

    assert next_id == id_ + 2
    assert not any(isinstance(command, Cancel) for command in worker.commands)


async def test_an_operator_cancels_a_request_and_no_unknown_one(
    settings: Settings, workers: FakeWorkers, catalog: ScriptedCatalog
) -> None:
    async with open_fake_runtime(settings, catalog) as runtime, anyio.create_task_group() as group:
        call = BackgroundCall(runtime, chat("a")).start(group)
        worker = await workers.started()
        id_ = await run_request_id(worker)
        assert not runtime.cancel(id_ + 1)
        assert runtime.cancel(id_)
        await call.wait_until_finished()
        assert (await worker.receive(Cancel)).request_id == id_
        assert not runtime.cancel(id_)

    assert isinstance(call.error, Cancelled)
    assert call.error.message == f"Request {id_} was cancelled by an operator."


async def test_a_callers_own_request_id_is_used(
    settings: Settings, workers: FakeWorkers, catalog: ScriptedCatalog
) -> None:
    async with open_fake_runtime(settings, catalog, first_request_id=7) as runtime:
        assert (runtime.new_request_id(), runtime.new_request_id()) == (7, 8)
        async with aclosing(runtime.run(chat("a"), request_id=99)) as events:
            await anext(events)
            worker = await workers.started()
            assert await run_request_id(worker) == 99
            assert [job.id for job in runtime.status().jobs] == [99]
            assert runtime.open_request_count == 1
        assert runtime.open_request_count == 0


async def test_an_error_of_a_request_ends_it_and_the_model_stays(
    settings: Settings, workers: FakeWorkers, catalog: ScriptedCatalog
) -> None:
    async with open_fake_runtime(settings, catalog) as runtime, anyio.create_task_group() as group:
        call = BackgroundCall(runtime, chat("a")).start(group)
        worker = await workers.started()
        worker.send(RequestOutcome(await run_request_id(worker), JobFailed("It went wrong.")))
        await call.wait_until_finished()
        status = runtime.status()

    assert isinstance(call.error, JobFailed)
    assert status.counters.requests == {("m", "text", "job_failed"): 1}
    assert model_status_of(status).state is ModelState.READY
    assert model_status_of(status).active == 0


async def test_an_output_that_comes_after_its_request_has_ended_changes_nothing(
    settings: Settings, workers: FakeWorkers, catalog: ScriptedCatalog
) -> None:
    async with open_fake_runtime(settings, catalog) as runtime, anyio.create_task_group() as group:
        call = BackgroundCall(runtime, chat("a")).start(group)
        worker = await workers.started()
        id_ = await run_request_id(worker)
        worker.finish(id_, "done")
        worker.say(id_, "late")
        worker.say(id_ + 1, "of nobody")
        worker.finish(id_ + 1)
        await call.wait_until_finished()
        again = BackgroundCall(runtime, chat("b")).start(group)
        await answer_next(worker, "again")
        await again.wait_until_finished()

    assert call.text_so_far == ""
    assert isinstance(again.events[-1], Finished)


# -- loads -------------------------------------------------------------------------------------------------------------


async def test_an_operators_load_runs_nothing_and_counts_as_no_request(
    settings: Settings, workers: FakeWorkers, catalog: ScriptedCatalog
) -> None:
    async with open_fake_runtime(settings, catalog) as runtime:
        await runtime.load("m")
        status = runtime.status()
        worker = await workers.started()

    assert model_status_of(status).state is ModelState.READY
    assert model_status_of(status).active == 0
    assert status.counters.requests == {}
    assert not any(isinstance(command, RunRequest) for command in worker.commands)
    assert len(workers.all) == 1


async def test_only_known_models_are_loaded_unloaded_or_pinned(
    settings: Settings, workers: FakeWorkers, catalog: ScriptedCatalog
) -> None:
    async with open_fake_runtime(settings, catalog) as runtime:
        with pytest.raises(UnknownModel):
            await runtime.load("nobody")
        with pytest.raises(UnknownModel):
            await runtime.unload("nobody")
        with pytest.raises(UnknownModel):
            runtime.pin("nobody", True)


async def fail_load(worker: FakeWorker, *, permanent: bool) -> None:
    """Report that the load has failed, and exit."""
    await worker.receive(Load)
    worker.send(LoadError(LoadFailed("the file is broken"), permanent))
    worker.exit(1)


async def test_a_load_that_fails_is_tried_twice_and_then_told(
    settings: Settings, workers: FakeWorkers, catalog: ScriptedCatalog, clock: FakeClock
) -> None:
    workers.are_obedient = False
    async with open_fake_runtime(settings, catalog, clock) as runtime, anyio.create_task_group() as group:
        call = BackgroundCall(runtime, chat("a")).start(group)
        await fail_load(await workers.started(), permanent=False)
        status = await wait_for_status(runtime, state_is(ModelState.BACKOFF))
        clock.now += 2
        await fail_load(await workers.started(2), permanent=False)
        await call.wait_until_finished()
        workers.are_obedient = True
        clock.now += 3
        again = BackgroundCall(runtime, chat("b")).start(group)
        await answer_next(await workers.started(3))
        await again.wait_until_finished()

    assert isinstance(call.error, LoadFailed)
    assert call.error.message == "m could not be loaded: the file is broken."
    assert (model_status_of(status).charged_bytes, model_status_of(status).retry_in_seconds) == (0, 1)
    assert [job.state for job in status.jobs] == ["queued"]
    assert status.counters.loads == {("m", "failed"): 1}
    assert again.error is None


async def test_a_load_that_cannot_work_is_tried_again_when_the_files_change_or_an_operator_asks(
    settings: Settings, workers: FakeWorkers, tmp_path: Path, clock: FakeClock
) -> None:
    workers.are_obedient = False
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights").write_bytes(b"a")
    catalog = ScriptedCatalog(scripted_model("m"), folder=folder)
    async with open_fake_runtime(settings, catalog, clock) as runtime, anyio.create_task_group() as group:
        first, unchanged = (BackgroundCall(runtime, chat("a")) for _ in range(2))
        first.start(group)
        await fail_load(await workers.started(), permanent=True)
        await first.wait_until_finished()
        clock.now += 100_000
        unchanged.start(group)
        await unchanged.wait_until_finished()
        started_unchanged = len(workers.all)
        asked = Operation(runtime.load, "m").start(group)
        await fail_load(await workers.started(2), permanent=True)
        await asked.finished.wait()
        (folder / "weights").write_bytes(b"changed")
        workers.are_obedient = True
        changed = BackgroundCall(runtime, chat("c")).start(group)
        await answer_next(await workers.started(3))
        await changed.wait_until_finished()

    assert isinstance(unchanged.error, LoadFailed)
    assert started_unchanged == 1
    assert isinstance(asked.error, LoadFailed)
    assert changed.error is None


async def test_a_process_that_cannot_start_is_told_and_tried_again_later(
    settings: Settings, workers: FakeWorkers, clock: FakeClock
) -> None:
    catalog = ScriptedCatalog(scripted_model("n"))
    async with open_fake_runtime(settings, catalog, clock) as runtime, anyio.create_task_group() as group:
        workers.spawn_error = OSError("no more processes")
        load = Operation(runtime.load, "n").start(group)
        starting = await wait_for_status(runtime, state_is(ModelState.BACKOFF, "n"))
        workers.spawn_error = None
        clock.now += 2
        await load.finished.wait()
        after = runtime.status()

    assert model_status_of(starting, "n").retry_in_seconds == 1
    assert model_status_of(starting, "n").error == "no more processes"
    assert starting.counters.loads == {("n", "failed"): 1}
    assert model_status_of(after, "n").state is ModelState.READY


# -- unloads and pins --------------------------------------------------------------------------------------------------


async def test_an_unload_waits_for_running_requests_and_tells_what_was_held(
    settings: Settings, workers: FakeWorkers, catalog: ScriptedCatalog
) -> None:
    async with open_fake_runtime(settings, catalog) as runtime, anyio.create_task_group() as group:
        assert await runtime.unload("m") == 0
        call = BackgroundCall(runtime, chat("a")).start(group)
        worker = await workers.started()
        id_ = await run_request_id(worker)
        worker.footprint_bytes = 77 * MEGABYTE
        unload = Operation(runtime.unload, "m").start(group)
        await wait_for_status(runtime, state_is(ModelState.DRAINING))
        worker.finish(id_, "done")
        await unload.finished.wait()
        status = runtime.status()
        await call.wait_until_finished()

    assert unload.result == 77 * MEGABYTE
    assert isinstance(call.events[-1], Finished)
    assert model_status_of(status).state is ModelState.ABSENT
    assert status.counters.loads == {("m", "ok"): 1}
    assert sum(status.counters.unloads.values()) == 1


async def test_a_pinned_model_stays_when_others_leave(
    settings: Settings, workers: FakeWorkers, clock: FakeClock
) -> None:
    catalog = ScriptedCatalog(scripted_model("m"), scripted_model("n"))
    async with open_fake_runtime(settings, catalog, clock) as runtime:
        await runtime.load("m")
        await runtime.load("n")
        runtime.pin("m", True)
        clock.now += settings.idle_seconds + 1
        status = await wait_for_status(runtime, state_is(ModelState.ABSENT, "n"))
        runtime.pin("m", False)
        unpinned = runtime.status()
        clock.now += settings.idle_seconds + 1
        await wait_for_status(runtime, state_is(ModelState.ABSENT, "m"))

    assert model_status_of(status, "m").state is ModelState.READY
    assert (model_status_of(status, "m").pinned, model_status_of(unpinned, "m").pinned) == (True, False)


async def test_a_model_keeps_its_own_time_and_a_request_may_ask_for_another(
    settings: Settings, workers: FakeWorkers, clock: FakeClock
) -> None:
    catalog = ScriptedCatalog(replace(scripted_model("m"), keep_alive_seconds=50.0), scripted_model("n"))
    async with open_fake_runtime(settings, catalog, clock) as runtime, anyio.create_task_group() as group:
        await runtime.load("m")
        await runtime.load("n")
        seconds = [model_status_of(runtime.status(), name).unloads_in_seconds for name in "mn"]
        group.start_soon(answer_next, await workers.started())
        await run_request(runtime, chat("a"), keep_alive_seconds=9.0)
        asked = model_status_of(runtime.status(), "m").unloads_in_seconds

    assert seconds == [50, settings.idle_seconds]
    assert asked == 9


# -- exits -------------------------------------------------------------------------------------------------------------


async def test_a_worker_that_dies_before_any_output_is_replaced_once(
    settings: Settings, workers: FakeWorkers, catalog: ScriptedCatalog, clock: FakeClock
) -> None:
    async with open_fake_runtime(settings, catalog, clock) as runtime, anyio.create_task_group() as group:
        call = BackgroundCall(runtime, chat("a")).start(group)
        first = await workers.started()
        id_ = await run_request_id(first)
        first.exit(signal_number=signal.SIGSEGV)
        await wait_for_status(runtime, state_is(ModelState.BACKOFF))
        requeued = runtime.status().jobs
        clock.now += 2
        second = await workers.started(2)
        assert await run_request_id(second) == id_
        second.print("warning: hot\nout of luck\n")
        second.exit(3)
        await call.wait_until_finished()

    assert [job.state for job in requeued] == ["queued"]
    assert isinstance(call.error, WorkerDied)
    assert "the worker exited with code 3; last log line: out of luck" in call.error.message


async def test_a_worker_that_dies_after_an_output_ends_its_request(
    settings: Settings, workers: FakeWorkers, catalog: ScriptedCatalog
) -> None:
    async with open_fake_runtime(settings, catalog) as runtime, anyio.create_task_group() as group:
        call = BackgroundCall(runtime, chat("a")).start(group)
        worker = await workers.started()
        worker.say(await run_request_id(worker), "so ")
        await call.wait_for_event(TextDelta)
        worker.exit(signal_number=signal.SIGABRT)
        await call.wait_until_finished()
        status = await wait_for_status(runtime, state_is(ModelState.BACKOFF))

    assert isinstance(call.error, WorkerDied)
    assert "SIGABRT, as Metal and native libraries do on a fatal error" in call.error.message
    assert call.text_so_far == "so "
    assert status.counters.requests == {("m", "text", "worker_died"): 1}
    assert status.counters.loads == {("m", "ok"): 1}
    assert len(workers.all) == 1


async def test_bytes_that_are_no_message_end_the_worker(
    settings: Settings, workers: FakeWorkers, catalog: ScriptedCatalog
) -> None:
    async with open_fake_runtime(settings, catalog) as runtime, anyio.create_task_group() as group:
        call = BackgroundCall(runtime, chat("a")).start(group)
        worker = await workers.started()
        worker.say(await run_request_id(worker), "a")
        worker.send_bytes(struct.pack(">II", 0, 0))
        await call.wait_until_finished()

    assert isinstance(call.error, WorkerDied)
    assert "the worker sent an invalid message: A frame has a header of 0 bytes" in call.error.message
    assert worker.signals == [signal.SIGKILL]


@pytest.mark.promise("settings:changed")
async def test_changed_settings_are_used_by_what_is_loaded_and_by_the_next_request(
    settings: Settings, workers: FakeWorkers, catalog: ScriptedCatalog
) -> None:
    async with open_fake_runtime(settings, catalog) as runtime:
        await runtime.load("m")
        before = model_status_of(runtime.status())

        runtime.apply(replace(settings, idle_seconds=7.0, memory_budget_bytes=64 * MEGABYTE, max_answer_tokens=5))
        after = runtime.status()
        async with anyio.create_task_group() as group:
            BackgroundCall(runtime, replace(chat("hello"), max_tokens=0)).start(group)
            worker = await workers.started()
            asked = await worker.receive(RunRequest)
            worker.finish(asked.request_id, "")

    assert (before.unloads_in_seconds, model_status_of(after).unloads_in_seconds) == (300, 7)
    assert after.memory.budget_bytes == 64 * MEGABYTE
    assert isinstance(asked.request, Chat)
    assert asked.request.max_tokens == 5


@pytest.mark.promise("runtime:kept")
async def test_an_operator_keeps_a_loaded_model_longer(
    settings: Settings, workers: FakeWorkers, catalog: ScriptedCatalog
) -> None:
    async with open_fake_runtime(settings, catalog) as runtime:
        absent = runtime.keep("m", 3600)
        await runtime.load("m")
        kept = runtime.keep("m", 3600)
        status = model_status_of(runtime.status())
        with pytest.raises(UnknownModel):
            runtime.keep("none", 1)

    assert (absent, kept, status.unloads_in_seconds, status.kept_seconds) == (False, True, 3600, 3600)


@pytest.mark.promise("status:preview")
async def test_the_newest_unfinished_picture_of_an_open_request_can_be_seen(
    settings: Settings, workers: FakeWorkers, catalog: ScriptedCatalog
) -> None:
    async with open_fake_runtime(settings, catalog) as runtime, anyio.create_task_group() as group:
        call = BackgroundCall(runtime, chat("hello")).start(group)
        worker = await workers.started()
        id_ = await run_request_id(worker)
        before = runtime.preview(id_)
        for step in (2, 4):
            worker.send(RequestOutput(id_, Preview(ImageData(1, 1, b"\x01\x02\x03"), step, 8)))
        await wait_for_status(runtime, lambda status: status.jobs[0].preview_step == 4)
        shown = runtime.preview(id_)
        worker.finish(id_, "")
        await call.wait_until_finished()
        after = runtime.preview(id_)

    assert (before, shown and shown.step, after) == (None, 4, None)
