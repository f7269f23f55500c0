"""Measures the resources of an instance (memory, descriptors, processes), and finds leaks."""

import subprocess
import sys
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from benchmarks.instance import Instance
from tests.soak.faults import current_daemon

SETTLE_SECONDS = 60.0
GROWTH_MB = 10.0


@dataclass(frozen=True, slots=True)
class ResourceUsage:
    """Resources of the daemon with no model loaded."""

    resident_mb: float
    """Resident memory of the daemon and its child processes."""
    descriptors: int
    charged_bytes: int
    orphans: int
    """Worker processes that run although no model is loaded."""


def measure_at_rest(instance: Instance, known_workers: Collection[psutil.Process] = ()) -> ResourceUsage:
    """Start a daemon as a client does unless one runs, unload all its models and measure it."""
    shim = str(Path(sys.executable).with_name("senses-mcp"))
    subprocess.run([shim], env=instance.environ, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    daemon = current_daemon(instance)
    if daemon is None:
        raise RuntimeError("A client has started no daemon.")
    unload_all(instance)
    return measure_usage(replace(instance, process=daemon), known_workers)


def unload_all(instance: Instance) -> None:
    """Wait until no request runs, then unload every model."""
    _wait_until(lambda: not instance.status()["jobs"])
    for model in instance.status()["models"]:
        if model["state"] not in ("absent", "backoff"):
            instance.command(model["name"], "stop")
    _wait_until(lambda: all(model["state"] in ("absent", "backoff") for model in instance.status()["models"]))


def measure_usage(instance: Instance, known_workers: Collection[psutil.Process] = ()) -> ResourceUsage:
    """Measure an instance without loaded models. `known_workers` are all workers that have ever run."""
    descriptors = _settled_descriptor_count(instance)
    charged_bytes = int(instance.status()["memory"]["charged_bytes"])
    alive = {*filter(_is_running, known_workers), *filter(_is_running, instance.process.children(recursive=True))}
    return ResourceUsage(instance.resident_bytes() / 1e6, descriptors, charged_bytes, len(alive))


def find_faults(
    start: ResourceUsage, end: ResourceUsage, unanswered: Collection[str], unexpected: Collection[str]
) -> list[str]:
    """Return a clause per broken promise."""
    growth_mb, new_descriptors = end.resident_mb - start.resident_mb, end.descriptors - start.descriptors
    clause_is_true = {
        f"{len(unanswered)} calls were never answered ({', '.join(unanswered)})": bool(unanswered),
        f"calls had unexpected outcomes ({', '.join(unexpected)})": bool(unexpected),
        f"{end.orphans} worker processes were left over": end.orphans > 0,
        f"{end.charged_bytes} bytes stay charged without a model": end.charged_bytes > 0,
        f"memory grew by {growth_mb:.1f} MB, more than {GROWTH_MB:g}": growth_mb > GROWTH_MB,
        f"{new_descriptors} file descriptors more are open than at the start": new_descriptors > 0,
    }
    return [clause for clause, is_true in clause_is_true.items() if is_true]


def _settled_descriptor_count(instance: Instance) -> int:
    """Return the lowest number of open descriptors in three seconds: the daemon closes connections a little later."""
    lowest, deadline = int(instance.process.num_fds()), time.monotonic() + 3
    while time.monotonic() < deadline:
        lowest = min(lowest, int(instance.process.num_fds()))
        time.sleep(0.05)
    return lowest


def _is_running(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SETTLE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"The instance is not idle after {SETTLE_SECONDS:.0f} s.")
        time.sleep(0.05)
