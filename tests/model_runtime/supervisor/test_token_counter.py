"""Counting tokens for a model that is not loaded, by a fake worker."""

import signal
from collections.abc import AsyncGenerator
from dataclasses import replace

import anyio
import pytest

from model_runtime.errors import Busy, InvalidInput, JobStalled, LoadFailed, SensesError, WorkerDied
from model_runtime.events import ChatResult, Finished
from model_runtime.ipc.messages import Load, LoadError, RequestOutcome, RunRequest
from model_runtime.requests import Chat, Message
from model_runtime.runtime import Runtime
from model_runtime.settings import Settings
from model_runtime.status import ModelState
from model_runtime.supervisor import token_counter
from tests.model_runtime.calls import BackgroundCall, model_status_of, run_request
from tests.model_runtime.fake_workers import FakeWorker, FakeWorkers, open_fake_runtime
from tests.model_runtime.library import ScriptedCatalog, scripted_model

CHAT = Chat("m", (Message("user", ("How long am I?",)),), max_tokens=1, counts_only=True)


@pytest.fixture
async def runtime(settings: Settings, workers: FakeWorkers) -> AsyncGenerator[Runtime]:
    """A runtime with one model that is not loaded."""
    async with open_fake_runtime(settings, ScriptedCatalog(scripted_model("m"))) as opened:
        yield opened


@pytest.mark.promise("anthropic:count-tokens")
async def test_a_model_that_is_not_loaded_stays_so_when_its_tokens_are_counted(
    runtime: Runtime, workers: FakeWorkers
) -> None:
    async with anyio.create_task_group() as group:
        call = BackgroundCall(runtime, CHAT).start(group)
        worker = await workers.started()
        load, asked = await worker.receive(Load), await worker.receive(RunRequest)
        worker.send(RequestOutcome(asked.request_id, ChatResult("", "stop", 17, 0)))
        await call.wait_until_finished()

    finished = call.events[-1]
    assert isinstance(finished, Finished)
    assert finished.result == ChatResult("", "stop", 17, 0)
    assert (load.spec.evaluate, load.spec.prefetch) == (False, False)
    assert asked.request == CHAT
    assert model_status_of(runtime.status()).state is ModelState.ABSENT


@pytest.mark.promise("anthropic:count-tokens")
async def test_a_loaded_model_counts_itself(runtime: Runtime, workers: FakeWorkers) -> None:
    async with anyio.create_task_group() as group:
        loaded = BackgroundCall(runtime, Chat("m", CHAT.messages)).start(group)
        worker = await workers.started()
        worker.finish((await worker.receive(RunRequest)).request_id)
        await loaded.wait_until_finished()
        counted = BackgroundCall(runtime, CHAT).start(group)
        asked = await worker.receive(RunRequest)
        worker.finish(asked.request_id)
        await counted.wait_until_finished()

    assert isinstance(asked.request, Chat)
    assert asked.request.counts_only
    assert len(workers.all) == 1


@pytest.mark.parametrize("error", [LoadFailed("It is broken."), InvalidInput("It reads no pictures.")])
async def test_why_nothing_was_counted_is_told(runtime: Runtime, workers: FakeWorkers, error: SensesError) -> None:
    async with anyio.create_task_group() as group:
        call = BackgroundCall(runtime, CHAT).start(group)
        worker = await workers.started()
        asked = await worker.receive(RunRequest)
        is_load = isinstance(error, LoadFailed)
        worker.send(LoadError(error, permanent=True) if is_load else RequestOutcome(asked.request_id, error))
        await call.wait_until_finished()

    assert type(call.error) is type(error)
    assert str(call.error) == str(error)
    assert worker.status is not None


async def test_a_counter_that_dies_is_an_error_that_may_be_tried_again(runtime: Runtime, workers: FakeWorkers) -> None:
    async with anyio.create_task_group() as group:
        call = BackgroundCall(runtime, CHAT).start(group)
        (await workers.started()).exit(signal_number=signal.SIGSEGV)
        await call.wait_until_finished()

    assert isinstance(call.error, WorkerDied)
    assert "The tokens for m were not counted: the worker was killed by SIGSEGV" in str(call.error)


async def test_a_counter_that_is_silent_is_killed(
    runtime: Runtime, workers: FakeWorkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_counter, "DEADLINE_SECONDS", 0.01)

    with pytest.raises(JobStalled, match="The tokens for m were not counted within"):
        await run_request(runtime, CHAT)

    assert workers.all[0].signals == [signal.SIGKILL]


async def test_a_caller_that_leaves_ends_the_counter(runtime: Runtime, workers: FakeWorkers) -> None:
    async with anyio.create_task_group() as group:
        call = BackgroundCall(runtime, CHAT).start(group)
        worker = await workers.started()
        call.cancel_scope.cancel()
        await call.wait_until_finished()

    assert worker.signals == [signal.SIGKILL]


async def answer_next(worker: FakeWorker, tokens: int) -> None:
    """Let a counter answer its next request."""
    asked = await worker.receive(RunRequest)
    worker.send(RequestOutcome(asked.request_id, ChatResult("", "stop", tokens, 0)))


async def test_many_counts_take_one_process(runtime: Runtime, workers: FakeWorkers) -> None:
    async with anyio.create_task_group() as group:
        calls = [BackgroundCall(runtime, CHAT).start(group) for _ in range(3)]
        worker = await workers.started()
        for number in range(3):
            await answer_next(worker, number)
        for call in calls:
            await call.wait_until_finished()

    results = [event.result for call in calls for event in call.events if isinstance(event, Finished)]
    assert results == [ChatResult("", "stop", number, 0) for number in range(3)]
    assert len(workers.all) == 1


async def test_a_counter_for_another_model_takes_the_place_of_the_first(
    settings: Settings, workers: FakeWorkers
) -> None:
    catalog = ScriptedCatalog(scripted_model("m"), scripted_model("n"))
    async with open_fake_runtime(settings, catalog) as runtime, anyio.create_task_group() as group:
        for number, name in enumerate(["m", "n", "m"], start=1):
            call = BackgroundCall(runtime, replace(CHAT, model=name)).start(group)
            await answer_next(await workers.started(number), 1)
            await call.wait_until_finished()
        living = [worker.name for worker in workers.all if worker.status is None]

    assert living == ["m token counter"]
    assert all(worker.status is not None for worker in workers.all)


async def test_a_counter_leaves_when_nobody_asks_any_more_and_another_one_comes(
    runtime: Runtime, workers: FakeWorkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_counter, "IDLE_SECONDS", 0.0)

    async with anyio.create_task_group() as group:
        first = BackgroundCall(runtime, CHAT).start(group)
        await answer_next(await workers.started(), 1)
        await first.wait_until_finished()
        await workers.all[0].wait_for_signal(signal.SIGKILL)
        second = BackgroundCall(runtime, CHAT).start(group)
        await answer_next(await workers.started(2), 2)
        await second.wait_until_finished()

    assert isinstance(second.events[-1], Finished)


async def test_without_a_process_the_caller_is_told_to_wait(runtime: Runtime, workers: FakeWorkers) -> None:
    workers.spawn_error = OSError(11, "Resource temporarily unavailable")

    with pytest.raises(Busy, match="no process starts") as refused:
        await run_request(runtime, CHAT)

    assert refused.value.retry_after_seconds == 5
