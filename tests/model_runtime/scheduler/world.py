"""A simulated machine around the scheduler: processes that load, crash and are reaped late; callers that disconnect.

It performs every action and asserts on it, so that the exhaustive exploration and Hypothesis judge the scheduler by
what happens to the processes, not by its own state.
"""

import copyreg
import pickle
from collections.abc import Callable, Iterator
from typing import Any

from model_runtime.scheduler.core import Scheduler
from model_runtime.scheduler.messages import (
    CancelRequest,
    Grant,
    RejectRequest,
    RequestArrived,
    SchedulerAction,
    SchedulerEvent,
    StartWorker,
    StopWorker,
)
from model_runtime.scheduler.model_record import ModelSpec, SchedulerLimits
from tests.model_runtime.scheduler.invariants import violations

_shared: dict[int, object] = {}
"""Frozen values that all copies of a world share; copying them would take as long as copying the rest."""


def _shared_value(number: int) -> Any:
    return _shared[number]


def _share(value: object) -> tuple[Callable[[int], Any], tuple[int]]:
    _shared[id(value)] = value
    return _shared_value, (id(value),)


copyreg.pickle(ModelSpec, _share)
copyreg.pickle(SchedulerLimits, _share)


class SimulatedWorld:
    """Living processes by (model, incarnation) with their bytes; running and answered requests."""

    def __init__(self, scheduler: Scheduler, *, unreliable: bool = False) -> None:
        self.scheduler = scheduler
        self.unreliable = unreliable
        """Whether memory runs short, models grow, and failed models and requests are tried again."""
        self.now = 0.0
        self.processes: dict[tuple[str, int], int] = {}
        self.stopping: set[tuple[str, int]] = set()
        self.draining: set[tuple[str, int]] = set()
        self.running: dict[int, tuple[str, int]] = {}
        self.working_bytes: dict[int, int] = {}
        """Request → bytes it takes while it runs."""
        self.cancelled: set[int] = set()
        self.answered: dict[int, str] = {}

    def copies(self) -> Iterator["SimulatedWorld"]:
        """Yield copies that can take other steps."""
        packed = pickle.dumps(self, pickle.HIGHEST_PROTOCOL)
        while True:
            yield pickle.loads(packed)  # noqa: S301  our own bytes

    def dispatch(self, event: SchedulerEvent, after_seconds: float = 0.0) -> list[SchedulerAction]:
        """Pass an event to the scheduler, perform its actions and check both."""
        self.now += after_seconds
        if isinstance(event, RequestArrived):
            self.working_bytes[event.request_id] = event.working_bytes
        actions = self.scheduler.handle(self.now, event)
        for action in actions:
            self._perform(action)
        self._assert_invariants()
        return actions

    def finish_request(self, request: int) -> tuple[str, int]:
        """End a running request and return its process."""
        process = self.running.pop(request)
        self.record_answer(request, "done" if request not in self.cancelled else "cancelled")
        return process

    def remove_process(self, process: tuple[str, int]) -> None:
        """Remove an exited process; the scheduler answers its requests."""
        del self.processes[process]
        self.stopping.discard(process)
        self.draining.discard(process)
        self.running = {request: on for request, on in self.running.items() if on != process}

    def record_answer(self, request: int, outcome: str) -> None:
        """Record an answer; every request gets one."""
        assert request not in self.answered, f"request {request} answered twice: {self.answered[request]}, {outcome}"
        self.answered[request] = outcome

    def _perform(self, action: SchedulerAction) -> None:
        match action:
            case StartWorker(model, incarnation, reserved):
                assert not any(name == model for name, _ in self.processes), f"{model} has a process already"
                assert self.scheduler.records[model].queue, f"{model} is loaded without a queued request"
                self.processes[model, incarnation] = reserved
            case StopWorker(model, incarnation, reason):
                process = (model, incarnation)
                assert process in self.processes, f"{model} has no process {incarnation} to stop"
                assert process not in self.running.values(), f"{model} is stopped while it runs a request"
                by_policy = reason not in ("operator", "shutdown", "load timeout")
                assert not (self.scheduler.records[model].pinned and by_policy), f"pinned {model} stopped: {reason}"
                self.stopping.add(process)
            case Grant(request, model, incarnation):
                process = (model, incarnation)
                assert process in self.processes, f"request {request} granted to an exited process"
                assert process not in self.stopping | self.draining, (
                    f"request {request} granted to a process being unloaded"
                )
                assert request not in self.answered
                self.running[request] = process
            case CancelRequest(request):
                assert request in self.running
                self.cancelled.add(request)
            case RejectRequest(request, code):
                assert request not in self.cancelled, f"request {request} is answered after its cancel"
                self.record_answer(request, code)

    def _assert_invariants(self) -> None:
        scheduler = self.scheduler
        self.draining |= {
            (record.name, record.incarnation) for record in scheduler.records.values() if record.state == "draining"
        }
        assert violations(scheduler) == []
        for (model, incarnation), held in self.processes.items():
            record = scheduler.records[model]
            assert record.incarnation == incarnation, f"{model} lives on as incarnation {incarnation}"
            assert record.charged_bytes >= held, f"{model} holds {held} bytes but {record.charged_bytes} are charged"
        held = sum(self.processes.values()) + sum(self.working_bytes[request] for request in self.running)
        assert held <= scheduler.budget_bytes, "real memory over budget"
        waiting = {request for request in scheduler.requests if position_of(scheduler, request)}
        assert waiting | set(self.running) >= set(scheduler.requests) - self.cancelled


def position_of(scheduler: Scheduler, request_id: int) -> int:
    """Return the request's place in its model's queue, from 1; 0 if it is not queued."""
    queues = [[request.id for request in record.queue] for record in scheduler.records.values()]
    return next((queue.index(request_id) + 1 for queue in queues if request_id in queue), 0)
