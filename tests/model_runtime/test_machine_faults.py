"""The machine lies: system calls that the daemon repeats fail once, ten times or for a minute, and nothing ends."""

import errno
import fcntl
import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import psutil
import pytest

from model_runtime import atomic_file
from model_runtime.atomic_file import open_private
from model_runtime.catalog import disk
from model_runtime.catalog.fingerprint import fingerprint
from model_runtime.errors import SensesError
from model_runtime.events import Queued, TextDelta
from model_runtime.history.events import DaemonStarted
from model_runtime.history.store import HistoryStore
from model_runtime.problems import Problems
from model_runtime.process import process as process_module
from model_runtime.process import spawn
from model_runtime.process.log_tail import LogTail
from model_runtime.runtime import Runtime
from model_runtime.settings import Settings
from model_runtime.supervisor.model_info import LOOK_SECONDS, ModelInfoCache
from model_runtime.supervisor.pressure import Pressure
from model_runtime.supervisor.usage_log import UsageLog, recent_models
from tests.model_runtime.calls import BackgroundCall, chat, model_status_of, run_chat
from tests.model_runtime.library import FakeClock, ScriptedCatalog, living_workers, open_runtime, scripted_model

ERRNOS = (errno.EMFILE, errno.ENOSPC, errno.EACCES, errno.ENOMEM, errno.EIO)
FAILURES = (1, 10, 60)
"""Once, ten times, and once a second for a minute."""


class Fault:
    """A system call that fails `failures` times and then works."""

    def __init__(self, call: Callable[..., Any], failures: int, number: int) -> None:
        self._call = call
        self.failures_left = failures
        self._number = number

    def __call__(self, *args: Any, **options: Any) -> Any:
        if self.failures_left:
            self.failures_left -= 1
            raise OSError(self._number, os.strerror(self._number))
        return self._call(*args, **options)


def open_descriptors() -> int:
    return len(os.listdir("/dev/fd"))  # noqa: PTH208


# -- spawn -----------------------------------------------------------------------------------------------------------------


@pytest.mark.promise("reliability:machine")
@pytest.mark.parametrize("number", ERRNOS)
@pytest.mark.parametrize(
    ("module", "name"), [(socket, "socketpair"), (os, "pipe"), (fcntl, "fcntl"), (os, "posix_spawn")]
)
def test_a_worker_that_cannot_be_started_leaves_no_descriptor(
    monkeypatch: pytest.MonkeyPatch, module: Any, name: str, number: int
) -> None:
    before = open_descriptors()
    monkeypatch.setattr(module, name, Fault(getattr(module, name), 60, number))

    for _ in range(60):
        with pytest.raises(OSError, match=os.strerror(number)):
            spawn.spawn_worker("m")

    monkeypatch.undo()
    assert open_descriptors() == before


@pytest.mark.process
@pytest.mark.parametrize("number", ERRNOS)
@pytest.mark.parametrize("failures", FAILURES)
async def test_a_spawn_that_fails_for_a_while_answers_every_call_and_works_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, failures: int, number: int
) -> None:
    fault, clock = Fault(spawn.spawn_worker, failures, number), FakeClock()
    monkeypatch.setattr(process_module, "spawn_worker", fault)

    async with (
        open_runtime(settings, ScriptedCatalog(scripted_model("m")), clock=clock) as runtime,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(_pass_backoffs, runtime, clock)
        answer = ""
        while not answer:
            with suppress(SensesError):
                answer = await run_chat(runtime, chat("say hello"))
        tasks.cancel_scope.cancel()

    assert answer == "hello"
    assert fault.failures_left == 0


async def _pass_backoffs(runtime: Runtime, clock: FakeClock) -> None:
    """Let the time of each backoff pass at once."""
    while True:
        clock.now += model_status_of(runtime.status()).retry_in_seconds or 0.0
        await anyio.sleep(0.01)


@pytest.mark.process
async def test_without_a_thread_to_wait_for_it_a_worker_is_killed_and_the_call_answered(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name.startswith("reaper"):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    async with open_runtime(settings, ScriptedCatalog(scripted_model("m"))) as runtime:
        with pytest.raises(SensesError, match="cannot start another thread"):
            await run_chat(runtime, chat("say hello"))
        left = living_workers()

    assert left == []


# -- measure ---------------------------------------------------------------------------------------------------------------


@pytest.mark.process
@pytest.mark.parametrize("number", ERRNOS)
async def test_a_minute_without_measurements_changes_neither_calls_nor_status(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    async with open_runtime(settings, ScriptedCatalog(scripted_model("m")), tick_seconds=0.001) as runtime:
        await run_chat(runtime, chat("say before"))
        measured = runtime.status().memory
        for name in ("virtual_memory", "Process"):
            monkeypatch.setattr(psutil, name, Fault(getattr(psutil, name), 1_000_000, number))
        during = await run_chat(runtime, chat("say during"))
        memory, problems = runtime.status().memory, runtime.status().problems
        monkeypatch.undo()

    assert during == "during"
    assert memory.available_bytes > 0
    assert memory.daemon_bytes == measured.daemon_bytes
    assert problems == ()


# -- stat ------------------------------------------------------------------------------------------------------------------


@pytest.mark.promise("reliability:machine")
@pytest.mark.parametrize("number", ERRNOS)
@pytest.mark.parametrize("failures", FAILURES)
def test_a_model_whose_files_cannot_be_looked_at_is_broken_until_they_can(
    monkeypatch: pytest.MonkeyPatch, failures: int, number: int
) -> None:
    library, seen = ScriptedCatalog(scripted_model("m")), list[str]()
    cache = ModelInfoCache(library)
    monkeypatch.setattr(library, "info", Fault(library.info, failures, number))

    for reading in range(failures + 1):
        cache.refresh(reading * LOOK_SECONDS)
        seen.append(cache.of(library.models()[0]).broken_reason)

    assert all(os.strerror(number) in reason for reason in seen[:failures])
    assert seen[failures] == ""


# -- write and read state --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", ERRNOS)
@pytest.mark.parametrize("failures", FAILURES)
def test_a_log_of_requests_that_cannot_be_written_is_one_problem_until_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, failures: int, number: int
) -> None:
    problems, reported = Problems(), list[int]()
    log = UsageLog(tmp_path, lambda: 1.0, problems)
    monkeypatch.setattr(atomic_file, "open_private", Fault(open_private, failures, number))

    for _ in range(failures + 1):
        log.record("eyes")
        log.save()
        reported.append(len(problems.reasons()))

    assert reported == [1] * failures + [0]
    assert recent_models(tmp_path) == ["eyes"]
    assert sum(record.levelno >= logging.WARNING for record in caplog.records) == 1


@pytest.mark.promise("history:full-disk")
@pytest.mark.parametrize("number", ERRNOS)
@pytest.mark.parametrize("failures", FAILURES)
async def test_a_history_that_cannot_be_written_is_one_problem_until_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, failures: int, number: int
) -> None:
    problems, reported = Problems(), list[int]()
    store = HistoryStore(tmp_path, problems)
    monkeypatch.setattr(atomic_file, "open_private", Fault(open_private, failures, number))

    for at in range(failures + 1):
        store.record(DaemonStarted(float(at)))
        await store.save()
        reported.append(len(problems.reasons()))
    restarted = HistoryStore(tmp_path)
    await restarted.restore()

    assert reported == [1] * failures + [0]
    assert list(store.history.changes) == [DaemonStarted(float(at)) for at in range(failures + 1)]
    assert list(restarted.history.changes) == [DaemonStarted(float(failures))]
    assert sum(record.levelno >= logging.WARNING for record in caplog.records) == 1


@pytest.mark.process
@pytest.mark.parametrize("number", ERRNOS)
async def test_files_of_a_failed_model_that_cannot_be_looked_at_do_not_hide_its_exit(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(disk, "fingerprint", Fault(fingerprint, 60, number))
    library = ScriptedCatalog(scripted_model("m", load="refuse it is broken"), scripted_model("n"))

    async with open_runtime(settings, library) as runtime:
        for _ in range(3):
            with pytest.raises(SensesError):
                await run_chat(runtime, chat("say hello"))
        answer = await run_chat(runtime, chat("say hello", "n"))

    assert answer == "hello"


@pytest.mark.parametrize("number", ERRNOS)
def test_a_log_of_a_worker_that_cannot_be_read_is_left_alone(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    read_end, write_end = os.pipe()
    os.set_blocking(read_end, False)
    tail = LogTail("m", read_end)

    with monkeypatch.context() as machine:
        machine.setattr(os, "read", Fault(os.read, 1, number))
        goes_on = tail.read()
    os.close(read_end)
    os.close(write_end)

    assert not goes_on


# -- the clock -------------------------------------------------------------------------------------------------------------


@pytest.mark.process
@pytest.mark.parametrize("jump_seconds", [3600.0, -3600.0])
async def test_a_jump_of_the_clock_in_the_middle_of_a_call_changes_nothing(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump_seconds: float
) -> None:
    def jump(runtime: Runtime) -> None:
        true_time = time.time
        monkeypatch.setattr(time, "time", lambda: true_time() + jump_seconds)
        (tmp_path / "gate").touch()

    async with open_runtime(settings, ScriptedCatalog(scripted_model("m"))) as runtime:
        before = await run_chat(runtime, chat("say a"))
        answer = await _answer_across(runtime, tmp_path / "gate", jump)
        models = runtime.status().models

    assert (before, answer) == ("a", "ab")
    assert [model.error for model in models] == [""]


@pytest.mark.process
@pytest.mark.promise("runtime:sleep")
@pytest.mark.parametrize(
    ("clock_seconds", "wall_seconds"),
    [
        (0.0, 28_800.0),  # a Mac slept: its monotonic clock stood still
        (3600.0, 3600.0),  # a virtual machine was paused
        (0.0, -3600.0),  # somebody set the clock back
    ],
)
async def test_a_machine_that_sleeps_in_the_middle_of_a_call_answers_it_and_those_that_wait(
    settings: Settings, tmp_path: Path, clock_seconds: float, wall_seconds: float
) -> None:
    clock, wall_clock, gate, ticks_since = FakeClock(), FakeClock(), tmp_path / "gate", list[None]()
    has_slept = False

    def tick() -> Pressure:
        ticks_since.extend([None] if has_slept else [])
        if len(ticks_since) == 3:
            gate.touch()
        return Pressure.NORMAL

    async with (
        open_runtime(
            settings,
            ScriptedCatalog(scripted_model("m")),
            clock=clock,
            wall_clock=wall_clock,
            memory_pressure=tick,
            tick_seconds=0.001,
        ) as runtime,
        anyio.create_task_group() as group,
    ):
        running = BackgroundCall(runtime, chat(f"say a; wait {gate}; say b")).start(group)
        await running.wait_for_event(TextDelta)
        waiting = BackgroundCall(runtime, chat("say c")).start(group)
        await waiting.wait_for_event(Queued)
        clock.now, wall_clock.now, has_slept = clock.now + clock_seconds, wall_clock.now + wall_seconds, True
        await running.wait_until_finished()
        await waiting.wait_until_finished()

    assert (running.error, running.text_so_far) == (None, "ab")
    assert (waiting.error, waiting.text_so_far) == (None, "c")


async def _answer_across(runtime: Runtime, gate: Path, event: Callable[[Runtime], None]) -> str:
    """Run a chat, let `event` happen after its first word, and return its text."""
    text = ""
    async for output in runtime.run(chat(f"say a; wait {gate}; say b")):
        part = getattr(output, "text", "")
        if part and not text:
            event(runtime)
        text += part
    return text
