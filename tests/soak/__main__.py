"""Run six clients that call, upload and give up while workers are killed and stopped. Exits with 1 on any fault.

    python -m tests.soak [--minutes 10] [--seed 1] [--sentences 1000]

Afterwards one worker speaks many sentences.

The seed decides calls and kills, but not their exact times. Resources are measured with no model loaded: after a
warm-up, in which every client has made every kind of call, and at the end.
"""

import argparse
import random
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from functools import partial
from itertools import chain, zip_longest
from pathlib import Path

import anyio
import anyio.to_thread
import psutil
from rich.console import Console

from benchmarks.instance import Instance, running_instance
from model_runtime.catalog.builtin_models import STARTER_MODELS
from model_runtime.catalog.memory_estimate import resident_bytes, weights_bytes
from tests.soak.callers import SoakClient, open_mcp_client, open_openai_client
from tests.soak.media import MediaFiles, make_media
from tests.soak.readings import ResourceUsage, find_faults, measure_usage, unload_all
from tests.soak.sentences import find_sentence_faults, speak_sentences
from tests.soak.tally import CallOutcomes

KILL_INTERVAL_SECONDS = (8.0, 30.0)
LONG_CALL_SHARE = 0.3
FACES = (open_mcp_client, open_openai_client)
CLIENTS_OF_EACH_FACE = 3
GIVE_UP_SHARE = 0.15
STOP_SHARE = 0.25
GIVE_UP_SECONDS = (0.05, 2.0)
PAUSE_SECONDS = (0.0, 1.0)
STATUS_INTERVAL_SECONDS = 10.0

out = Console(highlight=False, soft_wrap=True)


class LoadGenerator:
    """The clients, the worker kills and the status output of one run."""

    def __init__(self, instance: Instance, outcomes: CallOutcomes, rng: random.Random) -> None:
        self.workers: set[psutil.Process] = set()
        self._instance = instance
        self._outcomes = outcomes
        self._rng = rng
        self._started = time.monotonic()

    async def run(self, clients_to_run: list[SoakClient], seconds: float) -> None:
        """Let each client call for `seconds` and finish its last call, while workers are killed."""
        self._started = time.monotonic()
        deadline = self._started + seconds
        async with anyio.create_task_group() as background_tasks:
            background_tasks.start_soon(self._kill_workers)
            background_tasks.start_soon(self._print_status)
            async with anyio.create_task_group() as clients:
                for caller in clients_to_run:
                    clients.start_soon(self._call_until, caller, deadline)
            background_tasks.cancel_scope.cancel()

    async def _call_until(self, caller: SoakClient, deadline: float) -> None:
        while time.monotonic() < deadline:
            is_long, streams = self._rng.random() < LONG_CALL_SHARE, self._rng.random() < 0.5
            name, call = self._rng.choice(caller.calls(is_long=is_long, streams=streams))
            gives_up = self._rng.random() < GIVE_UP_SHARE
            give_up_seconds = self._rng.uniform(*GIVE_UP_SECONDS) if gives_up else None
            await self._outcomes.record(name, call, give_up_seconds)
            await anyio.sleep(self._rng.uniform(*PAUSE_SECONDS))

    async def _kill_workers(self) -> None:
        next_kill_at = 0.0
        while True:
            workers = self._instance.process.children()
            self.workers.update(workers)
            if workers and time.monotonic() > next_kill_at:
                if next_kill_at:
                    self._end_or_stop(self._rng.choice(workers))
                next_kill_at = time.monotonic() + self._rng.uniform(*KILL_INTERVAL_SECONDS)
            await anyio.sleep(0.05)

    def _end_or_stop(self, worker: psutil.Process) -> None:
        """Send SIGKILL, or SIGSTOP: the watchdog has to notice that a stopped worker sends no heartbeat."""
        if self._rng.random() < STOP_SHARE:
            worker.suspend()
            self._outcomes.stops += 1
        else:
            worker.kill()
            self._outcomes.kills += 1

    async def _print_status(self) -> None:
        while True:
            await anyio.sleep(STATUS_INTERVAL_SECONDS)
            status = await anyio.to_thread.run_sync(self._instance.status)
            loaded = [model["name"] for model in status["models"] if model["charged_bytes"]]
            memory = f"{self._instance.resident_bytes() / 1e6:.0f} MB, {self._instance.process.num_fds()} descriptors"
            seconds = time.monotonic() - self._started
            out.print(f"{seconds:5.0f} s  {summary(self._outcomes)}; {memory}; {', '.join(loaded) or 'no model'}")


def summary(outcomes: CallOutcomes) -> str:
    """Return the outcomes so far as one line."""
    answers = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.outcomes.most_common())
    return f"{answers or 'nothing yet'}; {outcomes.given_up} given up, {outcomes.kills} kills, {outcomes.stops} stops, {len(outcomes.unanswered)} lost"


async def warm_up(instance: Instance, media: MediaFiles) -> None:
    """Open all clients and make every kind of call, short and long, with one of each face, grouped by model.

    Raises:
        RuntimeError: a call fails.
    """
    outcomes = CallOutcomes()
    async with AsyncExitStack() as stack:
        callers = (await _open_clients(stack, instance, media))[: len(FACES)]
        calls = [caller.calls(is_long=is_long, streams=not is_long) for is_long in (False, True) for caller in callers]
        for name, call in filter(None, chain(*zip_longest(*calls))):
            out.print(f"Warming up: {name}")
            await outcomes.record(name, call, None)
    if outcomes.outcomes.keys() != {"ok"} or outcomes.unanswered:
        raise RuntimeError(f"The warm-up failed: {summary(outcomes)}")


def budget_for_two() -> int:
    """Return a budget in bytes that holds the two largest starters by their estimates. Three never fit."""
    sizes = (resident_bytes(model, weights_bytes({"model": Path(model.path)})) for model in STARTER_MODELS)
    return sum(sorted(sizes)[-2:])


async def soak(instance: Instance, media: MediaFiles, seconds: float, seed: int) -> tuple[CallOutcomes, list[str]]:
    """Warm up, run the load, and return the outcomes and the faults found."""
    outcomes = CallOutcomes()
    load_generator = LoadGenerator(instance, outcomes, random.Random(seed))  # noqa: S311 - not for security
    await warm_up(instance, media)
    start = await usage_at_rest(instance)
    out.print(f"At rest: {start.resident_mb:.1f} MB, {start.descriptors} descriptors.")
    async with AsyncExitStack() as stack:
        await load_generator.run(await _open_clients(stack, instance, media), seconds)
    end = await usage_at_rest(instance, load_generator.workers)
    out.print(f"At rest: {end.resident_mb:.1f} MB, {end.descriptors} descriptors, {end.charged_bytes} bytes charged.")
    return outcomes, find_faults(start, end, outcomes.unanswered, list(outcomes.unexpected))


async def usage_at_rest(instance: Instance, known_workers: "set[psutil.Process] | None" = None) -> ResourceUsage:
    """Unload all models and measure the resources in use."""
    await anyio.to_thread.run_sync(unload_all, instance)
    return await anyio.to_thread.run_sync(measure_usage, instance, known_workers or set())


async def _open_clients(stack: AsyncExitStack, instance: Instance, media: MediaFiles) -> list[SoakClient]:
    return [await stack.enter_async_context(client(instance, media)) for client in FACES * CLIENTS_OF_EACH_FACE]


def config(media: MediaFiles, budget_bytes: int) -> str:
    """Return the instance's settings: a budget, and no spare worker, whose memory would count as growth."""
    return f'[memory]\nspare = false\nbudget_gb = {budget_bytes / 1e9:.3f}\n[files]\nallowed_folders = ["{media.picture.parent}"]\n'


def main() -> None:
    """Run the soak test with the options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sentences", type=int, default=1000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="senses-soak-") as folder:
        media = make_media(Path(folder))
        budget_bytes = budget_for_two()
        out.print(f"A budget of {budget_bytes / 1e9:.2f} GB holds two models; {arguments.minutes:g} minutes begin.")
        with running_instance(config(media, budget_bytes)) as instance:
            outcomes, faults_found = anyio.run(partial(soak, instance, media, arguments.minutes * 60, arguments.seed))
            if arguments.sentences:
                spoken = speak_sentences(instance, arguments.sentences)
                out.print(f"{arguments.sentences} sentences: {spoken}")
                faults_found += find_sentence_faults(spoken)
    out.print(f"{summary(outcomes)}; longest call {outcomes.longest_seconds:.1f} s.")
    out.print(
        "\n".join(f"Fault: {clause}." for clause in faults_found) or "Every call was answered and nothing was leaked."
    )
    sys.exit(bool(faults_found))


if __name__ == "__main__":
    main()
