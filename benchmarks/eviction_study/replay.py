"""How much loading a trace costs under an eviction policy, with the real scheduler.

Requests and loads take no time here, so only the decisions count: which models are in memory when.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.eviction_study.policies import POLICIES, ReloadCosts
from benchmarks.eviction_study.trace import Trace
from model_runtime.scheduler.core import Scheduler
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
from model_runtime.supervisor.usage_log import ModelRequest


@dataclass(frozen=True, slots=True)
class Machine:
    """What the models share; `keep_alive_seconds` -1 means that no model is offloaded by its timer."""

    budget_bytes: int
    keep_alive_seconds: float = 300.0


def replay(trace: Trace, policy: str, machine: Machine) -> float:
    """Return the seconds of loading that the scheduler spends on a trace with this eviction policy."""
    specs = [
        ModelSpec(model, held, trace.load_seconds[model], keep_alive_seconds=machine.keep_alive_seconds)
        for model, held in trace.held_bytes.items()
        if held <= machine.budget_bytes
    ]
    costs = ReloadCosts(trace.load_seconds)
    limits = SchedulerLimits(queue_seconds=1e12, min_residency_seconds=0.0)
    simulator = _Simulator(Scheduler(specs, machine.budget_bytes, limits, POLICIES[policy](costs.cost)), trace)
    for number, request in enumerate(fitting(trace, machine)):
        costs.record_request(request.model, request.at)
        # models whose time is over leave now rather than when it ended: nothing is loaded in between
        simulator.dispatch(request.at, Tick())
        simulator.dispatch(request.at, RequestArrived(number, request.model))
    return simulator.lost_seconds


def fitting(trace: Trace, machine: Machine) -> Iterator[ModelRequest]:
    """Return the requests for models that fit the budget at all."""
    return (one for one in trace.requests if trace.held_bytes[one.model] <= machine.budget_bytes)


class _Simulator:
    """Carries out the scheduler's actions at once, and sums what the loads would have taken."""

    def __init__(self, scheduler: Scheduler, trace: Trace) -> None:
        self._scheduler = scheduler
        self._trace = trace
        self.lost_seconds = 0.0

    def dispatch(self, now: float, event: SchedulerEvent) -> None:
        """Give the scheduler an event, and what follows from its actions."""
        todo = [event]
        while todo:
            for action in self._scheduler.handle(now, todo.pop(0)):
                todo += self._outcome(action)

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
