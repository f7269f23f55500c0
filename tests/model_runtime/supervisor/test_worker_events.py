"""What the runtime makes of a process that is lost before it is reaped."""

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
from tests.model_runtime.library import ScriptedCatalog, scripted_model


class Stub:
    """Stands for a process that nobody started."""

    name = "m"
    incarnation = 1
    stop_requested = False
    oom_suspected = False


class Hearing:
    """An handler with one worker whose job runs."""

    def __init__(self) -> None:
        self.events: list[SchedulerEvent] = []
        model, counters = scripted_model("m"), CounterRegistry()
        self.requests = RequestTable(lambda: 0.0, counters, lambda job: None)
        self.pool = WorkerPool(ScriptedCatalog(model), lambda: 0.0, StopTimeouts())
        self.handler = WorkerEventHandler(
            self.requests, self.pool, counters, lambda: 0.0, self.events.append, StatusFeed(cast(Any, None))
        )
        self.process = cast(WorkerProcess, Stub())
        self.pool.workers["m"] = ModelWorker(model, self.process, started_at=0.0, last_message_at=0.0)
        self.job = self.requests.add(1, PreparedRequest(chat("say a"), model, Task.TEXT), "")
        self.job.start(incarnation=1, loading_seconds=0.0, now=0.0)


async def test_callers_are_answered_when_the_link_ends_and_bytes_come_back_when_the_process_does() -> None:
    hearing = Hearing()
    hearing.job.deliver(TextDelta("a"), 0.0)

    hearing.handler.on_disconnect(hearing.process, "it closed its link")
    jobs, before = dict(hearing.requests.active), list(hearing.events)
    hearing.handler.on_exit(hearing.process, "it closed its link")

    assert await hearing.job.outputs.get() == TextDelta("a")
    with pytest.raises(WorkerDied, match="it closed its link"):
        await hearing.job.outputs.get()
    assert (jobs, before) == ({}, [])
    assert hearing.events == [WorkerExited("m", 1, "it closed its link")]


def test_a_caller_who_has_heard_nothing_yet_waits_for_another_process_and_not_for_a_third() -> None:
    hearing = Hearing()

    hearing.handler.on_disconnect(hearing.process, "it was killed")
    hearing.handler.on_exit(hearing.process, "it was killed")
    waiting = hearing.job.granted_at
    hearing.job.start(incarnation=1, loading_seconds=0.0, now=1.0)
    hearing.pool.workers["m"] = ModelWorker(hearing.job.model, hearing.process, started_at=0.0, last_message_at=0.0)
    hearing.handler.on_disconnect(hearing.process, "it was killed again")

    assert hearing.events == [WorkerExited("m", 1, "it was killed", retriable=frozenset({hearing.job.id}))]
    assert waiting is None
    assert hearing.requests.active == {}


def test_what_an_older_process_says_changes_nothing() -> None:
    hearing = Hearing()
    older = cast(Any, Stub())

    hearing.handler.on_message(older, RequestOutcome(hearing.job.id, WorkerDied("late")))
    hearing.handler.on_disconnect(older, "late")
    hearing.handler.on_exit(older, "late")

    assert list(hearing.requests.active) == [hearing.job.id]
    assert hearing.events == []
    assert "m" in hearing.pool.workers
