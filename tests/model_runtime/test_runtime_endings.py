"""However a call ends, its caller is answered, its work stops, and the next call is answered."""

import asyncio
import os
import signal
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from model_runtime.catalog.model import Model
from model_runtime.errors import (
    Cancelled,
    InvalidInput,
    JobFailed,
    JobStalled,
    LoadFailed,
    ModelMissing,
    ShuttingDown,
    WorkerDied,
)
from model_runtime.events import Queued, TextDelta
from model_runtime.requests import Task
from model_runtime.runtime import Runtime
from model_runtime.settings import Settings
from model_runtime.status import ModelState
from model_runtime.supervisor.watchdog import WatchdogLimits
from tests.model_runtime.calls import BackgroundCall, chat, model_status_of, run_chat, wait_for_file, wait_for_status
from tests.model_runtime.library import (
    SHORT_STOP_TIMEOUTS,
    FakeClock,
    PassingClock,
    ScriptedCatalog,
    living_workers,
    open_runtime,
    scripted_model,
)

pytestmark = pytest.mark.process


@pytest.fixture
def library() -> ScriptedCatalog:
    """Return a catalogue of one model that loads at once."""
    return ScriptedCatalog(scripted_model("m"))


# -- callers that disconnect ------------------------------------------------------------------------------------------------


@pytest.mark.promise("runtime:cancel")
async def test_closing_a_call_ends_its_work_and_keeps_the_model(settings: Settings, library: ScriptedCatalog) -> None:
    async with open_runtime(settings, library) as runtime:
        generator = runtime.run(chat("say a b; wait /never"))
        async for event in generator:
            if isinstance(event, TextDelta):
                break
        await generator.aclose()
        with anyio.fail_after(5):
            next_one = await run_chat(runtime, chat("say next"))
        status = runtime.status()

    assert next_one == "next"
    assert status.counters.loads == {("m", "ok"): 1}
    assert status.counters.requests == {("m", Task.TEXT, "cancelled"): 1, ("m", Task.TEXT, "ok"): 1}


async def test_cancelling_the_reading_task_ends_the_work(settings: Settings, library: ScriptedCatalog) -> None:
    async with open_runtime(settings, library) as runtime, anyio.create_task_group() as group:
        call = BackgroundCall(runtime, chat("say a; wait /never")).start(group)
        await call.wait_for_event(TextDelta)
        call.cancel_scope.cancel()
        next_one = await run_chat(runtime, chat("say next"))

    assert next_one == "next"


async def test_a_request_cancelled_in_the_queue_never_runs(
    settings: Settings, library: ScriptedCatalog, tmp_path: Path
) -> None:
    gate, started = tmp_path / "gate", tmp_path / "started"
    async with open_runtime(settings, library) as runtime, anyio.create_task_group() as group:
        running = BackgroundCall(runtime, chat(f"say a; wait {gate}")).start(group)
        await running.wait_for_event(TextDelta)
        waiting = BackgroundCall(runtime, chat(f"touch {started}")).start(group)
        await waiting.wait_for_event(Queued)
        waiting.cancel_scope.cancel()
        await waiting.wait_until_finished()
        gate.touch()
        await run_chat(runtime, chat("say c"))

    assert not started.exists()


async def test_a_request_cancelled_during_the_load_does_not_stop_the_load_for_others(
    settings: Settings, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    library = ScriptedCatalog(scripted_model("m", load=f"wait {gate}"))
    async with open_runtime(settings, library) as runtime, anyio.create_task_group() as group:
        first = BackgroundCall(runtime, chat("say first")).start(group)
        await first.wait_for_event(Queued)
        second = BackgroundCall(runtime, chat("say second")).start(group)
        await second.wait_for_event(Queued)
        first.cancel_scope.cancel()
        await first.wait_until_finished()
        gate.touch()
        await second.wait_until_finished()
        loads = runtime.status().counters.loads

    assert (first.text_so_far, second.text_so_far) == ("", "second")
    assert loads == {("m", "ok"): 1}


async def test_an_operator_cancels_a_running_and_a_queued_request(settings: Settings, library: ScriptedCatalog) -> None:
    async with open_runtime(settings, library) as runtime, anyio.create_task_group() as group:
        running = BackgroundCall(runtime, chat("say a; wait /never")).start(group)
        await running.wait_for_event(TextDelta)
        waiting = BackgroundCall(runtime, chat("say b")).start(group)
        await waiting.wait_for_event(Queued)
        first, second = runtime.status().jobs
        cancelled = runtime.cancel(second.id), runtime.cancel(first.id), runtime.cancel(first.id)
        await running.wait_until_finished()
        await waiting.wait_until_finished()

    assert cancelled == (True, True, False)
    assert isinstance(running.error, Cancelled)
    assert isinstance(waiting.error, Cancelled)
    assert "operator" in running.error.message


async def test_a_worker_that_ignores_a_cancel_is_killed_once_another_request_waits(settings: Settings) -> None:
    limits = WatchdogLimits(cancel_seconds=0.1)
    library = ScriptedCatalog(scripted_model("m"))
    async with open_runtime(settings, library, watchdog_limits=limits) as runtime, anyio.create_task_group() as group:
        hanging = BackgroundCall(runtime, chat("say a; hang")).start(group)
        await hanging.wait_for_event(TextDelta)
        (process,) = living_workers()
        hanging.cancel_scope.cancel()
        next_one = await run_chat(runtime, chat("say next"))

    assert next_one == "next"
    assert not process.is_running()


async def test_a_worker_that_ignores_a_cancel_is_killed_even_if_no_request_waits(
    settings: Settings, library: ScriptedCatalog, tmp_path: Path
) -> None:
    limits = WatchdogLimits(uncontended_cancel_seconds=0.1)
    hangs = anyio.Path(tmp_path / "hangs")
    async with open_runtime(settings, library, watchdog_limits=limits) as runtime, anyio.create_task_group() as group:
        hanging = BackgroundCall(runtime, chat(f"touch {hangs}; hang")).start(group)
        await wait_for_file(hangs)
        hanging.cancel_scope.cancel()
        status = await wait_for_status(runtime, lambda status: bool(model_status_of(status).error))

    assert "still ran a cancelled request" in model_status_of(status).error


async def test_a_request_whose_caller_never_reads_is_cancelled(settings: Settings, library: ScriptedCatalog) -> None:
    async with open_runtime(settings, library, watchdog_limits=WatchdogLimits(slow_consumer_seconds=0.1)) as runtime:
        generator = runtime.run(chat("flood 1000"))
        await anext(generator)
        await wait_for_status(runtime, lambda status: not status.jobs and bool(status.counters.requests))
        with pytest.raises(Cancelled, match="not read"):
            await _read_to_the_end(runtime, generator)
        next_one = await run_chat(runtime, chat("say next"))

    assert next_one == "next"


async def _read_to_the_end(runtime: Runtime, generator: object) -> None:
    assert hasattr(generator, "__anext__")
    while True:
        await generator.__anext__()


# -- workers that fail -------------------------------------------------------------------------------------------------


@pytest.mark.promise("runtime:crash")
@pytest.mark.parametrize(
    ("script", "cause"),
    [
        (f"signal {int(signal.SIGSEGV)}", "SIGSEGV"),
        ("print no memory left; exit 3", "code 3; last log line: no memory left"),
        ("exit 0", "exited with code 0"),
        ("garbage", "sent an invalid message"),
        ("lie 4000000000", "sent an invalid message"),
        *((f"cut {count}", "exited with code 1") for count in (1, 7, 8, 9, 20)),
    ],
)
async def test_a_crash_answers_its_caller_with_the_cause_and_the_next_call_works(
    settings: Settings, library: ScriptedCatalog, script: str, cause: str
) -> None:
    clock = FakeClock()
    async with open_runtime(settings, library, clock=clock) as runtime, anyio.create_task_group() as group:
        call = BackgroundCall(runtime, chat(f"say a; {script}")).start(group)
        await call.wait_until_finished()
        group.start_soon(_let_time_pass, clock, 2.0)
        next_one = await run_chat(runtime, chat("say next"))
        status = runtime.status()

    assert call.text_so_far in ("a", "")
    assert isinstance(call.error, WorkerDied)
    assert cause in call.error.message
    assert next_one == "next"
    assert model_status_of(status).error == ""


async def _let_time_pass(clock: FakeClock, seconds: float) -> None:
    """Move the clock a little with every tick, so that the watchdog does not see a machine that slept."""
    end = clock.now + seconds
    while clock.now < end:
        clock.now += 0.5
        await anyio.sleep(0.02)


async def test_a_crash_is_reported_at_once_and_not_after_a_timeout(
    settings: Settings, library: ScriptedCatalog
) -> None:
    async with open_runtime(settings, library) as runtime, anyio.create_task_group() as group:
        call = BackgroundCall(runtime, chat("say a; wait /never")).start(group)
        await call.wait_for_event(TextDelta)
        loop = asyncio.get_running_loop()
        started = loop.time()
        os.kill(living_workers()[0].pid, signal.SIGKILL)
        await call.wait_until_finished()
        seconds = loop.time() - started

    assert isinstance(call.error, WorkerDied)
    assert seconds < 0.5


async def test_a_load_that_crashes_is_retried_once_and_then_reported(settings: Settings) -> None:
    clock = FakeClock()
    library = ScriptedCatalog(scripted_model("m", load="print corrupt shard; exit 3"))
    async with open_runtime(settings, library, clock=clock) as runtime, anyio.create_task_group() as group:
        call = BackgroundCall(runtime, chat("say a")).start(group)
        await wait_for_status(runtime, lambda status: model_status_of(status).state is ModelState.BACKOFF)
        clock.now += 2
        await call.wait_until_finished()
        status = runtime.status()

    assert isinstance(call.error, LoadFailed)
    assert "the worker exited with code 3; last log line: corrupt shard" in call.error.message
    assert status.counters.loads == {("m", "failed"): 2}


async def test_a_permanent_load_failure_is_reported_and_not_retried(settings: Settings) -> None:
    library = ScriptedCatalog(scripted_model("m", load="refuse tensor lm_head.weight is missing"))
    async with open_runtime(settings, library) as runtime:
        with pytest.raises(LoadFailed, match=r"^m could not be loaded: tensor lm_head.weight is missing\.$"):
            await run_chat(runtime, chat("say a"))
        with pytest.raises(LoadFailed, match="lm_head") as second:
            await run_chat(runtime, chat("say a"))
        status = model_status_of(runtime.status())

    assert second.value.retry_after_seconds is None
    assert (status.state, status.error) == (ModelState.BACKOFF, "tensor lm_head.weight is missing")
    assert (status.loads, status.retry_in_seconds) == (0, None)


async def test_a_permanently_failed_model_is_retried_when_an_operator_loads_it_or_its_files_change(
    settings: Settings, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    library = ScriptedCatalog(scripted_model("m", load="refuse once"), folder=folder)
    async with open_runtime(settings, library) as runtime:
        with pytest.raises(LoadFailed):
            await run_chat(runtime, chat("say a"))
        with pytest.raises(LoadFailed):
            await runtime.load("m")
        after_load = runtime.status().counters.loads
        (folder / "weights").write_text("repaired")
        with pytest.raises(LoadFailed):
            await run_chat(runtime, chat("say a"))
        after_change = runtime.status().counters.loads

    assert (after_load, after_change) == ({("m", "failed"): 2}, {("m", "failed"): 3})


async def test_a_call_whose_worker_is_killed_before_its_first_output_is_answered_by_another(
    settings: Settings, library: ScriptedCatalog, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    async with open_runtime(settings, library) as runtime, anyio.create_task_group() as group:
        call = BackgroundCall(runtime, chat(f"wait {gate}; say a")).start(group)
        await wait_for_status(runtime, lambda status: any(job.state == "running" for job in status.jobs))
        (process,) = living_workers()
        process.kill()
        gate.touch()
        await call.wait_until_finished()
        status = model_status_of(runtime.status())

    assert (call.text_so_far, call.error) == ("a", None)
    assert status.loads == 2


async def test_files_removed_before_the_load_are_told_with_the_command_at_the_next_request(
    settings: Settings,
) -> None:
    """The daemon does not look again before it starts the worker: its engine finds that they are gone."""
    library = ScriptedCatalog(scripted_model("m", load="refuse model.safetensors is missing"))

    def remove_files(request: object, model: Model, folders: Mapping[str, Path]) -> None:
        library.missing.add("m")

    async with open_runtime(settings, library, validate=remove_files) as runtime:
        with pytest.raises(LoadFailed, match=r"model\.safetensors is missing"):
            await run_chat(runtime, chat("say a"))
        with pytest.raises(ModelMissing, match="senses pull m"):
            await run_chat(runtime, chat("say b"))


@pytest.mark.promise("runtime:load-deadline")
async def test_a_load_without_progress_is_stopped_and_fails(settings: Settings) -> None:
    clock = PassingClock()
    library = ScriptedCatalog(scripted_model("m", load="progress 0.5; stall"))
    long_queue = replace(settings, queue_timeout_seconds=1000.0)
    async with open_runtime(long_queue, library, **clock.options) as runtime, anyio.create_task_group() as group:
        call = BackgroundCall(runtime, chat("say a")).start(group)
        for load in (1, 2):
            await wait_for_status(runtime, lambda status: model_status_of(status).load_fraction == 0.5)
            clock.until += 184
            await wait_for_status(runtime, lambda status: status.counters.loads == {("m", "failed"): load})  # noqa: B023
            clock.until += 3
        await call.wait_until_finished()
        processes = living_workers()

    assert isinstance(call.error, LoadFailed)
    assert "no progress for 180 s at 'weights'" in call.error.message
    assert processes == []


@pytest.mark.promise("runtime:stall")
async def test_a_request_without_progress_is_ended_although_its_worker_sends_heartbeats(
    settings: Settings, library: ScriptedCatalog
) -> None:
    limits = WatchdogLimits(stall_seconds=dict.fromkeys(Task, 0.2))
    async with open_runtime(settings, library, watchdog_limits=limits) as runtime, anyio.create_task_group() as group:
        call = BackgroundCall(runtime, chat("say a; stall")).start(group)
        await call.wait_until_finished()
        stopped = await wait_for_status(runtime, lambda status: model_status_of(status).state is not ModelState.READY)

    assert isinstance(call.error, JobStalled)
    assert call.text_so_far == "a"
    assert "made no progress" in model_status_of(stopped).error


async def test_a_request_without_output_that_checks_for_a_cancel_is_not_stalled(
    settings: Settings, library: ScriptedCatalog, tmp_path: Path
) -> None:
    """`wait` checks for a cancel all the time, which the heartbeats count as progress."""
    gate = tmp_path / "gate"
    limits = WatchdogLimits(stall_seconds=dict.fromkeys(Task, 2.0))
    async with open_runtime(settings, library, watchdog_limits=limits) as runtime, anyio.create_task_group() as group:
        call = BackgroundCall(runtime, chat(f"say a; wait {gate}; say b")).start(group)
        await call.wait_for_event(TextDelta)
        await wait_for_status(runtime, lambda status: bool(status.jobs) and status.jobs[0].age_seconds > 3)
        gate.touch()
        await call.wait_until_finished()

    assert (call.text_so_far, call.error) == ("ab", None)


async def test_a_worker_without_a_heartbeat_is_killed(settings: Settings, library: ScriptedCatalog) -> None:
    async with (
        open_runtime(settings, library, watchdog_limits=WatchdogLimits(heartbeat_seconds=1.5)) as runtime,
        anyio.create_task_group() as group,
    ):
        call = BackgroundCall(runtime, chat("say a; wait /never")).start(group)
        await call.wait_for_event(TextDelta)
        os.kill(living_workers()[0].pid, signal.SIGSTOP)
        await call.wait_until_finished()

    assert isinstance(call.error, WorkerDied)
    assert "sent no heartbeat" in call.error.message


async def test_a_worker_that_never_completes_a_frame_is_killed(settings: Settings, library: ScriptedCatalog) -> None:
    async with open_runtime(settings, library, watchdog_limits=WatchdogLimits(heartbeat_seconds=1.5)) as runtime:
        with pytest.raises(WorkerDied, match="sent no heartbeat"):
            await run_chat(runtime, chat("say a; lie 1000000"))
        next_one = await run_chat(runtime, chat("say next"))

    assert next_one == "next"


@pytest.mark.parametrize("reported", [-1, 0, 10**18])
async def test_a_wrong_memory_report_of_a_worker_does_not_stop_requests(settings: Settings, reported: int) -> None:
    library = ScriptedCatalog(scripted_model("m", load=f"claim {reported}"))
    async with open_runtime(settings, library) as runtime:
        first = await run_chat(runtime, chat("say a"))
        status = runtime.status()
        await runtime.unload("m")
        again = await run_chat(runtime, chat("say b"))

    assert (first, again) == ("a", "b")
    assert 0 < model_status_of(status).charged_bytes < status.memory.budget_bytes


async def test_a_worker_that_sends_false_outcomes_answers_its_caller_once(
    settings: Settings, library: ScriptedCatalog
) -> None:
    async with open_runtime(settings, library) as runtime, anyio.create_task_group() as group:
        call = BackgroundCall(runtime, chat("say a; babble 1; say b")).start(group)
        await call.wait_until_finished()
        next_one = await run_chat(runtime, chat("say next"))
        await runtime.unload("m")
        status = runtime.status()

    assert (call.text_so_far, type(call.error)) == ("a", Cancelled)
    assert next_one == "next"
    assert (status.jobs, status.memory.charged_bytes, model_status_of(status).active) == ((), 0, 0)


async def test_after_a_sleep_of_the_machine_no_request_is_ended(settings: Settings, tmp_path: Path) -> None:
    clock, gate = FakeClock(), tmp_path / "gate"
    library = ScriptedCatalog(scripted_model("m"), scripted_model("idle"))
    async with open_runtime(settings, library, clock=clock) as runtime, anyio.create_task_group() as group:
        await run_chat(runtime, chat("say a", "idle"))
        call = BackgroundCall(runtime, chat(f"say a; wait {gate}; say b")).start(group)
        await call.wait_for_event(TextDelta)
        clock.now += 3600
        await wait_for_status(runtime, lambda status: model_status_of(status, "idle").state is ModelState.ABSENT)
        gate.touch()
        await call.wait_until_finished()

    assert (call.text_so_far, call.error) == ("ab", None)


async def test_an_error_of_the_engine_fails_its_request_and_keeps_the_model(
    settings: Settings, library: ScriptedCatalog
) -> None:
    async with open_runtime(settings, library) as runtime:
        with pytest.raises(InvalidInput, match="too many pictures") as refused:
            await run_chat(runtime, chat("refuse too many pictures"))
        with pytest.raises(JobFailed, match="RuntimeError: shapes"):
            await run_chat(runtime, chat("say a; raise shapes"))
        next_one = await run_chat(runtime, chat("say next"))
        counters = runtime.status().counters

    assert refused.value.param == "prompt"
    assert next_one == "next"
    assert counters.loads == {("m", "ok"): 1}
    assert {code for _, _, code in counters.requests} == {"invalid_value", "job_failed", "ok"}


async def test_an_idle_worker_that_dies_is_noticed_and_started_again(
    settings: Settings, library: ScriptedCatalog
) -> None:
    clock = FakeClock()
    async with open_runtime(settings, library, clock=clock) as runtime:
        await run_chat(runtime, chat("say a"))
        os.kill(living_workers()[0].pid, signal.SIGKILL)
        dead = await wait_for_status(runtime, lambda status: model_status_of(status).state is ModelState.BACKOFF)
        clock.now += 2
        again = await run_chat(runtime, chat("say b"))

    assert "SIGKILL" in model_status_of(dead).error
    assert dead.memory.charged_bytes == 0
    assert again == "b"


async def test_an_idle_worker_that_exits_by_itself_is_started_again(
    settings: Settings, library: ScriptedCatalog
) -> None:
    async with open_runtime(settings, library) as runtime:
        first = await run_chat(runtime, chat("say a; leave"))
        left = await wait_for_status(runtime, lambda status: model_status_of(status).state is ModelState.BACKOFF)
        again = await run_chat(runtime, chat("say b"))

    assert "exited with code 0" in model_status_of(left).error
    assert (first, again) == ("a", "b")


# -- shutdown --------------------------------------------------------------------------------------------


@pytest.mark.promise("runtime:shutdown")
async def test_a_shutdown_lets_running_requests_finish_rejects_the_rest_and_leaves_no_process(
    settings: Settings, library: ScriptedCatalog, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    async with open_runtime(settings, library) as runtime, anyio.create_task_group() as group:
        running = BackgroundCall(runtime, chat(f"say a; wait {gate}; say b")).start(group)
        await running.wait_for_event(TextDelta)
        waiting = BackgroundCall(runtime, chat("say c")).start(group)
        await waiting.wait_for_event(Queued)
        group.start_soon(runtime.close, 20.0)
        await waiting.wait_until_finished()
        with pytest.raises(ShuttingDown):
            await run_chat(runtime, chat("say d"))
        accepting = runtime.status().accepting
        gate.touch()
        await running.wait_until_finished()

    assert (running.text_so_far, running.error) == ("ab", None)
    assert isinstance(waiting.error, ShuttingDown)
    assert not accepting
    assert living_workers() == []


@pytest.mark.parametrize("script", ["say a; wait /never", "say a; hang"])
async def test_a_request_that_does_not_finish_in_time_is_answered_and_ended(
    settings: Settings, library: ScriptedCatalog, script: str
) -> None:
    async with open_runtime(settings, library) as runtime, anyio.create_task_group() as group:
        call = BackgroundCall(runtime, chat(script)).start(group)
        await call.wait_for_event(TextDelta)
        with anyio.fail_after(10):
            await runtime.close(0.05)
        await call.wait_until_finished()
        processes = living_workers()

    assert isinstance(call.error, ShuttingDown)
    assert processes == []


async def test_a_shutdown_during_a_load_stops_the_load(settings: Settings) -> None:
    library = ScriptedCatalog(scripted_model("m", load="wait /never"))
    async with open_runtime(settings, library) as runtime, anyio.create_task_group() as group:
        call = BackgroundCall(runtime, chat("say a")).start(group)
        await wait_for_status(runtime, lambda status: model_status_of(status).state is ModelState.STARTING)
        with anyio.fail_after(10):
            await runtime.close(5.0)
        await call.wait_until_finished()

    assert isinstance(call.error, ShuttingDown)
    assert living_workers() == []


async def test_a_runtime_can_be_closed_unused_and_twice(settings: Settings, library: ScriptedCatalog) -> None:
    runtime = Runtime(library, replace(settings, queue_total=1), stop_timeouts=SHORT_STOP_TIMEOUTS)
    async with runtime:
        await runtime.close(1.0)
        await runtime.close(1.0)
        feed = [status async for status in runtime.changes()]

    assert [status.accepting for status in feed] == [False]
