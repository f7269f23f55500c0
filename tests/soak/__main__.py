"""Run six clients that call, upload and give up while processes are killed and stopped. Exits with 1 on any fault.

    python -m tests.soak [--minutes 10] [--seed 1] [--sentences 1000] [--daemon-kills 100]

In the first half workers are disturbed, in the second the daemon too; the shims then find or start another. Before,
one worker speaks many sentences, and a daemon over the fake runtime is killed many times under six MCP clients.

The seed decides calls and faults, but not their exact times. Resources are measured with no model loaded: after a
warm-up, in which every client has made every kind of call, after the first half and at the end.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Collection
from contextlib import AsyncExitStack
from dataclasses import replace
from itertools import chain, zip_longest
from pathlib import Path

import anyio
import anyio.to_thread
import psutil
from mcp import MCPError
from rich.console import Console

from benchmarks.instance import Instance, running_instance
from model_runtime.catalog.builtin_models import STARTER_MODELS
from model_runtime.catalog.memory_estimate import resident_bytes, weights_bytes
from tests.soak.callers import (
    OpenClient,
    SoakClient,
    is_closed_connection,
    open_mcp_client,
    open_openai_client,
)
from tests.soak.daemon_kills import find_kill_faults, run_daemon_kills
from tests.soak.faults import (
    FaultInjector,
    count_worker_ends,
    current_daemon,
    find_unplanned_ends,
    stop_current_daemon,
)
from tests.soak.media import MediaFiles, make_media
from tests.soak.readings import ResourceUsage, find_faults, measure_at_rest
from tests.soak.sentences import find_sentence_faults, speak_sentences
from tests.soak.tally import ANSWER_TIMEOUT_SECONDS, SHIM_ENDED, CallOutcomes

LONG_CALL_SHARE = 0.3
FACES = (open_mcp_client, open_openai_client)
CLIENTS_OF_EACH_FACE = 3
GIVE_UP_SHARE = 0.15
GIVE_UP_SECONDS = (0.05, 2.0)
PAUSE_SECONDS = (0.0, 1.0)
LONGEST_LIFE_SECONDS = 1.0
"""Of a daemon over the fake runtime, whose calls take milliseconds, between its start and its kill."""
STATUS_INTERVAL_SECONDS = 10.0

out = Console(highlight=False, soft_wrap=True)


class LoadGenerator:
    """The clients, the faults and the status output of one part of a run."""

    def __init__(self, instance: Instance, media: MediaFiles, outcomes: CallOutcomes, rng: random.Random) -> None:
        self.faults = FaultInjector(instance, outcomes, rng)
        self._instance = instance
        self._media = media
        self._outcomes = outcomes
        self._rng = rng
        self._started = time.monotonic()

    async def run(self, seconds: float, *, daemon_dies: bool) -> None:
        """Let each client call for `seconds` and finish its last call, while workers, or the daemon too, are disturbed."""
        deadline = time.monotonic() + seconds
        async with anyio.create_task_group() as background_tasks:
            background_tasks.start_soon(self.faults.disturb_workers)
            background_tasks.start_soon(self._print_status)
            if daemon_dies:
                background_tasks.start_soon(self.faults.disturb_daemon)
            with anyio.fail_after(seconds + 2 * ANSWER_TIMEOUT_SECONDS):
                async with anyio.create_task_group() as clients:
                    for open_client in FACES * CLIENTS_OF_EACH_FACE:
                        clients.start_soon(self._call_until, open_client, deadline)
            background_tasks.cancel_scope.cancel()

    async def _call_until(self, open_client: OpenClient, deadline: float) -> None:
        """Call until the deadline; a client whose shim has ended is opened again, and that is a fault."""
        while time.monotonic() < deadline:
            try:
                async with open_client(self._instance, self._media) as caller:
                    await self._call_while_connected(caller, deadline)
            except (MCPError, ExceptionGroup) as error:
                if not is_closed_connection(error):
                    raise
                self._outcomes.outcomes[SHIM_ENDED] += 1

    async def _call_while_connected(self, caller: SoakClient, deadline: float) -> None:
        outcome = ""
        while time.monotonic() < deadline and outcome != SHIM_ENDED:
            is_long, streams = self._rng.random() < LONG_CALL_SHARE, self._rng.random() < 0.5
            name, call = self._rng.choice(caller.calls(is_long=is_long, streams=streams))
            gives_up = self._rng.random() < GIVE_UP_SHARE
            give_up_seconds = self._rng.uniform(*GIVE_UP_SECONDS) if gives_up else None
            outcome = await self._outcomes.record(name, call, give_up_seconds)
            await anyio.sleep(self._rng.uniform(*PAUSE_SECONDS))

    async def _print_status(self) -> None:
        while True:
            await anyio.sleep(STATUS_INTERVAL_SECONDS)
            seconds = time.monotonic() - self._started
            out.print(f"{seconds:5.0f} s  {summary(self._outcomes)}; {usage_text(self._instance)}")


def usage_text(instance: Instance) -> str:
    """Return the memory and descriptors of the daemon that runs now."""
    daemon = current_daemon(instance)
    try:
        if daemon is None:
            return "no daemon"
        return f"{replace(instance, process=daemon).resident_bytes() / 1e6:.0f} MB, {daemon.num_fds()} descriptors"
    except psutil.NoSuchProcess:
        return "no daemon"


def summary(outcomes: CallOutcomes) -> str:
    """Return the outcomes so far as one line."""
    counted = outcomes.outcomes.most_common() + sorted(outcomes.faults.items())
    counts = ", ".join(f"{count} {what}" for what, count in counted)
    return f"{counts or 'nothing yet'}; {outcomes.given_up} given up, {len(outcomes.unanswered)} lost"


async def warm_up(instance: Instance, media: MediaFiles) -> None:
    """Open all clients and make every kind of call, short and long, with one of each face, grouped by model.

    Raises:
        RuntimeError: a call fails.
    """
    outcomes = CallOutcomes()
    async with AsyncExitStack() as stack:
        callers = [await stack.enter_async_context(open_client(instance, media)) for open_client in FACES]
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
    """Warm up, disturb workers in the first half and the daemon too in the second; return the outcomes and the faults."""
    outcomes = CallOutcomes()
    load = LoadGenerator(instance, media, outcomes, random.Random(seed))  # noqa: S311 - not for security
    await warm_up(instance, media)
    start = await usage_at_rest(instance)
    await load.run(seconds / 2, daemon_dies=False)
    clauses = find_faults(start, await usage_at_rest(instance, load.faults.workers), [], [])
    await load.run(seconds / 2, daemon_dies=True)
    end = await usage_at_rest(instance, load.faults.workers)
    clauses += find_faults(start, end, outcomes.unanswered, list(outcomes.unexpected))
    ends = count_worker_ends(instance)
    out.print("Workers: " + ", ".join(f"{count} {how}" for how, count in ends.most_common()))
    clauses += find_unplanned_ends(ends, outcomes.faults)
    return outcomes, list(dict.fromkeys(clauses))


async def usage_at_rest(instance: Instance, known_workers: Collection[psutil.Process] = ()) -> ResourceUsage:
    """Find the daemon, or start it as a client does, unload all models, and measure and print the resources in use."""
    usage = await anyio.to_thread.run_sync(measure_at_rest, instance, known_workers)
    out.print(
        f"At rest: {usage.resident_mb:.1f} MB, {usage.descriptors} descriptors, "
        f"{usage.charged_bytes} bytes charged, {usage.orphans} orphans."
    )
    return usage


def config(media: MediaFiles, budget_bytes: int) -> str:
    """Return the instance's settings: a budget, and no spare worker, whose memory would count as growth."""
    return f'[memory]\nspare = false\nbudget_gb = {budget_bytes / 1e9:.3f}\n[files]\nallowed_folders = ["{media.picture.parent}"]\n'


def main() -> None:
    """Run the soak test with the options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sentences", type=int, default=1000)
    parser.add_argument("--daemon-kills", type=int, default=100)
    arguments = parser.parse_args()
    faults_found: list[str] = []
    with tempfile.TemporaryDirectory(prefix="senses-soak-") as folder:
        media = make_media(Path(folder))
        settings = config(media, budget_for_two())
        if arguments.sentences:
            faults_found += run_sentences(settings, arguments.sentences)
        if arguments.daemon_kills:
            faults_found += run_kills(Path(folder) / "kills", arguments.daemon_kills, arguments.seed)
        if arguments.minutes:
            faults_found += run_clients(settings, media, arguments.minutes * 60, arguments.seed)
    out.print("\n".join(f"Fault: {clause}." for clause in faults_found) or "Nothing was lost and nothing was leaked.")
    sys.exit(bool(faults_found))


def run_sentences(settings: str, count: int) -> list[str]:
    """Let one worker speak so many sentences and return the faults."""
    with running_instance(settings) as instance:
        spoken = speak_sentences(instance, count)
    out.print(f"{count} sentences: {spoken}")
    return find_sentence_faults(spoken)


def run_kills(folder: Path, kills: int, seed: int) -> list[str]:
    """Kill a daemon so often under six MCP clients and return the faults."""
    folder.mkdir()
    started = time.monotonic()
    instance = run_daemon_kills(
        folder, kills, seed, longest_life_seconds=LONGEST_LIFE_SECONDS, daemon_module="tests.mcp_server.fake_daemon"
    )
    outcomes = instance.outcomes
    out.print(
        f"{instance.kill_count} kills of the daemon in {time.monotonic() - started:.0f} s: {summary(outcomes)}; "
        f"{sum(instance.saved.values())} files written, {len(instance.results)} results stored; "
        f"longest call {outcomes.longest_seconds:.1f} s."
    )
    return find_kill_faults(instance)


def run_clients(settings: str, media: MediaFiles, seconds: float, seed: int) -> list[str]:
    """Run the clients and return the faults."""
    out.print(f"{len(FACES * CLIENTS_OF_EACH_FACE)} clients call for {seconds / 60:g} minutes.")
    with running_instance(settings) as instance:
        try:
            outcomes, faults_found = anyio.run(soak, instance, media, seconds, seed)
        finally:
            stop_current_daemon(instance)
    out.print(f"{summary(outcomes)}; longest call {outcomes.longest_seconds:.1f} s.")
    return faults_found


if __name__ == "__main__":
    main()
