"""Every real engine in a real process: killed while it loads, works or leaves, and told to stop in the middle.

Each time the caller is answered once, the memory comes back, and the next call works.
"""

import os
import signal
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import anyio
import numpy as np
import pytest

from model_runtime.catalog.catalog import create_catalog
from model_runtime.errors import Cancelled, WorkerDied
from model_runtime.events import AudioChunk, Finished, Loading, Progress, Segment, TextDelta
from model_runtime.media.types import Audio, ImageData
from model_runtime.requests import Chat, Embed, GenerateImage, Message, Request, Speak, Transcribe
from model_runtime.runtime import Runtime
from model_runtime.settings import Settings
from model_runtime.status import ModelState, Status
from tests.checkpoints import llama, qwen25_vl, text_encoders
from tests.meaning.recordings import clip
from tests.meaning.sounds import decode_samples
from tests.model_runtime.calls import BackgroundCall, model_status_of, run_request, wait_for_status
from tests.model_runtime.library import EmptyStore, living_workers, open_runtime

pytestmark = pytest.mark.engines
Build = Callable[[Path], object]
PIECES = (TextDelta, Segment, AudioChunk, Progress)


@dataclass(frozen=True, slots=True)
class Work:
    """A short request to a model, and one that takes far longer than a test waits."""

    model: str
    short: Request
    long: Request


def chat(model: str, *content: str | ImageData, max_tokens: int) -> Chat:
    return Chat(model, (Message("user", content),), max_tokens=max_tokens)


def drawing(model: str, steps: int) -> GenerateImage:
    return GenerateImage(model, "a red circle", 128, 128, seed=1, steps=steps)


def recording(clips: int) -> Audio:
    said = np.tile(decode_samples(clip("two-sentences").file), clips)
    return Audio(16_000, (said * 32767).astype("<i2").tobytes())


GRAY = ImageData(56, 56, bytes([128]) * (56 * 56 * 3))
WORKS = {
    "mlx-vlm": Work("eyes", chat("eyes", GRAY, "Look.", max_tokens=3), chat("eyes", GRAY, "Look.", max_tokens=3500)),
    "mlx-lm": Work("talk", chat("talk", "Hello", max_tokens=3), chat("talk", "Hello", max_tokens=3500)),
    "mlx-whisper": Work(
        "stt-starter", Transcribe("stt-starter", recording(1)), Transcribe("stt-starter", recording(150))
    ),
    "mlx-audio": Work(
        "tts-starter", Speak("tts-starter", "hello"), Speak("tts-starter", "Draw a red circle above a star. " * 500)
    ),
    "mlx-vlm-embedding": Work("embed", Embed("embed", ("dog",)), Embed("embed", ("a red square " * 75,) * 600)),
    "mflux": Work("image-starter", drawing("image-starter", 1), drawing("image-starter", 50)),
}


def endless(folder: Path) -> None:
    llama.build_scripted(folder, endless=True)


@pytest.fixture(params=WORKS)
def work(request: pytest.FixtureRequest) -> Work:
    """What the engine under test is asked."""
    return WORKS[request.param]


@pytest.fixture
async def runtime(settings: Settings, checkpoint: Callable[[Build], Path]) -> AsyncGenerator[Runtime]:
    """The real catalogue with two tiny chat models that never stop talking, and one that embeds."""
    builders: dict[str, Build] = {"eyes": qwen25_vl.build, "talk": endless, "embed": text_encoders.build_qwen3}
    models = {name: {"path": str(checkpoint(build))} for name, build in builders.items()}
    settings = replace(settings, model_tables=models)
    async with open_runtime(settings, create_catalog(settings, EmptyStore())) as runtime:
        yield runtime


def kill(number: signal.Signals = signal.SIGKILL) -> int:
    """End the one worker there is."""
    (worker,) = living_workers()
    os.kill(worker.pid, number)
    return worker.pid


def is_at_work(model: str, count: int) -> Callable[[Status], bool]:
    return lambda status: model_status_of(status, model).active == count


async def is_answered(runtime: Runtime, request: Request) -> bool:
    *_, last = await run_request(runtime, request)
    return isinstance(last, Finished)


async def in_the_middle(runtime: Runtime, work: Work, group: anyio.abc.TaskGroup) -> BackgroundCall:
    """Start the long work and wait until something of it has come."""
    call = BackgroundCall(runtime, work.long).start(group)
    with anyio.fail_after(60):
        while not any(isinstance(event, PIECES) for event in call.events):
            assert not call.finished.is_set(), call.error
            await anyio.sleep(0.005)
    return call


@pytest.mark.promise("runtime:engines-killed")
async def test_an_engine_killed_while_it_loads_works_or_leaves_answers_everybody_and_comes_back(
    runtime: Runtime, work: Work
) -> None:
    async with anyio.create_task_group() as group:
        loading = BackgroundCall(runtime, work.short).start(group)
        await loading.wait_for_event(Loading)
        killed_loading = kill()
        await loading.wait_until_finished()

        working = await in_the_middle(runtime, work, group)
        killed_working = kill()
        await working.wait_until_finished()

    next_one = await is_answered(runtime, work.short)
    async with anyio.create_task_group() as group:
        group.start_soon(runtime.unload, work.model)
        killed_leaving = kill()
    status = await wait_for_status(
        runtime, lambda status: model_status_of(status, work.model).state is not ModelState.STOPPING
    )

    assert isinstance(loading.events[-1], Finished)
    assert isinstance(working.error, WorkerDied)
    assert sum(isinstance(event, Finished) for event in working.events) == 0
    assert next_one
    assert len({killed_loading, killed_working, killed_leaving}) == 3
    assert (status.memory.charged_bytes, living_workers()) == (0, [])


@pytest.mark.promise("runtime:engines-cancel")
async def test_an_engine_stops_in_the_middle_once_its_caller_is_gone_or_an_operator_ends_it(
    runtime: Runtime, work: Work
) -> None:
    async with anyio.create_task_group() as group:
        left = await in_the_middle(runtime, work, group)
        (worker,) = living_workers()
        left.cancel_scope.cancel()
        with anyio.fail_after(20):  # the work itself would take minutes
            await wait_for_status(runtime, is_at_work(work.model, 0))

        ended = await in_the_middle(runtime, work, group)
        (job,) = runtime.status().jobs
        runtime.cancel(job.id)
        await ended.wait_until_finished()
        with anyio.fail_after(20):
            await wait_for_status(runtime, is_at_work(work.model, 0))

    used_seconds = sum(worker.cpu_times()[:2])
    await anyio.sleep(0.5)
    used_later_seconds = sum(worker.cpu_times()[:2])
    answered = await is_answered(runtime, work.short)

    assert used_later_seconds - used_seconds < 0.25
    assert isinstance(ended.error, Cancelled)
    assert answered
    assert [process.pid for process in living_workers()] == [worker.pid]
