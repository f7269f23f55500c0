"""The runtime with real worker processes and scripted engines: load, queue, unload, evict, status."""

import contextlib
import gc
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import psutil
import pytest

from model_runtime.catalog import disk
from model_runtime.catalog.model import Model
from model_runtime.errors import (
    InvalidInput,
    JobFailed,
    ModelBroken,
    ModelMissing,
    ModelTooLarge,
    QueueFull,
    QueueTimeout,
    SensesError,
    UnknownModel,
)
from model_runtime.events import (
    ChatResult,
    Finished,
    GeneratedImage,
    Loading,
    Queued,
    SpeechResult,
    TextDelta,
    TranscriptionResult,
)
from model_runtime.media.types import Audio, ImageData
from model_runtime.requests import Chat, GenerateImage, Message, Request, Speak, Task, Transcribe
from model_runtime.runtime import Runtime
from model_runtime.settings import Settings
from model_runtime.status import ModelState
from model_runtime.supervisor.pressure import Pressure
from tests.model_runtime.calls import BackgroundCall, chat, model_status_of, run_chat, run_request, wait_for_status
from tests.model_runtime.library import (
    MEGABYTE,
    FakeClock,
    PassingClock,
    ScriptedCatalog,
    living_workers,
    open_runtime,
    scripted_model,
)
from tests.openai_compat.clients import wait_until

pytestmark = pytest.mark.process


async def test_a_cold_call_reports_its_place_the_load_and_the_outputs_and_then_finishes(settings: Settings) -> None:
    library = ScriptedCatalog(scripted_model("m", load="progress 0.25; progress 0.75"))
    async with open_runtime(settings, library) as runtime:
        queued, *loading, hello, world, finished = await run_request(runtime, chat("say hello world"))

    assert queued == Queued(1, "m is loading", 3.0)
    assert loading[0] == Loading("m", "starting", None)
    assert loading[-1] == Loading("m", "weights", 0.75)
    assert all(isinstance(event, Loading) for event in loading)
    assert (hello, world) == (TextDelta("hello "), TextDelta("world"))
    assert isinstance(finished, Finished)
    assert finished.result == ChatResult("hello world", "stop", 0, 2)
    assert finished.timings.loading_seconds > finished.timings.queued_seconds >= 0


@pytest.mark.parametrize(
    ("task", "request_", "result"),
    [
        (
            Task.VISION,
            Chat("m", (Message("user", ("say seen", ImageData(2, 2, bytes(12)))),)),
            ChatResult("seen", "stop", 12, 1),
        ),
        (Task.IMAGE, GenerateImage("m", "pieces 2", 8, 8, 7, steps=2), GeneratedImage(b"0 1 ", 8, 8, 7, 2)),
        (
            Task.TRANSCRIPTION,
            Transcribe("m", Audio(16_000, bytes(32_000)), prompt="say a"),
            TranscriptionResult("a", "en", 1.0, ()),
        ),
        (Task.SPEECH, Speak("m", "say aa", voice="alma"), SpeechResult(2 / 48_000, 24_000, "alma", "")),
    ],
)
async def test_every_kind_of_request_is_answered(
    settings: Settings, task: Task, request_: Request, result: object
) -> None:
    async with open_runtime(settings, ScriptedCatalog(scripted_model("m", task))) as runtime:
        *_, finished = await run_request(runtime, request_)
        counters = runtime.status().counters

    assert isinstance(finished, Finished)
    assert finished.result == result
    assert counters.requests == {("m", task, "ok"): 1}


@pytest.mark.parametrize("wanted", [True, False])
async def test_pictures_say_what_they_were_drawn_from_where_the_owner_wants_that(
    settings: Settings, wanted: bool
) -> None:
    checked: list[Request] = []

    def check(request: Request, model: Model, folders: Mapping[str, Path]) -> None:
        checked.append(request)
        raise InvalidInput("Seen enough.")

    library = ScriptedCatalog(scripted_model("m", Task.IMAGE))
    async with open_runtime(replace(settings, image_provenance=wanted), library, validate=check) as runtime:
        with pytest.raises(InvalidInput, match="Seen enough"):
            await run_request(runtime, GenerateImage("m", "a", 64, 64, 7))

    assert checked == [GenerateImage("m", "a", 64, 64, 7, provenance=wanted)]


@pytest.mark.promise("runtime:single-flight")
async def test_eight_calls_to_a_cold_model_start_one_process_and_all_are_answered(settings: Settings) -> None:
    answers: list[str] = []

    async def ask(runtime: Runtime, number: int) -> None:
        answers.append(await run_chat(runtime, chat(f"say number {number}")))

    async with open_runtime(settings, ScriptedCatalog(scripted_model("m"))) as runtime:
        async with anyio.create_task_group() as group:
            for number in range(8):
                group.start_soon(ask, runtime, number)
        status, processes = runtime.status(), living_workers()

    assert sorted(answers) == [f"number {number}" for number in range(8)]
    assert status.counters.loads == {("m", "ok"): 1}
    assert len(processes) == 1


async def test_a_step_engine_runs_several_calls_at_once(settings: Settings) -> None:
    async with (
        open_runtime(settings, ScriptedCatalog(scripted_model("m", concurrency=2))) as runtime,
        anyio.create_task_group() as group,
    ):
        long = BackgroundCall(runtime, chat("pieces 100000")).start(group)
        await long.wait_for_event(TextDelta)
        short = await run_chat(runtime, chat("say short"))
        both_ran = not long.finished.is_set()
        long.cancel_scope.cancel()

    assert short == "short"
    assert both_ran


@pytest.mark.promise("runtime:idle-offload")
async def test_a_model_is_unloaded_after_five_idle_minutes_and_loaded_again_when_needed(settings: Settings) -> None:
    clock = FakeClock()
    async with open_runtime(settings, ScriptedCatalog(scripted_model("m")), clock=clock) as runtime:
        await run_chat(runtime, chat("say a"))
        (process,) = living_workers()
        clock.now += 299
        before = await wait_for_status(runtime, lambda status: model_status_of(status).idle_seconds == 299)
        clock.now += 1
        after = await wait_for_status(runtime, lambda status: model_status_of(status).state is ModelState.ABSENT)
        gone = not process.is_running()
        again = await run_chat(runtime, chat("say b"))

    assert model_status_of(before).state is ModelState.READY
    assert model_status_of(before).unloads_in_seconds == 1
    assert gone
    assert after.memory.charged_bytes == 0
    assert after.counters.unloads == {("m", "idle"): 1}
    assert again == "b"


async def test_the_idle_time_does_not_run_while_a_call_runs(settings: Settings, tmp_path: Path) -> None:
    clock, gate = FakeClock(), tmp_path / "gate"
    library = ScriptedCatalog(scripted_model("m"), scripted_model("idle"))
    async with open_runtime(settings, library, clock=clock) as runtime, anyio.create_task_group() as group:
        await run_chat(runtime, chat("say a", "idle"))
        call = BackgroundCall(runtime, chat(f"say a; wait {gate}; say b")).start(group)
        await call.wait_for_event(TextDelta)
        clock.now += 1000
        await wait_for_status(runtime, lambda status: model_status_of(status, "idle").state is ModelState.ABSENT)
        gate.touch()
        await call.wait_until_finished()

    assert call.text_so_far == "ab"


@pytest.mark.promise("runtime:keep-alive")
async def test_a_call_can_unload_its_model_at_once_or_never(settings: Settings) -> None:
    clock = FakeClock()
    library = ScriptedCatalog(scripted_model("unloaded"), scripted_model("kept"), scripted_model("idle"))
    async with open_runtime(settings, library, clock=clock) as runtime:
        await run_chat(runtime, chat("say a", "unloaded"), keep_alive_seconds=0.0)
        await run_chat(runtime, chat("say a", "kept"), keep_alive_seconds=-1.0)
        await run_chat(runtime, chat("say a", "idle"))
        early = await wait_for_status(
            runtime, lambda status: model_status_of(status, "unloaded").state is ModelState.ABSENT
        )
        clock.now += 100_000
        later = await wait_for_status(
            runtime, lambda status: model_status_of(status, "idle").state is ModelState.ABSENT
        )

    assert model_status_of(early, "idle").state is ModelState.READY
    assert model_status_of(later, "kept").state is ModelState.READY
    assert model_status_of(later, "kept").unloads_in_seconds is None


@pytest.mark.promise("runtime:keep-alive")
async def test_a_model_may_have_its_own_keep_alive(settings: Settings) -> None:
    clock = FakeClock()
    long = replace(scripted_model("long"), keep_alive_seconds=3600.0)
    async with open_runtime(settings, ScriptedCatalog(long, scripted_model("idle")), clock=clock) as runtime:
        await run_chat(runtime, chat("say a", "long"))
        await run_chat(runtime, chat("say a", "idle"))
        clock.now += 3599
        before = await wait_for_status(
            runtime, lambda status: model_status_of(status, "idle").state is ModelState.ABSENT
        )
        clock.now += 1
        await wait_for_status(runtime, lambda status: model_status_of(status, "long").state is ModelState.ABSENT)

    assert model_status_of(before, "long").unloads_in_seconds == 1


def two_models_that_do_not_fit_together() -> ScriptedCatalog:
    models = (scripted_model(name, load="allocate 100") for name in ("eyes", "ears"))
    return ScriptedCatalog(*models, needed={"eyes": 120 * MEGABYTE, "ears": 120 * MEGABYTE})


@pytest.mark.promise("runtime:lru")
async def test_the_least_recently_used_model_is_evicted_to_keep_the_memory_budget(settings: Settings) -> None:
    small = replace(settings, memory_budget_bytes=200 * MEGABYTE)
    async with open_runtime(small, two_models_that_do_not_fit_together()) as runtime:
        await run_chat(runtime, chat("say a", "eyes"))
        (eyes,) = living_workers()
        await run_chat(runtime, chat("say b", "ears"))
        status = runtime.status()
        gone = not eyes.is_running()

    assert gone
    assert model_status_of(status, "eyes").state is ModelState.ABSENT
    assert model_status_of(status, "ears").state is ModelState.READY
    assert status.memory.charged_bytes <= status.memory.budget_bytes == 200 * MEGABYTE
    assert status.counters.unloads == {("eyes", "evicted"): 1}


@pytest.mark.promise("runtime:never-evict-busy")
async def test_a_busy_model_is_not_evicted_until_its_call_has_ended(settings: Settings, tmp_path: Path) -> None:
    small, gate = replace(settings, memory_budget_bytes=200 * MEGABYTE), tmp_path / "gate"
    async with (
        open_runtime(small, two_models_that_do_not_fit_together()) as runtime,
        anyio.create_task_group() as group,
    ):
        busy = BackgroundCall(runtime, chat(f"say a; wait {gate}; say b", "eyes")).start(group)
        await busy.wait_for_event(TextDelta)
        waiting = BackgroundCall(runtime, chat("say c", "ears")).start(group)
        queued = await waiting.wait_for_event(Queued)
        gate.touch()
        await waiting.wait_until_finished()

    assert "ears needs 0.1 GB" in queued.reason
    assert (busy.text_so_far, waiting.text_so_far) == ("ab", "c")


@pytest.mark.promise("runtime:pins")
async def test_a_pinned_model_stays_loaded_when_another_needs_memory(settings: Settings) -> None:
    small = replace(settings, memory_budget_bytes=200 * MEGABYTE)
    async with open_runtime(small, two_models_that_do_not_fit_together()) as runtime:
        runtime.pin("eyes", True)
        await run_chat(runtime, chat("say a", "eyes"))
        with pytest.raises(ModelTooLarge) as refused:
            await run_chat(runtime, chat("say b", "ears"))
        pinned = model_status_of(runtime.status(), "eyes")
        runtime.pin("eyes", False)
        unpinned = await run_chat(runtime, chat("say b", "ears"))

    assert refused.value.needed_bytes == 120 * MEGABYTE
    assert pinned.pinned
    assert unpinned == "b"


@pytest.mark.promise("runtime:memory-returned")
async def test_the_memory_of_an_unloaded_model_is_freed(settings: Settings) -> None:
    library = ScriptedCatalog(scripted_model("m", load="allocate 200"))
    async with open_runtime(settings, library) as runtime:
        before = _resident_bytes()
        await run_chat(runtime, chat("say a"))
        loaded = _resident_bytes()
        status = runtime.status()
        returned = await runtime.unload("m")
        after = _resident_bytes()

    assert loaded - before > 200 << 20
    assert after - before < 20 << 20
    assert returned > 200 << 20
    assert model_status_of(status).footprint_bytes > 200 << 20
    assert model_status_of(status).charged_bytes > 200 << 20


def _resident_bytes() -> int:
    return sum(int(process.memory_info().rss) for process in (psutil.Process(), *living_workers()))


@pytest.mark.promise("runtime:pressure")
async def test_idle_models_are_unloaded_when_the_machine_runs_short_of_memory(settings: Settings) -> None:
    pressure = Pressure.NORMAL
    library = ScriptedCatalog(scripted_model("eyes"), scripted_model("ears"))
    async with open_runtime(settings, library, memory_pressure=lambda: pressure) as runtime:
        await run_chat(runtime, chat("say a", "eyes"))
        await run_chat(runtime, chat("say a", "ears"))
        pressure = Pressure.CRITICAL
        status = await wait_for_status(runtime, lambda status: status.memory.charged_bytes == 0)

    assert status.counters.unloads == {("eyes", "pressure"): 1, ("ears", "pressure"): 1}


async def test_memory_that_a_model_took_after_its_load_is_charged(settings: Settings) -> None:
    clock = FakeClock()
    library = ScriptedCatalog(scripted_model("m"))
    async with open_runtime(settings, library, clock=clock) as runtime:
        await run_chat(runtime, chat("say a"))
        loaded = model_status_of(runtime.status()).charged_bytes
        await run_chat(runtime, chat("keep 40"))
        clock.now += 3
        grown = await wait_for_status(
            runtime, lambda status: model_status_of(status).charged_bytes > loaded + (40 << 20)
        )

    assert grown.memory.charged_bytes == model_status_of(grown).charged_bytes


async def test_an_operator_loads_and_unloads_a_model(settings: Settings) -> None:
    async with open_runtime(settings, ScriptedCatalog(scripted_model("m", load="progress 1"))) as runtime:
        await runtime.load("m")
        loaded = model_status_of(runtime.status())
        await runtime.load("m")
        freed_bytes = await runtime.unload("m")
        unloaded = runtime.status()
        nothing = await runtime.unload("m")

    assert (loaded.state, loaded.loads, loaded.active) == (ModelState.READY, 1, 0)
    assert freed_bytes > MEGABYTE
    assert model_status_of(unloaded).state is ModelState.ABSENT
    assert unloaded.counters.unloads == {("m", "operator"): 1}
    assert unloaded.counters.requests == {}
    assert nothing == 0


async def test_an_unload_lets_the_running_call_finish_first(settings: Settings, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    async with (
        open_runtime(settings, ScriptedCatalog(scripted_model("m"))) as runtime,
        anyio.create_task_group() as group,
    ):
        call = BackgroundCall(runtime, chat(f"say a; wait {gate}; say b")).start(group)
        await call.wait_for_event(TextDelta)
        group.start_soon(runtime.unload, "m")
        await wait_for_status(runtime, lambda status: model_status_of(status).state is ModelState.DRAINING)
        gate.touch()
        await call.wait_until_finished()

    assert call.text_so_far == "ab"
    assert call.error is None


async def test_unknown_names_are_refused_with_the_known_ones(settings: Settings) -> None:
    async with open_runtime(settings, ScriptedCatalog(scripted_model("m"))) as runtime:
        with pytest.raises(UnknownModel, match="Known models: m"):
            await run_chat(runtime, chat("say a", "vlm-bets"))
        for wrong in (runtime.load("x"), runtime.unload("x")):
            with pytest.raises(UnknownModel, match="'x'"):
                await wrong
        with pytest.raises(UnknownModel):
            runtime.pin("x", True)
        resolved = await runtime.resolve("m", Task.TEXT)

    assert resolved == "m"


async def test_a_model_without_weights_is_refused_with_the_command_that_downloads_it(settings: Settings) -> None:
    async with open_runtime(settings, ScriptedCatalog(scripted_model("m"), missing=("m",))) as runtime:
        with pytest.raises(ModelMissing, match="senses pull m"):
            await run_chat(runtime, chat("say a"))
        with pytest.raises(ModelMissing):
            await runtime.load("m")
        status = runtime.status()

    assert not model_status_of(status).present
    assert status.counters.loads == {}


@pytest.mark.promise("runtime:checked-first")
async def test_invalid_input_is_refused_before_anything_is_queued_or_loaded(settings: Settings) -> None:
    def check(request: Request, model: Model, folders: object) -> None:
        raise InvalidInput("max_tokens is -1; it must be positive.", param="max_tokens")

    async with open_runtime(settings, ScriptedCatalog(scripted_model("m")), validate=check) as runtime:
        with pytest.raises(InvalidInput, match="max_tokens is -1"):
            await run_chat(runtime, chat("say a"))
        status = runtime.status()

    assert status.jobs == ()
    assert model_status_of(status).state is ModelState.ABSENT


@pytest.mark.promise("reliability:disk-hangs")
async def test_the_event_loop_never_looks_at_the_disk_of_a_model(settings: Settings) -> None:
    on_the_loop: list[str] = []

    class Watched(ScriptedCatalog):
        """Notes what the event loop's thread asks that may look at the disk."""

        def __getattribute__(self, name: str) -> Any:
            from_memory = name.startswith("_") or name in ("models", "is_known", "resolve", "missing", "set_options")
            if not from_memory and threading.current_thread() is threading.main_thread():
                on_the_loop.append(name)
            return super().__getattribute__(name)

    library = Watched(scripted_model("m"), scripted_model("broken", load="refuse it is broken"))
    async with open_runtime(replace(settings, keep_spare_worker=True), library, tick_seconds=0.01) as runtime:
        await run_chat(runtime, chat("say a"))
        await run_chat(runtime, chat("say b"))
        for _ in range(2):
            with pytest.raises(SensesError):
                await run_chat(runtime, chat("say c", "broken"))
        await runtime.unload("m")
        await runtime.load("m")
        await runtime.unload("m")
        await wait_for_status(runtime, lambda status: status.memory.spare_is_ready)

    assert on_the_loop == []


@pytest.mark.promise("reliability:disk-hangs")
async def test_a_disk_that_does_not_answer_stops_its_own_requests_only(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "ANSWER_SECONDS", 0.2)
    answers = threading.Event()

    class Hanging(ScriptedCatalog):
        def folders(self, model: Model) -> Mapping[str, Path]:
            if model.name == "far":
                answers.wait()
            return super().folders(model)

    try:
        async with open_runtime(settings, Hanging(scripted_model("m"), scripted_model("far"))) as runtime:
            with pytest.raises(ModelBroken, match="disk with the files of far did not answer"):
                await run_chat(runtime, chat("say a", "far"))
            with pytest.raises(ModelBroken, match="did not answer"):
                await runtime.load("far")
            answer = await run_chat(runtime, chat("say near"))
    finally:
        answers.set()

    assert answer == "near"


@pytest.mark.promise("reliability:background")
async def test_a_first_reading_of_the_models_that_fails_is_told_and_tried_again(settings: Settings) -> None:
    class FailsOnce(ScriptedCatalog):
        failures = 1

        def models(self) -> list[Model]:
            if self.failures and threading.current_thread() is not threading.main_thread():
                self.failures -= 1
                raise OSError(5, "Input/output error")
            return super().models()

    async with open_runtime(settings, FailsOnce(scripted_model("m")), tick_seconds=0.01) as runtime:
        told = runtime.problems.reasons()
        answer = await run_chat(runtime, chat("say a"))
        present = await wait_for_status(runtime, lambda status: model_status_of(status).present)

    assert "Input/output error" in told[0]
    assert answer == "a"
    assert model_status_of(present).present


async def test_a_request_that_cannot_be_sent_is_invalid_input(settings: Settings) -> None:
    async with open_runtime(settings, ScriptedCatalog(scripted_model("m"))) as runtime:
        with pytest.raises(InvalidInput, match="cannot be sent to the model's worker"):
            await run_chat(runtime, replace(chat("say a"), seed=2**70))
        assert runtime.status().jobs == ()


@pytest.mark.promise("runtime:queue-bound")
async def test_more_requests_than_may_wait_are_rejected_with_a_time_to_try_again(
    settings: Settings, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    async with (
        open_runtime(replace(settings, queue_per_model=1), ScriptedCatalog(scripted_model("m"))) as runtime,
        anyio.create_task_group() as group,
    ):
        running = BackgroundCall(runtime, chat(f"say a; wait {gate}")).start(group)
        await running.wait_for_event(TextDelta)
        waiting = BackgroundCall(runtime, chat("say b")).start(group)
        await waiting.wait_for_event(Queued)
        with pytest.raises(QueueFull, match="Try again in") as refused:
            await run_chat(runtime, chat("say c"))
        gate.touch()
        await waiting.wait_until_finished()

    assert 1 <= (refused.value.retry_after_seconds or 0) <= 120
    assert waiting.text_so_far == "b"


async def test_a_request_that_waits_too_long_is_rejected_with_what_it_waited_for(
    settings: Settings, tmp_path: Path
) -> None:
    clock, gate = PassingClock(), tmp_path / "gate"
    async with (
        open_runtime(settings, ScriptedCatalog(scripted_model("m")), **clock.options) as runtime,
        anyio.create_task_group() as group,
    ):
        running = BackgroundCall(runtime, chat(f"say a; wait {gate}")).start(group)
        await running.wait_for_event(TextDelta)
        waiting = BackgroundCall(runtime, chat("say b")).start(group)
        await waiting.wait_for_event(Queued)
        clock.until += 123  # 120 s, and about 2 s that a request takes
        await waiting.wait_until_finished()
        gate.touch()

    assert isinstance(waiting.error, QueueTimeout)
    assert "m is busy (1 running)" in waiting.error.message


async def test_queued_callers_are_notified_when_they_move_up(settings: Settings, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    async with (
        open_runtime(settings, ScriptedCatalog(scripted_model("m"))) as runtime,
        anyio.create_task_group() as group,
    ):
        first = BackgroundCall(runtime, chat(f"say a; wait {gate}")).start(group)
        await first.wait_for_event(TextDelta)
        second = BackgroundCall(runtime, chat("say b")).start(group)
        await second.wait_for_event(Queued)
        third = BackgroundCall(runtime, chat("say c")).start(group)
        await third.wait_for_event(Queued)
        jobs = runtime.status().jobs
        gate.touch()
        await third.wait_until_finished()

    assert [(job.state, job.position) for job in jobs] == [("running", 0), ("queued", 1), ("queued", 2)]
    assert [event.position for event in third.events if isinstance(event, Queued)] == [2, 1]


async def test_a_slow_reader_blocks_the_worker_and_gets_all_output(settings: Settings, tmp_path: Path) -> None:
    """A thousand pieces of 64 KiB would be 64 MB; this process holds only a few while the caller does not read."""
    done = tmp_path / "done"
    async with open_runtime(settings, ScriptedCatalog(scripted_model("m"))) as runtime:
        generator = runtime.run(chat(f"flood 1000; touch {done}"))
        read = 0
        while not read:
            event = await anext(generator)
            read += len(event.text) if isinstance(event, TextDelta) else 0
        before = psutil.Process().memory_info().rss
        await wait_for_status(runtime, lambda status: _is_quiet())
        was_done, held = done.exists(), psutil.Process().memory_info().rss - before
        async for event in generator:
            read += len(event.text) if isinstance(event, TextDelta) else 0

    assert not was_done
    assert held < 16 << 20
    assert read == 1000 << 16


_last_times: list[float] = []


def _is_quiet() -> bool:
    """Return whether the worker used no processor time since the last call."""
    (process,) = living_workers()
    times = process.cpu_times()
    _last_times.append(times.user + times.system)
    return len(_last_times) > 1 and _last_times[-1] == _last_times[-2]


async def test_the_feed_yields_every_state_and_ends_with_the_runtime(settings: Settings, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    states: list[ModelState] = []
    seen = {state: anyio.Event() for state in ModelState}

    async def watch(runtime: Runtime) -> None:
        async for status in runtime.changes():
            states.append(model_status_of(status).state)
            seen[states[-1]].set()

    async with (
        anyio.create_task_group() as group,
        open_runtime(settings, ScriptedCatalog(scripted_model("m", load=f"wait {gate}"))) as runtime,
    ):
        group.start_soon(watch, runtime)
        with anyio.fail_after(20):
            await seen[ModelState.ABSENT].wait()
            group.start_soon(run_chat, runtime, chat("say a"))
            await seen[ModelState.STARTING].wait()
            gate.touch()
            await seen[ModelState.READY].wait()

    assert [state for state, before in zip(states, [None, *states], strict=False) if state is not before] == [
        ModelState.ABSENT,
        ModelState.STARTING,
        ModelState.READY,
        ModelState.ABSENT,
    ]


async def test_a_status_describes_models_requests_and_memory(settings: Settings) -> None:
    library = ScriptedCatalog(scripted_model("m"), scripted_model("voice", Task.SPEECH), missing=("voice",))
    async with open_runtime(settings, library, version="1.2.3") as runtime:
        await run_chat(runtime, chat("say a b c"))
        status = await wait_for_status(runtime, lambda status: status.memory.footprint_bytes > 0)

    m, voice = status.models
    assert (m.loads, m.requests, m.queued, m.active, m.error) == (1, 1, 0, 0, "")
    assert m.charged_bytes > MEGABYTE
    assert m.footprint_bytes > MEGABYTE
    assert m.last_load_seconds is not None
    assert (voice.voices, voice.present, voice.state) == (("alma", "otto"), False, ModelState.ABSENT)
    assert (status.version, status.accepting, status.jobs) == ("1.2.3", True, ())
    assert status.memory.daemon_bytes > MEGABYTE
    assert status.memory.available_bytes > MEGABYTE
    assert status.counters.tokens == {("m", "prompt"): 0, ("m", "completion"): 3}


@pytest.mark.promise("runtime:light-daemon")
def test_the_daemon_side_never_imports_a_model_library() -> None:
    heavy = "mlx mlx_vlm mlx_lm mlx_whisper mlx_audio mflux transformers torch"
    code = (
        "import sys, model_runtime.runtime, model_runtime.catalog.catalog;"
        f"print(*sorted({{name.split('.')[0] for name in sys.modules}} & set('{heavy}'.split())))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, encoding="utf-8")

    assert found.stdout.split() == []


@pytest.mark.promise("runtime:responsive")
async def test_the_event_loop_stays_free_while_a_model_is_loaded_and_works(settings: Settings) -> None:
    library = ScriptedCatalog(scripted_model("m", load="allocate 400"))
    gaps: list[float] = []

    async def listen() -> None:
        while True:
            before = anyio.current_time()
            await anyio.sleep(0.002)
            gaps.append(anyio.current_time() - before)

    async with open_runtime(settings, library) as runtime, anyio.create_task_group() as group:
        group.start_soon(listen)
        await run_chat(runtime, chat("pieces 20000"))
        group.cancel_scope.cancel()

    assert max(gaps) < 0.5  # a few milliseconds on a machine that has nothing else to do
    assert sorted(gaps)[len(gaps) // 2] < 0.02


@pytest.mark.promise("runtime:memory-returned")
@pytest.mark.promise("history:restart")
async def test_the_history_goes_on_in_the_next_daemon(settings: Settings) -> None:
    for text in ("hello", "world"):
        async with open_runtime(settings, ScriptedCatalog(scripted_model("m"))) as runtime:
            await run_chat(runtime, chat(f"say {text}"))
    async with open_runtime(settings, ScriptedCatalog(scripted_model("m"))) as runtime:
        await wait_until(lambda: len(runtime.history.history.requests) == 2)  # it is read while the daemon answers
        history = runtime.history.history

    assert [(ended.model, ended.code) for ended in history.requests] == [("m", "ok")] * 2
    kinds = [type(change).__name__ for change in history.changes]
    assert kinds == ["DaemonStarted", "LoadEnded", "ModelUnloaded"] * 2 + ["DaemonStarted"]


async def test_the_daemon_releases_memory_once_each_time_the_last_call_has_ended(
    settings: Settings,
) -> None:
    releases = threading.Semaphore(0)
    library = ScriptedCatalog(scripted_model("m"))
    async with (
        open_runtime(settings, library, release_memory=releases.release) as runtime,
        anyio.create_task_group() as group,
    ):
        call = BackgroundCall(runtime, chat("say a; wait /never")).start(group)
        await call.wait_for_event(TextDelta)
        await anyio.sleep(0.1)
        while_busy = releases.acquire(blocking=False)
        call.cancel_scope.cancel()
        after_one_call = await anyio.to_thread.run_sync(releases.acquire, True, 10)
        await run_chat(runtime, chat("say b"))
        after_another = await anyio.to_thread.run_sync(releases.acquire, True, 10)
        await anyio.sleep(0.1)
        while_idle = releases.acquire(blocking=False)

    assert (while_busy, after_one_call, after_another, while_idle) == (False, True, True, False)


@pytest.mark.promise("runtime:memory-returned")
@pytest.mark.parametrize("script", ["say a", "raise no"])
async def test_an_image_is_freed_with_its_call(settings: Settings, script: str) -> None:
    rgb = bytes(12)
    request = Chat("m", (Message("user", (script, ImageData(2, 2, rgb))),))
    async with open_runtime(settings, ScriptedCatalog(scripted_model("m"))) as runtime:
        await run_chat(runtime, chat("say loaded"))
        references = sys.getrefcount(rgb)
        gc.disable()
        try:
            with contextlib.suppress(JobFailed):
                await run_chat(runtime, request)
            held = sys.getrefcount(rgb) - references
        finally:
            gc.enable()

    assert held == 0
