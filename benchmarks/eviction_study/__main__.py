"""Print how much loading this machine did, by eviction policy, next to the best possible.

python -m benchmarks.eviction_study
"""

import os
import sys

from rich.console import Console
from rich.table import Table

from benchmarks.eviction_study.optimum import MAX_MODELS, belady_optimum
from benchmarks.eviction_study.policies import POLICIES
from benchmarks.eviction_study.replay import Machine, replay
from benchmarks.eviction_study.trace import Trace, read
from model_runtime.settings import load_settings
from model_runtime.supervisor import usage_log
from model_runtime.supervisor.scheduler_factory import budget_bytes


def main() -> None:
    """Replay the log of this machine and print the table."""
    settings = load_settings(os.environ)
    trace = read(settings.folders.data)
    if not trace.requests:
        sys.exit(f"There is no request in {settings.folders.data / usage_log.NAME} yet. Use Senses for a while.")
    if len(trace.held_bytes) > MAX_MODELS:
        sys.exit(f"The log names {len(trace.held_bytes)} models; the optimum is computed for at most {MAX_MODELS}.")
    budget = budget_bytes(settings)
    Console().print(table(trace, Machine(budget, settings.idle_seconds)))


def table(trace: Trace, machine: Machine) -> Table:
    """Return the seconds of loading by policy, and over the best possible."""
    best = belady_optimum(trace, machine)
    hours = (trace.requests[-1].at - trace.requests[0].at) / 3600
    title = (
        f"{len(trace.requests)} requests for {len(trace.held_bytes)} models in {hours:.1f} hours, "
        f"{machine.budget_bytes / 1e9:.1f} GB, idle models leave after {machine.keep_alive_seconds:g} s"
    )
    made = Table("eviction", "seconds of loading", "over the best possible", title=title, title_justify="left")
    rows = [(policy, replay(trace, policy, machine)) for policy in POLICIES]
    for name, seconds in [*rows, ("best possible", best)]:
        made.add_row(name, f"{seconds:.0f}", f"{seconds / best:.2f} ×" if best else "–")
    return made


if __name__ == "__main__":
    main()
