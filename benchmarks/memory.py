"""What comes back: resident memory of the whole process tree over cycles of load, call and unload."""

import time

from benchmarks.instance import Instance
from benchmarks.lab import ENDLESS, Lab
from benchmarks.row import Row
from benchmarks.works import Work, starters, works

CYCLES = 10
SETTLE_SECONDS = 0.4
KEPT_MB = 10


def measure(lab: Lab) -> list[Row]:
    """Load, ask and unload a model of every engine again and again, without the spare process."""
    text = next(work for work in works() if work.model == ENDLESS)
    with lab.instance(spare=False) as instance:
        return [_row(instance, work, lab.rounds(CYCLES)) for work in (*starters(), text)]


def _row(instance: Instance, work: Work, cycles: int) -> Row:
    """The first cycle warms the daemon up: it imports what it needs to decode and encode."""
    _cycle(instance, work)
    before = instance.tree_bytes()
    found = [_cycle(instance, work) for _ in range(cycles)]
    loaded = max(loaded for loaded, _ in found) / 1e6
    kept = [(after - before) / 1e6 for _, after in found]
    how = (
        f"{work.model}, worst of {cycles} cycles of a call and its offload, last {kept[-1]:.1f}; daemon and children: "
    )
    how += f"{before / 1e6:.0f} MB before, {loaded:.0f} MB loaded"
    return Row(f"tree RSS after offload minus before, {work.engine}", max(kept), "MB", KEPT_MB, how)


def _cycle(instance: Instance, work: Work) -> tuple[int, int]:
    work.send(instance.url).body()
    loaded = instance.tree_bytes()
    instance.command(work.model, "stop")
    time.sleep(SETTLE_SECONDS)
    return loaded, instance.tree_bytes()
