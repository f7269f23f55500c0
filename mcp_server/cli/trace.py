"""`senses trace`: how much loading the machine did, and how much any policy, or perfect foresight, would have needed."""

from io import StringIO

from rich.console import Console
from rich.table import Table

from model_runtime.errors import InvalidInput
from model_runtime.scheduler.eviction import POLICIES
from model_runtime.settings import Settings
from model_runtime.supervisor import memory
from model_runtime.trace.simulation import MOST_MODELS, Machine, optimum, replay
from model_runtime.trace.usage_log import NAME, Trace, read


def hindsight(settings: Settings) -> str:
    """Replay the log of this machine and return what people read.

    Raises:
        InvalidInput: nothing was logged yet, or more models than the optimum can be computed for.
    """
    trace = read(settings.folders.data)
    if not trace.asked:
        raise InvalidInput(
            f"There is no request in {settings.folders.data / NAME} yet. Use Senses for a while and ask again."
        )
    if len(trace.held_bytes) > MOST_MODELS:
        raise InvalidInput(
            f"The log names {len(trace.held_bytes)} models; the best possible is computed for at most {MOST_MODELS}."
        )
    budget = memory.budget_bytes(settings.budget_bytes, memory.total_bytes())
    machine = Machine(budget, settings.idle_seconds)
    best = optimum(trace, machine)
    rows = [(policy, replay(trace, policy, machine)) for policy in POLICIES]
    return _page(trace, machine, settings.eviction, [*rows, ("best possible", best)], best)


def _page(trace: Trace, machine: Machine, current: str, rows: list[tuple[str, float]], best: float) -> str:
    hours = (trace.asked[-1].at - trace.asked[0].at) / 3600
    title = (
        f"{len(trace.asked)} requests for {len(trace.held_bytes)} models in {hours:.1f} hours, "
        f"{machine.budget_bytes / 1e9:.1f} GB, idle models leave after {machine.keep_alive_seconds:g} s"
    )
    table = Table("eviction", "seconds of loading", "over the best possible", title=title, title_justify="left")
    for name, seconds in rows:
        ratio = f"{seconds / best:.2f} ×" if best else "–"
        table.add_row(f"{name} (yours)" if name == current else name, f"{seconds:.0f}", ratio)
    text = StringIO()
    Console(file=text, width=100).print(table)
    return text.getvalue().rstrip()
