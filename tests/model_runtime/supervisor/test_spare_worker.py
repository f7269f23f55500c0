"""A spare process: the next load only reads weights, and its memory is given back before anybody misses it."""

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
def eager(settings: Settings) -> Settings:
    """Settings that allow a spare process."""
    return replace(settings, keep_spare_worker=True)


def is_ready(status: Status) -> bool:
    return status.memory.spare_is_ready


def is_gone(status: Status) -> bool:
    return not status.memory.spare_engine and status.memory.footprint_bytes == 0


async def used_and_unloaded(runtime: Runtime) -> Status:
    """Use the model once, unload it, and wait for the spare process that gets ready for it."""
    await run_chat(runtime, chat("say hello"))
    await runtime.unload("m")
    return await wait_for_status(runtime, is_ready)


@pytest.mark.promise("runtime:warm-spare")
async def test_a_model_that_left_comes_back_in_the_process_that_was_made_ready_for_it(eager: Settings) -> None:
    library = ScriptedCatalog(scripted_model("m"))

    async with open_runtime(eager, library) as runtime:
        await used_and_unloaded(runtime)
        (ready,) = living_workers()
        said = await run_chat(runtime, chat("say again"))
        after = runtime.status()
        running = [process.pid for process in living_workers() if process.pid == ready.pid]

    assert said == "again"
    assert running == [ready.pid]
    assert model_status_of(after).state is ModelState.READY
    assert living_workers() == []


async def test_nothing_is_made_ready_before_the_first_request_and_where_settings_forbid_it(eager: Settings) -> None:
    library = ScriptedCatalog(scripted_model("m"))

    async with open_runtime(eager, library) as runtime:
        await wait_for_status(runtime, lambda status: status.uptime_seconds > 0.1)
        before = living_workers()
    async with open_runtime(replace(eager, keep_spare_worker=False), library) as runtime:
        await run_chat(runtime, chat("say hello"))
        await runtime.unload("m")
        since = runtime.status().uptime_seconds
        await wait_for_status(runtime, lambda status: status.uptime_seconds > since + 0.1)
        after = living_workers()

    assert (before, after) == ([], [])


async def test_a_new_daemon_makes_ready_what_the_one_before_it_used_last(eager: Settings) -> None:
    library = ScriptedCatalog(scripted_model("m"), scripted_model("other", concurrency=2))
    log = UsageLog(eager.folders.data, lambda: 1000.0)
    log.record("m")
    log.record("other")
    log.save()

    async with open_runtime(eager, library) as runtime:
        status = await wait_for_status(runtime, is_ready)

    assert status.memory.spare_engine == library.resolve("other", scripted_model("m").task).engine
    assert status.memory.spare_bytes <= status.memory.footprint_bytes


@pytest.mark.promise("runtime:spare-yields")
async def test_a_machine_short_of_memory_gets_the_spare_process_back_before_any_model(eager: Settings) -> None:
    library, is_short = ScriptedCatalog(scripted_model("m"), scripted_model("other", concurrency=2)), False

    def short_while_it_is_there() -> bool:
        return is_short and bool(runtime.status().memory.spare_engine)

    async with open_runtime(eager, library, is_under_memory_pressure=short_while_it_is_there) as runtime:
        await run_chat(runtime, chat("say hello", "other"))
        await used_and_unloaded(runtime)
        is_short = True
        status = await wait_for_status(runtime, lambda status: not status.memory.spare_engine)

    assert model_status_of(status, "other").state is ModelState.READY


@pytest.mark.promise("runtime:spare-yields")
async def test_a_model_that_needs_the_memory_gets_it(eager: Settings) -> None:
    needed = {"m": 10 * MEGABYTE, "large": 985 * MEGABYTE}
    library = ScriptedCatalog(scripted_model("m"), scripted_model("large", concurrency=2), needed=needed)

    async with open_runtime(replace(eager, memory_budget_bytes=GIGABYTE), library) as runtime:
        await used_and_unloaded(runtime)
        await wait_for_status(runtime, lambda status: status.memory.spare_bytes > 15 * MEGABYTE)
        said = await run_chat(runtime, chat("say hello", "large"))
        status = runtime.status()

    assert said == "hello"
    assert status.memory.spare_engine == ""


async def test_an_hour_after_the_last_request_the_spare_process_leaves_too(eager: Settings) -> None:
    library, clock = ScriptedCatalog(scripted_model("m")), FakeClock()

    async with open_runtime(eager, library, clock=clock) as runtime:
        await used_and_unloaded(runtime)
        clock.now += 3599
        before = await wait_for_status(runtime, lambda status: status.uptime_seconds >= 3599)
        clock.now += 1
        after = await wait_for_status(runtime, is_gone)

    assert before.memory.spare_engine
    assert not after.memory.spare_engine


async def test_a_spare_process_that_dies_is_not_tried_again_and_loads_go_on_without(eager: Settings) -> None:
    library = ScriptedCatalog(scripted_model("m"))

    async with open_runtime(eager, library) as runtime:
        await used_and_unloaded(runtime)
        (ready,) = living_workers()
        ready.kill()
        await wait_for_status(runtime, is_gone)
        said = await run_chat(runtime, chat("say hello"))
        await runtime.unload("m")
        since = runtime.status().uptime_seconds
        status = await wait_for_status(runtime, lambda status: status.uptime_seconds > since + 0.2)

    assert said == "hello"
    assert status.memory.spare_engine == ""


async def test_a_load_may_take_a_process_that_is_not_ready_yet(eager: Settings, tmp_path: Path) -> None:
    library = ScriptedCatalog(scripted_model("m"))

    async with open_runtime(eager, library) as runtime:
        await run_chat(runtime, chat("say hello"))
        await runtime.unload("m")
        await wait_for_status(runtime, lambda status: bool(status.memory.spare_engine))
        said = await run_chat(runtime, chat("say again"))
        status = runtime.status()

    assert said == "again"
    assert status.counters.loads == {("m", "ok"): 2}


async def test_a_spare_process_waits_until_the_work_is_done(eager: Settings, tmp_path: Path) -> None:
    library, go = ScriptedCatalog(scripted_model("m"), scripted_model("other")), tmp_path / "go"

    async with open_runtime(eager, library) as runtime:
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


# -- what the GPU works well with ------------------------------------------------------------------------------------


@pytest.mark.promise("runtime:working-set")
async def test_the_budget_keeps_to_what_the_system_recommends_for_its_gpu(settings: Settings) -> None:
    library = ScriptedCatalog(scripted_model("m"))

    async def two_gigabytes() -> int:
        return 2 * GIGABYTE

    async with open_runtime(settings, library, working_set_bytes=two_gigabytes) as runtime:
        status = await wait_for_status(runtime, lambda status: status.memory.budget_bytes == 1_800_000_000)

    assert status.memory.budget_bytes == 1_800_000_000


@pytest.mark.engines
async def test_a_process_asks_mlx_and_leaves(settings: Settings) -> None:
    library = ScriptedCatalog(scripted_model("m"))

    async with open_runtime(settings, library, working_set_bytes=gpu_probe.query_gpu_working_set) as runtime:
        before = runtime.status().memory.budget_bytes
        asked = await gpu_probe.query_gpu_working_set()
        after = runtime.status().memory.budget_bytes

    assert (asked > 0) == has_apple_gpu()
    assert after <= before
    assert living_workers() == []
