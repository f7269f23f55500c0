"""/api/events with more than the status."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import anyio
import httpx2
import pytest
import websockets

from model_runtime.history.events import LoadEnded, ModelUnloaded, RequestEnded
from model_runtime.history.store import HistoryStore
from model_runtime.requests import Task
from model_runtime.status import ModelState
from openai_compat.dashboard.activity import change_text
from openai_compat.dashboard.health import health_of
from tests.fakes import FakeService

EVICTION = ModelUnloaded(20.0, "vlm-best", "evicted for image-gen", "needed 6.1 GB, 2.3 GB free")


class Envelopes:
    """Reads the envelopes of one kind."""

    def __init__(self, messages: AsyncIterator[dict[str, Any]]) -> None:
        self._messages = messages

    async def next(self, kind: str) -> dict[str, Any]:
        with anyio.fail_after(10):
            async for message in self._messages:
                if message["kind"] == kind:
                    return message
        raise AssertionError("the stream ended")


@asynccontextmanager
async def events(http: httpx2.AsyncClient, follow: str) -> AsyncGenerator[Envelopes]:
    async with http.stream("GET", "/api/events", params={"follow": follow}) as answer:
        lines = answer.aiter_lines()
        yield Envelopes(json.loads(line[6:]) async for line in lines if line.startswith("data: "))


def tick(service: FakeService) -> None:
    service.update_models(lambda models: models)


@pytest.mark.promise("history:live")
async def test_activity_comes_whole_and_then_as_it_happens(http: httpx2.AsyncClient, service: FakeService) -> None:
    service.history.record(LoadEnded(10.0, "vlm-best", 4.0))

    async with events(http, "activity") as stream:
        whole = await stream.next("activity")
        service.history.record(EVICTION)
        service.history.record(RequestEnded(30.0, "image-gen", "Cursor", Task.IMAGE, "ok", 1.0, 8.0, 12.0, 21.0, 1.0))
        tick(service)
        new = await stream.next("activity")
        tick(service)
        await stream.next("status")
        service.history.record(LoadEnded(40.0, "vlm-best", 0.0, "failed"))
        tick(service)
        failed = await stream.next("activity")

    assert (whole["reset"], [event["text"] for event in whole["events"]]) == (True, ["vlm-best loaded in 4.0 s"])
    assert (new["reset"], [event["kind"] for event in new["events"]]) == (False, ["request", "unload"])
    assert new["events"][0]["client"] == "Cursor"
    assert new["events"][1]["text"] == "image-gen unloaded vlm-best: needed 6.1 GB, 2.3 GB free"
    assert [event["text"] for event in failed["events"]] == ["vlm-best failed to load"]


@pytest.mark.promise("history:live")
async def test_a_web_socket_brings_the_same_activity(url: str, http: httpx2.AsyncClient, service: FakeService) -> None:
    service.history.record(EVICTION)
    address = f"{url.replace('http', 'ws', 1)}/api/events?follow=activity"

    async with websockets.connect(address) as connection:
        socket = Envelopes(json.loads(message) async for message in connection)
        over_socket = await socket.next("activity")
    async with events(http, "activity") as stream:
        streamed = await stream.next("activity")

    assert over_socket == streamed


async def test_a_past_that_was_read_from_the_disk_is_told_whole(http: httpx2.AsyncClient, service: FakeService) -> None:
    earlier = HistoryStore(service.history.path.parent)
    earlier.record(EVICTION)
    await earlier.save()

    async with events(http, "activity") as stream:
        empty = await stream.next("activity")
        await service.history.restore()
        tick(service)
        restored = await stream.next("activity")

    assert (empty["events"], restored["reset"], len(restored["events"])) == ([], True, 1)


async def test_kinds_that_do_not_exist_are_refused(url: str, http: httpx2.AsyncClient) -> None:
    answer = await http.get("/api/events?follow=activity,weather")
    with pytest.raises(websockets.exceptions.InvalidStatus) as refused:
        await websockets.connect(f"{url.replace('http', 'ws', 1)}/api/events?follow=weather")

    assert answer.status_code == refused.value.response.status_code == 400
    assert answer.json()["error"]["message"].startswith("follow names 'weather'; there is only activity")


@pytest.mark.parametrize(
    ("reason", "detail", "text"),
    [
        ("evicted for image-gen", "", "image-gen unloaded vlm-best"),
        ("idle", "", "vlm-best was unloaded: it was idle"),
        ("pressure", "", "vlm-best was unloaded: the machine was short of memory"),
        ("a later reason", "", "vlm-best was unloaded: a later reason"),
    ],
)
def test_an_unload_is_told_in_words(reason: str, detail: str, text: str) -> None:
    assert change_text(ModelUnloaded(1.0, "vlm-best", reason, detail)) == text


@pytest.mark.promise("status:why-degraded")
def test_health_names_the_model_that_failed_to_load_and_the_cause(service: FakeService) -> None:
    healthy = health_of(service.status())
    broken = replace(service.models[0], state=ModelState.BACKOFF, error="the file ends early", failure="failed to load")
    service.models = (broken, *service.models[1:])
    degraded = health_of(service.status())
    stopping = health_of(replace(service.status(), accepting=False))

    assert (healthy.state, healthy.text) == ("ok", "Healthy")
    assert (degraded.state, degraded.text) == ("degraded", "Degraded: vlm-starter failed to load")
    assert degraded.reasons[0].cause == "the file ends early"
    assert (stopping.state, stopping.text) == ("stopping", "Shutting down")
