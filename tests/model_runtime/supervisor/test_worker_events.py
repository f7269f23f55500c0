"""What the runtime makes of a process that is lost before it is reaped."""

from typing import Any, cast

import pytest

from model_runtime.errors import WorkerDied
from model_runtime.events import TextDelta
from model_runtime.ipc.messages import JobEnded
from model_runtime.process.process import Patience, WorkerProcess
from model_runtime.scheduler.messages import Exited, Happening
from model_runtime.supervisor.counters import Tally
from model_runtime.supervisor.model_worker import Tenant
from model_runtime.supervisor.request_table import Desk
from model_runtime.supervisor.worker_events import Ear
from model_runtime.supervisor.worker_pool import House
from tests.model_runtime.calls import chat
from tests.model_runtime.library import ScriptedLibrary, scripted_model


class Stub:
    """Stands for a process that nobody started."""

    name = "m"
    incarnation = 1
    was_sent_away = False
    may_have_starved = False


class Hearing:
    """An ear with one tenant whose job runs."""

    def __init__(self) -> None:
        self.happenings: list[Happening] = []
        model, tally = scripted_model("m"), Tally()
        self.desk = Desk(lambda: 0.0, tally, lambda job: None)
        self.house = House(ScriptedLibrary(model), lambda: 0.0, Patience())
        self.ear = Ear(self.desk, self.house, tally, lambda: 0.0, self.happenings.append, lambda: None)
        self.process = cast(WorkerProcess, Stub())
        self.house.tenants["m"] = Tenant(model, self.process, started_at=0.0, heard_at=0.0)
        self.job = self.desk.open(model, chat("say a"), "")
        self.job.begin(incarnation=1, loading_seconds=0.0, now=0.0)


async def test_callers_are_answered_when_the_link_ends_and_bytes_come_back_when_the_process_does() -> None:
    hearing = Hearing()
    hearing.desk.deliver(hearing.job, TextDelta("a"))

    hearing.ear.lost(hearing.process, "it closed its link")
    jobs, before = dict(hearing.desk.jobs), list(hearing.happenings)
    hearing.ear.reaped(hearing.process, "it closed its link")

    assert await hearing.job.mailbox.take() == TextDelta("a")
    with pytest.raises(WorkerDied, match="it closed its link"):
        await hearing.job.mailbox.take()
    assert (jobs, before) == ({}, [])
    assert hearing.happenings == [Exited("m", 1, "it closed its link")]


def test_a_caller_who_has_heard_nothing_yet_waits_for_another_process_and_not_for_a_third() -> None:
    hearing = Hearing()

    hearing.ear.lost(hearing.process, "it was killed")
    hearing.ear.reaped(hearing.process, "it was killed")
    waiting = hearing.job.granted_at
    hearing.job.begin(incarnation=1, loading_seconds=0.0, now=1.0)
    hearing.house.tenants["m"] = Tenant(hearing.job.model, hearing.process, started_at=0.0, heard_at=0.0)
    hearing.ear.lost(hearing.process, "it was killed again")

    assert hearing.happenings == [Exited("m", 1, "it was killed", untouched=frozenset({hearing.job.id}))]
    assert waiting is None
    assert hearing.desk.jobs == {}


def test_what_an_older_process_says_changes_nothing() -> None:
    hearing = Hearing()
    older = cast(Any, Stub())

    hearing.ear.reported(older, JobEnded(hearing.job.id, WorkerDied("late")))
    hearing.ear.lost(older, "late")
    hearing.ear.reaped(older, "late")

    assert list(hearing.desk.jobs) == [hearing.job.id]
    assert hearing.happenings == []
    assert "m" in hearing.house.tenants
