"""Let three clients call, give up and be hit by kills for minutes, and judge what is left: exit code 1 on any fault.

    python -m tests.soak [--minutes 10] [--seed 1]

Random kills and calls come from the seed; their times are the machine's. Memory is read at rest after a warm-up, in
which every client has made every kind of call, and at rest at the end.
"""

import argparse
import random
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from functools import partial
from itertools import chain
from pathlib import Path

import anyio
import anyio.to_thread
import psutil
from rich.console import Console

from benchmarks.instance import Instance, running
from model_runtime.catalog.builtin_models import STARTER_MODELS
from model_runtime.catalog.memory_estimate import resident_bytes, weights_bytes
from tests.soak.callers import Caller, over_mcp, over_openai
from tests.soak.media import Media, make_media
from tests.soak.readings import Reading, faults, offload, read
from tests.soak.tally import Tally

KILL_SECONDS = (8.0, 30.0)
LONG_SHARE = 0.3
GIVE_UP_SHARE = 0.15
GIVE_UP_SECONDS = (0.05, 2.0)
PAUSE_SECONDS = (0.0, 1.0)
TELL_SECONDS = 10.0

out = Console(highlight=False, soft_wrap=True)


class Crowd:
    """Everybody who uses one instance until the time is over."""

    def __init__(self, instance: Instance, tally: Tally, chance: random.Random) -> None:
        self.workers: set[psutil.Process] = set()
        self._instance = instance
        self._tally = tally
        self._chance = chance
        self._started = time.monotonic()

    async def act(self, callers: list[Caller], seconds: float) -> None:
        """Let each client call until then and finish what it has begun, while workers are killed."""
        self._started = time.monotonic()
        until = self._started + seconds
        async with anyio.create_task_group() as others:
            others.start_soon(self._kill)
            others.start_soon(self._tell)
            async with anyio.create_task_group() as clients:
                for caller in callers:
                    clients.start_soon(self._call, caller, until)
            others.cancel_scope.cancel()

    async def _call(self, caller: Caller, until: float) -> None:
        while time.monotonic() < until:
            is_long, streams = self._chance.random() < LONG_SHARE, self._chance.random() < 0.5
            what, call = self._chance.choice(caller.calls(is_long=is_long, streams=streams))
            gives_up = self._chance.random() < GIVE_UP_SHARE
            patience_seconds = self._chance.uniform(*GIVE_UP_SECONDS) if gives_up else None
            await self._tally.watch(what, call, patience_seconds)
            await anyio.sleep(self._chance.uniform(*PAUSE_SECONDS))

    async def _kill(self) -> None:
        due = 0.0
        while True:
            workers = self._instance.process.children()
            self.workers.update(workers)
            if workers and time.monotonic() > due:
                if due:
                    self._chance.choice(workers).kill()
                    self._tally.kills += 1
                due = time.monotonic() + self._chance.uniform(*KILL_SECONDS)
            await anyio.sleep(0.05)

    async def _tell(self) -> None:
        while True:
            await anyio.sleep(TELL_SECONDS)
            status = await anyio.to_thread.run_sync(self._instance.status)
            loaded = [model["name"] for model in status["models"] if model["charged_bytes"]]
            memory = f"{self._instance.tree_bytes() / 1e6:.0f} MB, {self._instance.process.num_fds()} descriptors"
            seconds = time.monotonic() - self._started
            out.print(f"{seconds:5.0f} s  {summary(self._tally)}; {memory}; {', '.join(loaded) or 'no model'}")


def summary(tally: Tally) -> str:
    """Say in a line what happened so far."""
    answers = ", ".join(f"{count} {outcome}" for outcome, count in tally.outcomes.most_common())
    return f"{answers or 'nothing yet'}; {tally.given_up} given up, {tally.kills} kills, {len(tally.unanswered)} lost"


async def warm_up(instance: Instance, media: Media) -> None:
    """Make every kind of call, short and long, with each client; a model's calls follow one another."""
    tally = Tally()
    async with AsyncExitStack() as stack:
        callers = await _enter(stack, instance, media)
        calls = [caller.calls(is_long=is_long, streams=not is_long) for is_long in (False, True) for caller in callers]
        for what, call in chain(*zip(*calls, strict=True)):
            out.print(f"Warming up: {what}")
            await tally.watch(what, call, None)
    if tally.outcomes.keys() != {"ok"} or tally.unanswered:
        raise RuntimeError(f"The warm-up went wrong: {summary(tally)}")


def budget_for_two() -> int:
    """Return a budget that holds the two largest starters as they are estimated, in bytes; three never fit."""
    sizes = (resident_bytes(model, weights_bytes({"model": Path(model.path)})) for model in STARTER_MODELS)
    return sum(sorted(sizes)[-2:])


async def soak(instance: Instance, media: Media, seconds: float, seed: int) -> tuple[Tally, list[str]]:
    """Warm up, let the crowd act, and return what happened and what went wrong."""
    tally = Tally()
    crowd = Crowd(instance, tally, random.Random(seed))  # noqa: S311 - a game
    await warm_up(instance, media)
    start = await at_rest(instance)
    out.print(f"At rest: {start.tree_mb:.1f} MB, {start.descriptors} descriptors.")
    async with AsyncExitStack() as stack:
        await crowd.act(await _enter(stack, instance, media), seconds)
    end = await at_rest(instance, crowd.workers)
    out.print(f"At rest: {end.tree_mb:.1f} MB, {end.descriptors} descriptors, {end.charged_bytes} bytes charged.")
    return tally, faults(start, end, tally.unanswered, list(tally.unexpected))


async def at_rest(instance: Instance, seen: "set[psutil.Process] | None" = None) -> Reading:
    """Give back every model and read what is held."""
    await anyio.to_thread.run_sync(offload, instance)
    return await anyio.to_thread.run_sync(read, instance, seen or set())


async def _enter(stack: AsyncExitStack, instance: Instance, media: Media) -> list[Caller]:
    clients = (over_mcp, over_openai, over_openai)
    return [await stack.enter_async_context(client(instance, media)) for client in clients]


def config(media: Media, budget_bytes: int) -> str:
    """Settings of the instance: a budget, and no spare process."""
    return f'[memory]\nspare = false\nbudget_gb = {budget_bytes / 1e9:.3f}\n[files]\nallowed_folders = ["{media.picture.parent}"]\n'


def main() -> None:
    """Read the command line, run and judge."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="senses-soak-") as folder:
        media = make_media(Path(folder))
        budget_bytes = budget_for_two()
        out.print(f"A budget of {budget_bytes / 1e9:.2f} GB holds two models; {wanted.minutes:g} minutes begin.")
        with running(config(media, budget_bytes)) as instance:
            tally, found = anyio.run(partial(soak, instance, media, wanted.minutes * 60, wanted.seed))
    out.print(f"{summary(tally)}; longest call {tally.longest_seconds:.1f} s.")
    out.print("\n".join(f"Fault: {clause}." for clause in found) or "Every call was answered and everything came back.")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
