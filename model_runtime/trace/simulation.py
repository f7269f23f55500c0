"""How much loading a trace costs: with the real scheduler under any policy, and with perfect foresight.

Requests take no time of their own here, so only the decisions count: which models are in memory when.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from model_runtime.scheduler.core import Scheduler
from model_runtime.scheduler.eviction import POLICIES
from model_runtime.scheduler.messages import (
    Grant,
    ModelLoaded,
    RequestArrived,
    RequestFinished,
    SchedulerAction,
    SchedulerEvent,
    StartWorker,
    StopWorker,
    Tick,
    WorkerExited,
)
from model_runtime.scheduler.model_record import ModelSpec, SchedulerLimits
from model_runtime.trace.usage_log import Asked, Trace

MOST_MODELS = 14
"""The optimum looks at every set of models: 16 384 sets."""

MOMENT_SECONDS = 1e-6
"""After a time that was rounded, so that what is due then is surely due."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What the models share; `keep_alive_seconds` -1 means that none leaves by itself."""

    budget_bytes: int
    keep_alive_seconds: float = 300.0


def replay(trace: Trace, policy: str, machine: Machine) -> float:
    """Return the seconds of loading that the scheduler spends on a trace with this eviction policy."""
    plans = [
        ModelSpec(model, held, trace.load_seconds[model], keep_alive_seconds=machine.keep_alive_seconds)
        for model, held in trace.held_bytes.items()
        if held <= machine.budget_bytes
    ]
    limits = SchedulerLimits(queue_seconds=1e12, min_residency_seconds=0.0)
    player = _Player(Scheduler(plans, machine.budget_bytes, limits, POLICIES[policy]), trace)
    for number, one in enumerate(fitting(trace, machine)):
        player.pass_time_until(one.at)
        player.happen(one.at, RequestArrived(number, one.model))
    return player.lost_seconds


def fitting(trace: Trace, machine: Machine) -> Iterator[Asked]:
    """The requests for models that fit the budget at all."""
    return (one for one in trace.asked if trace.held_bytes[one.model] <= machine.budget_bytes)


class _Player:
    """A machine whose processes load and leave at once; it sums what the loads would have taken."""

    def __init__(self, scheduler: Scheduler, trace: Trace) -> None:
        self._scheduler = scheduler
        self._trace = trace
        self.lost_seconds = 0.0

    def pass_time_until(self, now: float) -> None:
        """Let every model leave that is due by then, each at its time."""
        while due := [time for time in self._due() if time <= now]:
            self.happen(min(due) + MOMENT_SECONDS, Tick())

    def happen(self, now: float, happening: SchedulerEvent) -> None:
        todo = [happening]
        while todo:
            for action in self._scheduler.handle(now, todo.pop(0)):
                todo += self._outcome(action)

    def _due(self) -> Iterator[float]:
        for record in self._scheduler.records.values():
            if record.is_idle and record.keep_alive_seconds >= 0 and record.idle_since is not None:
                yield record.idle_since + record.keep_alive_seconds

    def _outcome(self, action: SchedulerAction) -> list[SchedulerEvent]:
        match action:
            case StartWorker(model, incarnation):
                self.lost_seconds += self._trace.load_seconds[model]
                return [ModelLoaded(model, incarnation, self._trace.held_bytes[model])]
            case Grant(request, model, incarnation):
                return [RequestFinished(request, model, incarnation)]
            case StopWorker(model, incarnation):
                return [WorkerExited(model, incarnation)]
            case _:
                return []


def optimum(trace: Trace, machine: Machine) -> float:
    """Return the fewest seconds of loading any choice of evictions could have spent on a trace.

    Exact dynamic programming over the sets of models in memory. Keeping a model is free until its memory is needed, so
    only the largest sets that fit are followed. A model leaves by its timer as it does in the scheduler.

    Raises:
        ValueError: the trace has more than `MOST_MODELS` models.
    """
    models = sorted({one.model for one in fitting(trace, machine)})
    if len(models) > MOST_MODELS:
        raise ValueError(f"The optimum is computed for at most {MOST_MODELS} models; the trace has {len(models)}.")
    sets = _Sets([trace.held_bytes[model] for model in models], machine.budget_bytes)
    used_at = dict.fromkeys(models, float("-inf"))
    costs = {0: 0.0}
    for one in fitting(trace, machine):
        here = 1 << models.index(one.model)
        alive = sum(1 << number for number, model in enumerate(models) if _lives(used_at[model], one.at, machine))
        after: dict[int, float] = {}
        for held, cost in costs.items():
            left = held & alive
            loading = 0.0 if left & here else trace.load_seconds[one.model]
            for kept in [left] if left & here else sets.beside(left, here):
                after[kept] = min(after.get(kept, float("inf")), cost + loading)
        costs = after
        used_at[one.model] = one.at
    return min(costs.values())


def _lives(used_at: float, now: float, machine: Machine) -> bool:
    return machine.keep_alive_seconds < 0 or now - used_at < machine.keep_alive_seconds


class _Sets:
    """Sets of models as bits, and which of them fit beside another model."""

    def __init__(self, sizes: list[int], budget_bytes: int) -> None:
        self._sizes = sizes
        self._budget_bytes = budget_bytes
        self._known: dict[tuple[int, int], list[int]] = {}

    def beside(self, held: int, model: int) -> list[int]:
        """Return the largest sets, `model` among them, that keep only what was held and fit the budget."""
        if (held, model) not in self._known:
            fitting = [kept | model for kept in _subsets(held) if self._size(kept | model) <= self._budget_bytes]
            self._known[held, model] = [
                one for one in fitting if not any(one != two and one & two == one for two in fitting)
            ]
        return self._known[held, model]

    def _size(self, held: int) -> int:
        return sum(size for number, size in enumerate(self._sizes) if held >> number & 1)


def _subsets(held: int) -> Iterator[int]:
    """Every subset of a set of bits, the set itself first."""
    kept = held
    while True:
        yield kept
        if not kept:
            return
        kept = (kept - 1) & held
