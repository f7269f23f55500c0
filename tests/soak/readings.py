"""What the instance holds: memory, descriptors and processes, and whether it holds more than before."""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

import psutil

from benchmarks.instance import Instance

SETTLE_SECONDS = 60.0
GROWTH_MB = 10.0


@dataclass(frozen=True, slots=True)
class Reading:
    """The daemon at rest."""

    tree_mb: float
    """Resident memory of it and its processes."""
    descriptors: int
    charged_bytes: int
    orphans: int
    """Worker processes that live though no model is loaded."""


def offload(instance: Instance) -> None:
    """Wait until nothing runs, then give back every model."""
    _wait(lambda: not instance.status()["jobs"])
    for model in instance.status()["models"]:
        if model["state"] not in ("absent", "backoff"):
            instance.command(model["name"], "stop")
    _wait(lambda: all(model["state"] in ("absent", "backoff") for model in instance.status()["models"]))


def read(instance: Instance, seen: Collection[psutil.Process] = ()) -> Reading:
    """Read an instance that was offloaded; `seen` are all workers there ever were."""
    descriptors = _descriptors(instance)
    charged = int(instance.status()["memory"]["charged_bytes"])
    alive = {*filter(_lives, seen), *filter(_lives, instance.process.children(recursive=True))}
    return Reading(instance.tree_bytes() / 1e6, descriptors, charged, len(alive))


def faults(start: Reading, end: Reading, unanswered: Collection[str], unexpected: Collection[str]) -> list[str]:
    """Say what did not go as promised, a clause each."""
    growth_mb, opened = end.tree_mb - start.tree_mb, end.descriptors - start.descriptors
    found = {
        f"{len(unanswered)} calls were never answered ({', '.join(unanswered)})": bool(unanswered),
        f"calls ended in a way nothing explains ({', '.join(unexpected)})": bool(unexpected),
        f"{end.orphans} worker processes were left over": end.orphans > 0,
        f"{end.charged_bytes} bytes stay charged without a model": end.charged_bytes > 0,
        f"memory grew by {growth_mb:.1f} MB, more than {GROWTH_MB:g}": growth_mb > GROWTH_MB,
        f"{opened} file descriptors more are open than at the start": opened > 0,
    }
    return [clause for clause, is_so in found.items() if is_so]


def _descriptors(instance: Instance) -> int:
    """How many are open once connections that clients have closed are closed here, too; takes three seconds."""
    fewest, until = int(instance.process.num_fds()), time.monotonic() + 3
    while time.monotonic() < until:
        fewest = min(fewest, int(instance.process.num_fds()))
        time.sleep(0.05)
    return fewest


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SETTLE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"The instance does not come to rest within {SETTLE_SECONDS:.0f} s.")
        time.sleep(0.05)
