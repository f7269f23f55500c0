"""The GPU of a Mac runs out of memory, and has not told yet how much it has.

The worker processes are real; the error is the text that MLX raises for Metal's. Nothing here ran on a GPU.
"""

import ast
import platform
import sys
from pathlib import Path

import anyio
import pytest

from model_runtime import engines
from model_runtime.catalog.model import Model
from model_runtime.engines.checkpoint import translate_load_errors
from model_runtime.engines.fatal_errors import is_fatal, is_gpu_out_of_memory
from model_runtime.errors import OutOfMemory
from model_runtime.settings import Settings
from model_runtime.status import ModelState
from model_runtime.supervisor import gpu_probe, memory, scheduler_factory
from model_runtime.supervisor.scheduler_factory import create_scheduler
from tests.clocks import FakeSleep
from tests.model_runtime.calls import BackgroundCall, chat, model_status_of, run_chat, wait_for_status
from tests.model_runtime.library import MEGABYTE, ScriptedCatalog, open_runtime, scripted_model
from tests.scripted_engine import METAL_OUT_OF_MEMORY

GIB = 1 << 30
TEXT = "The GPU ran out of memory: close other programs, ask for less at once, or choose a smaller model."


def always_starved(name: str = "m") -> Model:
    return scripted_model(name, load=f"raise {METAL_OUT_OF_MEMORY}")


@pytest.fixture
def mac(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Mac with Apple silicon and 32 GiB."""
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    monkeypatch.setattr(memory, "total_bytes", lambda: 32 * GIB)


# -- out of memory ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "is_lack_of_memory"),
    [
        (METAL_OUT_OF_MEMORY, True),
        ("[metal::malloc] Resource limit (499000) exceeded.", True),
        ("[METAL] Command buffer execution failed: Caused GPU Timeout Error (kIOGPUCommandBufferCallbackErrorTimeout)", False),
        ("kIOGPUCommandBufferCallbackErrorSubmissionsIgnored", False),
    ],
)  # fmt: skip
def test_a_lack_of_memory_is_told_from_the_other_errors_of_the_gpu(text: str, is_lack_of_memory: bool) -> None:
    error = RuntimeError(text)

    assert is_fatal(error)
    assert is_gpu_out_of_memory(error) is is_lack_of_memory


def test_an_error_of_the_gpu_is_never_taken_for_a_broken_model() -> None:
    with pytest.raises(RuntimeError, match="Insufficient Memory"), translate_load_errors("m", {}):
        raise RuntimeError(METAL_OUT_OF_MEMORY)


def test_no_engine_hides_an_error_of_the_gpu() -> None:
    """Whoever catches every exception lets the fatal ones pass, or the worker goes on with a GPU that is lost."""
    hidden = [
        f"{file.name}:{handler.lineno}"
        for file in Path(engines.__path__[0]).rglob("*.py")
        for handler in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(handler, ast.ExceptHandler) and handler.type is not None
        if ast.unparse(handler.type) == "Exception" and "is_fatal" not in ast.unparse(handler)
    ]

    assert hidden == []


@pytest.mark.process
@pytest.mark.promise("runtime:out-of-memory")
async def test_a_request_that_ran_out_of_gpu_memory_runs_once_more_in_a_larger_room(
    settings: Settings, tmp_path: Path
) -> None:
    library = ScriptedCatalog(scripted_model("m"), scripted_model("idle"))
    async with open_runtime(settings, library) as runtime:
        await run_chat(runtime, chat("say a", "idle"))
        await run_chat(runtime, chat("say a"))
        before = model_status_of(runtime.status()).needed_bytes
        answer = await run_chat(runtime, chat(f"starve {tmp_path / 'starved'}; say done"))
        status = runtime.status()

    assert answer == "done"
    assert status.counters.unloads == {("idle", "pressure"): 1}
    assert model_status_of(status, "idle").state is ModelState.ABSENT
    assert model_status_of(status).needed_bytes > before


@pytest.mark.process
@pytest.mark.promise("runtime:out-of-memory")
async def test_the_second_lack_of_memory_is_told_in_one_sentence(settings: Settings) -> None:
    async with open_runtime(settings, ScriptedCatalog(scripted_model("m"))) as runtime:
        with pytest.raises(OutOfMemory) as raised:
            await run_chat(runtime, chat(f"raise {METAL_OUT_OF_MEMORY}"))

    assert raised.value.message == TEXT


@pytest.mark.process
@pytest.mark.promise("runtime:out-of-memory")
async def test_a_request_that_has_delivered_a_part_of_its_result_is_not_run_again(settings: Settings) -> None:
    async with open_runtime(settings, ScriptedCatalog(scripted_model("m"))) as runtime:
        async with anyio.create_task_group() as group:
            call = BackgroundCall(runtime, chat(f"say a; raise {METAL_OUT_OF_MEMORY}")).start(group)
            await call.wait_until_finished()
        loads = runtime.status().counters.loads

    assert isinstance(call.error, OutOfMemory)
    assert call.text_so_far == "a"
    assert loads == {("m", "ok"): 1}


@pytest.mark.process
@pytest.mark.promise("runtime:out-of-memory")
async def test_a_load_that_runs_out_of_gpu_memory_is_tried_once_more(settings: Settings, tmp_path: Path) -> None:
    library = ScriptedCatalog(scripted_model("m", load=f"starve {tmp_path / 'starved'}"), always_starved("never"))
    async with open_runtime(settings, library) as runtime:
        answer = await run_chat(runtime, chat("say done"))
        with pytest.raises(OutOfMemory) as raised:
            await run_chat(runtime, chat("say done", "never"))
        counters = runtime.status().counters

    assert answer == "done"
    assert raised.value.message == TEXT
    assert counters.loads == {("m", "failed"): 1, ("m", "ok"): 1, ("never", "failed"): 2}


# -- the GPU's working set -------------------------------------------------------------------------------------------


def test_until_the_gpu_has_answered_models_take_three_fifths_of_the_memory(mac: None, settings: Settings) -> None:
    assert create_scheduler(settings).budget_bytes == int(0.6 * 32 * GIB)


@pytest.mark.parametrize(
    ("memory_gib", "working_set_mb", "budget_bytes"),
    [
        (16, 11_453, 10_307_700_000),
        (32, 26_800, 24_120_000_000),
        (16, 0, int(0.6 * 16 * GIB)),
    ],
)
def test_the_budget_is_nine_tenths_of_the_working_set_once_it_is_known(
    memory_gib: int, working_set_mb: int, budget_bytes: int
) -> None:
    """The working sets are those that Macs reported: 16 GB with an older system, an M4 with 32 GB."""
    limit_bytes = memory.gpu_limit_bytes(memory_gib * GIB, working_set_mb * MEGABYTE)

    assert memory.budget_bytes(0, memory_gib * GIB, limit_bytes) == budget_bytes


async def test_a_gpu_that_did_not_answer_is_asked_again(mac: None, monkeypatch: pytest.MonkeyPatch) -> None:
    answers, sleep = [None, None, 5 * GIB], FakeSleep()

    async def answer() -> int | None:
        return answers.pop(0)

    monkeypatch.setattr(gpu_probe, "query_gpu_working_set", answer)

    assert await gpu_probe.working_set_bytes(sleep=sleep) == 5 * GIB
    assert sleep.delays == [60.0, 120.0]


@pytest.mark.promise("runtime:working-set")
async def test_the_budget_grows_when_the_gpu_tells_that_it_has_more(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler_factory, "has_apple_gpu", lambda: True)
    total_bytes, answered = memory.total_bytes(), anyio.Event()

    async def all_of_it() -> int:
        await answered.wait()
        return total_bytes

    async with open_runtime(settings, ScriptedCatalog(), working_set_bytes=all_of_it) as runtime:
        before = runtime.status().memory.budget_bytes
        answered.set()
        after = await wait_for_status(runtime, lambda status: status.memory.budget_bytes != before)

    assert before == min(int(0.6 * total_bytes), memory.budget_bytes(0, total_bytes))
    assert after.memory.budget_bytes == memory.budget_bytes(0, total_bytes, int(0.9 * total_bytes))
