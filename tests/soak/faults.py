"""Ends and stops what the clients depend on: workers at random, and the daemon itself."""

import json
import random
import re
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import anyio
import psutil

from benchmarks.instance import Instance
from mcp_server.launcher.paths import InstancePaths
from tests.soak.tally import CallOutcomes

WORKER_INTERVAL_SECONDS = (8.0, 30.0)
DAEMON_INTERVAL_SECONDS = (20.0, 45.0)
STOP_SHARE = 0.25
DAEMON_STOP_SHARE = 0.4
DAEMON_STOP_SECONDS = (1.0, 10.0)
POLL_SECONDS = 0.05
DEAF = "did not leave when it was told to, and was killed"
"""As a worker does not that is stopped while it is unloaded."""
WORKER_END = re.compile(
    r"The worker of \S+ has exited: the worker (?:was )?(\w+ (?:no heartbeat|by \w+|with code \d+)|.+)"
)


def current_daemon(instance: Instance) -> psutil.Process | None:
    """Return the daemon of an instance, which a client may have started; None while none runs."""
    try:
        info = json.loads(Path(InstancePaths(instance.environ).daemon_json).read_text(encoding="utf-8"))
        daemon = psutil.Process(info["pid"])
        return daemon if daemon.status() != psutil.STATUS_ZOMBIE else None
    except (OSError, ValueError, psutil.Error):
        return None


def stop_current_daemon(instance: Instance) -> None:
    """Kill the daemon that a client has started in place of a killed one; its workers end with it."""
    daemon = current_daemon(instance)
    if daemon is not None and daemon.pid != instance.process.pid:
        daemon.kill()


def count_worker_ends(instance: Instance) -> Counter[str]:
    """Return how often workers ended by themselves, by a signal and for want of a heartbeat, by the log of the daemons."""
    log = InstancePaths(instance.environ).log_file
    return Counter(WORKER_END.findall(Path(log).read_text(encoding="utf-8", errors="replace")))


def find_unplanned_ends(ends: Mapping[str, int], faults: Mapping[str, int]) -> list[str]:
    """Return a clause for workers that ended otherwise than by a fault that was sent to them, or on demand."""
    killed, silent = ends.get("killed by SIGKILL", 0), ends.get("sent no heartbeat", 0) + ends.get(DEAF, 0)
    others = sorted(set(ends) - {"exited with code 0", "killed by SIGKILL", "sent no heartbeat", DEAF})
    clause_is_true = {
        f"{killed} workers were killed, {faults.get('worker killed', 0)} of them by this test": (
            killed > faults.get("worker killed", 0)
        ),
        f"{silent} workers were taken for dead, {faults.get('worker stopped', 0)} were stopped": (
            silent > faults.get("worker stopped", 0)
        ),
        f"workers ended by themselves ({', '.join(others)})": bool(others),
    }
    return [clause for clause, is_true in clause_is_true.items() if is_true]


class FaultInjector:
    """Sends SIGKILL, or SIGSTOP, at random times until it is cancelled."""

    def __init__(self, instance: Instance, outcomes: CallOutcomes, rng: random.Random) -> None:
        self.workers: set[psutil.Process] = set()
        """All workers that were ever seen."""
        self._instance = instance
        self._outcomes = outcomes
        self._rng = rng

    async def disturb_workers(self) -> None:
        """Kill workers, or stop them: the watchdog has to notice that a stopped worker sends no heartbeat."""
        next_fault_at = anyio.current_time() + self._rng.uniform(*WORKER_INTERVAL_SECONDS)
        while True:
            workers = self._see_workers()
            if workers and anyio.current_time() > next_fault_at:
                self._disturb_worker(self._rng.choice(workers))
                next_fault_at = anyio.current_time() + self._rng.uniform(*WORKER_INTERVAL_SECONDS)
            await anyio.sleep(POLL_SECONDS)

    async def disturb_daemon(self) -> None:
        """Kill the daemon, or stop it and let it go on; after a kill the next client starts another."""
        while True:
            await anyio.sleep(self._rng.uniform(*DAEMON_INTERVAL_SECONDS))
            daemon = current_daemon(self._instance)
            if daemon is None:
                continue
            if self._rng.random() < DAEMON_STOP_SHARE:
                await self._pause(daemon)
            else:
                self._see_workers()
                daemon.kill()
                self._outcomes.faults["daemon killed"] += 1

    async def _pause(self, daemon: psutil.Process) -> None:
        daemon.suspend()
        self._outcomes.faults["daemon stopped"] += 1
        try:
            await anyio.sleep(self._rng.uniform(*DAEMON_STOP_SECONDS))
        finally:
            with suppress(psutil.NoSuchProcess):
                daemon.resume()

    def _see_workers(self) -> list[psutil.Process]:
        daemon = current_daemon(self._instance)
        with suppress(psutil.NoSuchProcess):
            workers = daemon.children() if daemon is not None else []
            self.workers.update(workers)
            return workers
        return []

    def _disturb_worker(self, worker: psutil.Process) -> None:
        with suppress(psutil.NoSuchProcess):  # it may have exited by itself
            if self._rng.random() < STOP_SHARE:
                worker.suspend()
                self._outcomes.faults["worker stopped"] += 1
            else:
                worker.kill()
                self._outcomes.faults["worker killed"] += 1
