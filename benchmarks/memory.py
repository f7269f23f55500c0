"""What comes back: resident memory of the whole process tree over cycles of load, call and unload."""

import time

from benchmarks.instance import Instance
from benchmarks.lab import ENDLESS, BenchmarkContext
from benchmarks.row import Row
from benchmarks.works import Workload, all_workloads, starter_workloads

CYCLES = 10
SETTLE_SECONDS = 0.4
GROWTH_TARGET_MB = 10


def measure(context: BenchmarkContext) -> list[Row]:
    """Load, ask and unload a model of every engine again and again, without the spare process."""
    text = next(work for work in all_workloads() if work.model == ENDLESS)
    with context.instance(spare=False) as instance:
        return [_row(instance, work, context.rounds(CYCLES)) for work in (*starter_workloads(), text)]


def _row(instance: Instance, work: Workload, cycles: int) -> Row:
    """The first cycle warms the daemon up: it imports what it needs to decode and encode."""
    _cycle(instance, work)
    before = instance.resident_bytes()
    found = [_cycle(instance, work) for _ in range(cycles)]
    loaded = max(loaded for loaded, _ in found) / 1e6
    growth_mb = [(after - before) / 1e6 for _, after in found]
    how = f"{work.model}, worst of {cycles} cycles of a call and its offload, last {growth_mb[-1]:.1f}; daemon and children: "
    how += f"{before / 1e6:.0f} MB before, {loaded:.0f} MB loaded"
    return Row(f"tree RSS after offload minus before, {work.engine}", max(growth_mb), "MB", GROWTH_TARGET_MB, how)


def _cycle(instance: Instance, work: Workload) -> tuple[int, int]:
    work.send(instance.url).body()
    loaded = instance.resident_bytes()
    instance.command(work.model, "stop")
    time.sleep(SETTLE_SECONDS)
    return loaded, instance.resident_bytes()
