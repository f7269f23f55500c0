"""What comes back: resident memory of the whole process tree over cycles of load and unload."""

import time

from benchmarks.instance import Instance
from benchmarks.row import Row

CYCLES = 10
SETTLE_SECONDS = 1.0


def measure(instance: Instance, model: str) -> list[Row]:
    """Load and unload `model` again and again; the first cycle warms the daemon itself up."""
    _cycle(instance, model)
    before = instance.tree_bytes()
    cycles = [_cycle(instance, model) for _ in range(CYCLES)]
    loaded = max(loaded for loaded, _ in cycles)
    worst = max(after for _, after in cycles) - before
    how = f"{model}, {CYCLES} cycles, RSS of the daemon and its children"
    return [
        Row("tree RSS before load", before / 1e6, "MB", None, how),
        Row("tree RSS loaded, highest", loaded / 1e6, "MB", None, how),
        Row("tree RSS after offload minus before, worst cycle", worst / 1e6, "MB", 10, how),
    ]


def _cycle(instance: Instance, model: str) -> tuple[int, int]:
    instance.command(model, "start")
    loaded = instance.tree_bytes()
    instance.command(model, "stop")
    time.sleep(SETTLE_SECONDS)
    return loaded, instance.tree_bytes()
