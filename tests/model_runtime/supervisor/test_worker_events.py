"""What the supervisor does when a worker disconnects, exits or is replaced."""

from typing import Any, cast

import pytest

from model_runtime.errors import WorkerDied
from model_runtime.events import TextDelta
from model_runtime.ipc.messages import RequestOutcome
from model_runtime.prepare import PreparedRequest
from model_runtime.process.process import StopTimeouts, WorkerProcess
from model_runtime.requests import Task
from model_runtime.scheduler.messages import SchedulerEvent, WorkerExited
from model_runtime.supervisor.counters import CounterRegistry
from model_runtime.supervisor.model_worker import ModelWorker
from model_runtime.supervisor.request_table import RequestTable
from model_runtime.supervisor.status_feed import StatusFeed
from model_runtime.supervisor.worker_events import WorkerEventHandler
from model_runtime.supervisor.worker_pool import WorkerPool
from tests.model_runtime.calls import chat
from tests.model_runtime.library import scripted_model


class StubProcess:
    """A process that was never started."""

    name = "m"
    incarnation = 1
    stop_requested = False
    oom_suspected = False


class RunningRequest:
    """A handler, and one worker that runs one request."""

    def __init__(self) -> None:
        self.events: list[SchedulerEvent] = []
        model, counters = scripted_model("m"), CounterRegistry()
        self.requests = RequestTable(lambda: 0.0, counters, lambda request: None)
        self.pool = WorkerPool(lambda: 0.0, StopTimeouts())
        self.handler = WorkerEventHandler(
            self.requests, self.pool, counters, lambda: 0.0, self.events.append, StatusFeed(cast(Any, None))
        )
        self.process = cast(WorkerProcess, StubProcess())
        self.pool.workers["m"] = ModelWorker(model, self.process, started_at=0.0, last_message_at=0.0)
        self.request = self.requests.add(1, PreparedRequest(chat("say a"), model, Task.TEXT), "")
        self.request.start(incarnation=1, loading_seconds=0.0, now=0.0)


async def test_callers_are_answered_at_the_disconnect_and_memory_is_free_at_the_exit() -> None:
    running = RunningRequest()
    running.request.deliver(TextDelta("a"), 0.0)

    running.handler.on_disconnect(running.process, "the worker closed its connection")
    open_requests, events_before = dict(running.requests.active), list(running.events)
    running.handler.on_exit(running.process, "the worker closed its connection")

    assert await running.request.outputs.get() == TextDelta("a")
    with pytest.raises(WorkerDied, match="the worker closed its connection"):
        await running.request.outputs.get()
    assert (open_requests, events_before) == ({}, [])
    assert running.events == [WorkerExited("m", 1, "the worker closed its connection")]


def test_a_request_without_output_waits_for_a_second_worker_and_not_for_a_third() -> None:
    running = RunningRequest()

    running.handler.on_disconnect(running.process, "it was killed")
    running.handler.on_exit(running.process, "it was killed")
    granted_at = running.request.granted_at
    running.request.start(incarnation=1, loading_seconds=0.0, now=1.0)
    running.pool.workers["m"] = ModelWorker(running.request.model, running.process, started_at=0.0, last_message_at=0.0)
    running.handler.on_disconnect(running.process, "it was killed again")

    assert running.events == [WorkerExited("m", 1, "it was killed", retriable=frozenset({running.request.id}))]
    assert granted_at is None
    assert running.requests.active == {}


def test_a_message_of_an_older_process_changes_nothing() -> None:
    running = RunningRequest()
    older = cast(Any, StubProcess())

    running.handler.on_message(older, RequestOutcome(running.request.id, WorkerDied("late")))
    running.handler.on_disconnect(older, "late")
    running.handler.on_exit(older, "late")

    assert list(running.requests.active) == [running.request.id]
    assert running.events == []
    assert "m" in running.pool.workers
