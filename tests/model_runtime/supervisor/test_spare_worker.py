"""The spare worker: the next load only reads weights, and its memory is released when models need it."""

from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from model_runtime.catalog.catalog import has_apple_gpu
from model_runtime.events import TextDelta
from model_runtime.runtime import Runtime
from model_runtime.settings import Settings
from model_runtime.status import ModelState, Status
from model_runtime.supervisor import gpu_probe
from model_runtime.supervisor.pressure import Pressure
from model_runtime.supervisor.usage_log import UsageLog
from tests.model_runtime.calls import BackgroundCall, chat, model_status_of, run_chat, wait_for_status
from tests.model_runtime.library import (
    MEGABYTE,
    FakeClock,
    ScriptedCatalog,
    living_workers,
    open_runtime,
    scripted_model,
)

pytestmark = pytest.mark.process

GIGABYTE = 1_000_000_000


@pytest.fixture
def with_spare(settings: Settings) -> Settings:
    """Return settings that allow a spare worker."""
    return replace(settings, keep_spare_worker=True)


def is_ready(status: Status) -> bool:
    return status.memory.spare_is_ready


def is_gone(status: Status) -> bool:
    return not status.memory.spare_engine and status.memory.footprint_bytes == 0


async def use_and_unload(runtime: Runtime) -> Status:
    """Use the model once, unload it, and wait until the spare worker is ready for it."""
    await run_chat(runtime, chat("say hello"))
    await runtime.unload("m")
    return await wait_for_status(runtime, is_ready)


@pytest.mark.promise("runtime:warm-spare")
async def test_an_unloaded_model_is_loaded_in_the_spare_worker(with_spare: Settings) -> None:
    library = ScriptedCatalog(scripted_model("m"))

    async with open_runtime(with_spare, library) as runtime:
        await use_and_unload(runtime)
        (ready,) = living_workers()
        answer = await run_chat(runtime, chat("say again"))
        after = runtime.status()
        running = [process.pid for process in living_workers() if process.pid == ready.pid]

    assert answer == "again"
    assert running == [ready.pid]
    assert model_status_of(after).state is ModelState.READY
    assert living_workers() == []


async def test_no_spare_worker_starts_before_the_first_request_or_when_settings_forbid_it(with_spare: Settings) -> None:
    library = ScriptedCatalog(scripted_model("m"))

    async with open_runtime(with_spare, library) as runtime:
        await wait_for_status(runtime, lambda status: status.uptime_seconds > 0.1)
        before = living_workers()
    async with open_runtime(replace(with_spare, keep_spare_worker=False), library) as runtime:
        await run_chat(runtime, chat("say hello"))
        await runtime.unload("m")
        since = runtime.status().uptime_seconds
        await wait_for_status(runtime, lambda status: status.uptime_seconds > since + 0.1)
        after = living_workers()

    assert (before, after) == ([], [])


async def test_a_new_daemon_prepares_for_the_model_that_the_last_one_used(with_spare: Settings) -> None:
    library = ScriptedCatalog(scripted_model("m"), scripted_model("other", concurrency=2))
    log = UsageLog(with_spare.folders.data, lambda: 1000.0)
    log.record("m")
    log.record("other")
    log.save()

    async with open_runtime(with_spare, library) as runtime:
        status = await wait_for_status(runtime, is_ready)

    assert status.memory.spare_engine == library.resolve("other", scripted_model("m").task).engine
    assert status.memory.spare_bytes <= status.memory.footprint_bytes


@pytest.mark.promise("runtime:spare-yields")
async def test_under_memory_pressure_the_spare_worker_is_stopped_before_any_model(with_spare: Settings) -> None:
    library, pressure = ScriptedCatalog(scripted_model("m"), scripted_model("other", concurrency=2)), Pressure.NORMAL

    async with open_runtime(with_spare, library, memory_pressure=lambda: pressure) as runtime:
        await run_chat(runtime, chat("say hello", "other"))
        await use_and_unload(runtime)
        pressure = Pressure.WARNING
        status = await wait_for_status(runtime, lambda status: not status.memory.spare_engine)

    assert model_status_of(status, "other").state is ModelState.READY


@pytest.mark.promise("runtime:spare-yields")
async def test_a_model_gets_the_memory_of_the_spare_worker(with_spare: Settings) -> None:
    needed = {"m": 10 * MEGABYTE, "large": 985 * MEGABYTE}
    library = ScriptedCatalog(scripted_model("m"), scripted_model("large", concurrency=2), needed=needed)

    async with open_runtime(replace(with_spare, memory_budget_bytes=GIGABYTE), library) as runtime:
        await use_and_unload(runtime)
        await wait_for_status(runtime, lambda status: status.memory.spare_bytes > 15 * MEGABYTE)
        answer = await run_chat(runtime, chat("say hello", "large"))
        status = runtime.status()

    assert answer == "hello"
    assert status.memory.spare_engine == ""


async def test_the_spare_worker_is_stopped_an_hour_after_the_last_request(with_spare: Settings) -> None:
    library, clock = ScriptedCatalog(scripted_model("m")), FakeClock()

    async with open_runtime(with_spare, library, clock=clock) as runtime:
        await use_and_unload(runtime)
        clock.now += 3599
        before = await wait_for_status(runtime, lambda status: status.uptime_seconds >= 3599)
        clock.now += 1
        after = await wait_for_status(runtime, is_gone)

    assert before.memory.spare_engine
    assert not after.memory.spare_engine


async def test_a_spare_worker_that_dies_is_not_started_again_and_loads_work_without_it(with_spare: Settings) -> None:
    library = ScriptedCatalog(scripted_model("m"))

    async with open_runtime(with_spare, library) as runtime:
        await use_and_unload(runtime)
        (ready,) = living_workers()
        ready.kill()
        await wait_for_status(runtime, is_gone)
        answer = await run_chat(runtime, chat("say hello"))
        await runtime.unload("m")
        since = runtime.status().uptime_seconds
        status = await wait_for_status(runtime, lambda status: status.uptime_seconds > since + 0.2)

    assert answer == "hello"
    assert status.memory.spare_engine == ""


async def test_a_load_may_claim_a_spare_worker_that_is_not_ready_yet(with_spare: Settings, tmp_path: Path) -> None:
    library = ScriptedCatalog(scripted_model("m"))

    async with open_runtime(with_spare, library) as runtime:
        await run_chat(runtime, chat("say hello"))
        await runtime.unload("m")
        await wait_for_status(runtime, lambda status: bool(status.memory.spare_engine))
        answer = await run_chat(runtime, chat("say again"))
        status = runtime.status()

    assert answer == "again"
    assert status.counters.loads == {("m", "ok"): 2}


async def test_no_spare_worker_starts_while_a_request_runs(with_spare: Settings, tmp_path: Path) -> None:
    library, go = ScriptedCatalog(scripted_model("m"), scripted_model("other")), tmp_path / "go"

    async with open_runtime(with_spare, library) as runtime:
        await run_chat(runtime, chat("say hello", "other"))
        async with anyio.create_task_group() as group:
            call = BackgroundCall(runtime, chat(f"say a; wait {go}; say b")).start(group)
            await call.wait_for_event(TextDelta)
            await runtime.unload("other")
            since = runtime.status().uptime_seconds
            during = await wait_for_status(runtime, lambda status: status.uptime_seconds > since + 0.2)
            go.touch()
            await call.wait_until_finished()
        after = await wait_for_status(runtime, is_ready)

    assert during.memory.spare_engine == ""
    assert after.memory.spare_engine


# -- the GPU's recommended memory ------------------------------------------------------------------------------------


@pytest.mark.promise("runtime:working-set")
async def test_the_budget_is_limited_by_the_gpus_recommended_working_set(settings: Settings) -> None:
    library = ScriptedCatalog(scripted_model("m"))

    async def two_gigabytes() -> int:
        return 2 * GIGABYTE

    async with open_runtime(settings, library, working_set_bytes=two_gigabytes) as runtime:
        status = await wait_for_status(runtime, lambda status: status.memory.budget_bytes == 1_800_000_000)

    assert status.memory.budget_bytes == 1_800_000_000


@pytest.mark.engines
async def test_a_worker_asks_mlx_and_exits(settings: Settings) -> None:
    library = ScriptedCatalog(scripted_model("m"))

    async with open_runtime(settings, library, working_set_bytes=gpu_probe.query_gpu_working_set) as runtime:
        before = runtime.status().memory.budget_bytes
        working_set_bytes = await gpu_probe.query_gpu_working_set() or 0
        after = runtime.status().memory.budget_bytes

    assert (working_set_bytes > 0) == has_apple_gpu()
    assert (after == before) or has_apple_gpu()
    assert [worker for worker in living_workers() if "probe" in worker.cmdline()] == []
