"""Clients, an operator and somebody who kills workers, all at once: every call is answered and nothing is left over."""

import os
import random
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace

import anyio
import pytest

from model_runtime.errors import SensesError
from model_runtime.requests import Task
from model_runtime.runtime import Runtime
from model_runtime.settings import Settings
from model_runtime.supervisor.watchdog import WatchdogLimits
from tests.model_runtime.calls import chat, run_chat
from tests.model_runtime.library import MEGABYTE, ScriptedCatalog, living_workers, open_runtime, scripted_model

pytestmark = pytest.mark.process

SECONDS = 5.0
NAMES = ("eyes", "ears", "voice")
SCRIPTS = (
    *["say one two three"] * 12,
    *["pieces 300"] * 4,
    "flood 20",
    "refuse too long",
    "say a; raise shapes",
    "say a; exit 0",
    "garbage",
    "exhaust",
    "nothing",
    "hang",
    "say a; stall",
)
LIMITS = WatchdogLimits(
    heartbeat_seconds=3, stall_seconds=dict.fromkeys(Task, 1.0), cancel_seconds=0.5, uncontended_cancel_seconds=0.5
)


class Crowd:
    """Everybody who uses one runtime for a while, with one source of randomness."""

    def __init__(self, runtime: Runtime, seed: int) -> None:
        self.runtime = runtime
        self.random = random.Random(seed)  # noqa: S311  a game
        self.answers: Counter[str] = Counter()
        self.most_charged = 0
        self.most_processes = 0

    async def act(self, *people: Callable[[], Awaitable[None]]) -> None:
        """Let these act again and again until the time is over, and let each finish what it does."""
        end = anyio.current_time() + SECONDS

        async def repeat(act: Callable[[], Awaitable[None]]) -> None:
            while anyio.current_time() < end:
                await act()
                await anyio.sleep(self.random.random() / 20)

        async with anyio.create_task_group() as group:
            for person in people:
                group.start_soon(repeat, person)

    async def call(self) -> None:
        """Call a model, and perhaps hang up early."""
        hang_up = self.random.random() / 4 if self.random.random() < 0.25 else 1000
        request = chat(self.random.choice(SCRIPTS), self.random.choice(NAMES))
        with anyio.fail_after(30):
            try:
                with anyio.move_on_after(hang_up) as scope:
                    await run_chat(self.runtime, request, keep_alive_seconds=self.random.choice([None, 0.0]))
                self.answers["hung up" if scope.cancelled_caught else "ok"] += 1
            except SensesError as error:
                self.answers[error.code] += 1

    async def operate(self) -> None:
        """Load, unload, pin and cancel."""
        name = self.random.choice(NAMES)
        with suppress(SensesError), anyio.move_on_after(1):
            await self.random.choice([self.runtime.load, self.runtime.unload])(name)
        self.runtime.pin(name, self.random.random() < 0.3)
        for job in self.runtime.status().jobs[: self.random.randrange(2)]:
            self.runtime.cancel(job.id)

    async def kill(self) -> None:
        """Send a signal to a worker."""
        await anyio.sleep(self.random.random())
        living = living_workers()
        for process in self.random.sample(living, k=min(1, len(living))):
            with suppress(ProcessLookupError):
                os.kill(process.pid, self.random.choice([signal.SIGKILL, signal.SIGSTOP, signal.SIGABRT]))

    async def audit(self) -> None:
        """Look at the books and at the processes."""
        self.most_charged = max(self.most_charged, self.runtime.status().memory.charged_bytes)
        self.most_processes = max(self.most_processes, len(living_workers()))


@pytest.mark.promise("runtime:always-answered")
async def test_whatever_happens_every_call_is_answered_and_nothing_is_left_over(settings: Settings) -> None:
    models = (
        scripted_model("eyes"),
        scripted_model("ears", concurrency=4),
        scripted_model("voice", load="progress 0.5"),
    )
    library = ScriptedCatalog(*models, needed=dict.fromkeys(NAMES, 50 * MEGABYTE))
    tight = replace(settings, memory_budget_bytes=110 * MEGABYTE, queue_timeout_seconds=10.0, load_timeout_seconds=5.0)
    async with open_runtime(tight, library, watchdog_limits=LIMITS) as runtime:
        crowd = Crowd(runtime, seed=7)
        await crowd.act(*[crowd.call] * 8, crowd.operate, crowd.kill, crowd.audit)
        jobs = runtime.status().jobs
        with anyio.fail_after(20):
            await runtime.close(0.5)
        charged = runtime.status().memory.charged_bytes

    assert crowd.answers["ok"] > 0
    assert crowd.answers.total() > 20
    assert crowd.most_charged <= 110 * MEGABYTE
    assert crowd.most_processes <= len(NAMES)
    assert (jobs, charged) == ((), 0)
    assert living_workers() == []
