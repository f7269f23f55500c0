"""Health, status, events and the page's commands."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
import websockets
from prometheus_client.parser import text_string_to_metric_families
from websockets.asyncio.client import ClientConnection

from model_runtime.requests import Task
from model_runtime.settings import Settings
from model_runtime.status import Counters, JobStatus, ModelState, Status
from openai_compat.app import create_app
from openai_compat.dashboard import events
from tests.fakes import FakeService
from tests.openai_compat.conftest import SwitchableApp


@pytest.mark.promise("status:health")
async def test_health_is_json_with_facts(http: httpx2.AsyncClient) -> None:
    """Some clients take a plain OK for the answer of another server."""
    answer = await http.get("/health")

    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ok",
        "text": "Healthy",
        "reasons": [],
        "problems": [],
        "version": "0.0.0",
        "uptime_seconds": 1.0,
        "ready_models": [],
    }


@pytest.mark.promise("reliability:health")
async def test_health_names_what_is_wrong_and_stays_200(http: httpx2.AsyncClient, service: FakeService) -> None:
    """A service manager that restarts on 503 must not do so for ever because of one bad alias."""
    service.problems.report("tick", "The background task 'tick' fails.")
    service.update_models(
        lambda models: [replace(models[0], error="its folder is gone", failure="cannot be used"), *models[1:]]
    )

    degraded = await http.get("/health")
    status = await http.get("/api/status")
    service.problems.clear("tick")
    service.update_models(lambda models: [replace(model, error="") for model in models])
    ok = await http.get("/health")

    assert degraded.status_code == 200
    assert degraded.json()["status"] == "degraded"
    assert degraded.json()["problems"] == ["The background task 'tick' fails.", "vlm-starter: its folder is gone"]
    assert degraded.json()["text"] == "Degraded: The background task 'tick' fails. and 1 more"
    assert degraded.json()["reasons"][1] == {
        "model": "vlm-starter",
        "text": "vlm-starter cannot be used",
        "cause": "its folder is gone",
    }
    assert status.json()["problems"] == ["The background task 'tick' fails."]
    assert ok.json()["status"] == "ok"


async def test_health_is_503_while_the_runtime_shuts_down(http: httpx2.AsyncClient, service: FakeService) -> None:
    status = replace(service.status(), accepting=False)
    service.status = lambda: status  # type: ignore[method-assign]

    answer = await http.get("/health")

    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "shutting_down"
    assert answer.headers["retry-after"] == "5"


@pytest.mark.promise("status:events")
async def test_events_begin_with_a_snapshot_and_follow_every_change(
    http: httpx2.AsyncClient, service: FakeService
) -> None:
    async with http.stream("GET", "/api/events") as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        lines = answer.aiter_lines()
        first = await next_status(lines)
        service.update_models(lambda models: [replace(models[0], state=ModelState.READY), *models[1:]])
        second = await next_status(lines)

    assert first["models"][0]["state"] == "absent"
    assert second["models"][0]["state"] == "ready"
    assert first.keys() == {*Status.__dataclass_fields__, "kind", "health"}


async def next_status(lines: AsyncIterator[str]) -> dict[str, list[dict[str, object]]]:
    """Return the status of the next event."""
    with anyio.fail_after(5):
        async for line in lines:
            if line.startswith("data: "):
                status: dict[str, list[dict[str, object]]] = json.loads(line[6:])
                return status
    raise AssertionError("the stream ended")


async def test_events_end_when_the_runtime_shuts_down(http: httpx2.AsyncClient, service: FakeService) -> None:
    shutting_down = replace(service.status(), accepting=False)
    service.status = lambda: shutting_down  # type: ignore[method-assign]

    with anyio.fail_after(5):
        answer = await http.get("/api/events")

    assert answer.text.count("event: status") == 1


async def test_counters_are_written_with_their_labels(http: httpx2.AsyncClient, service: FakeService) -> None:
    counters = Counters({("vlm-starter", "vision", "ok"): 3}, {}, {}, {"vlm-starter": 1.5}, {}, {}, {}, {}, {})
    status = replace(service.status(), counters=counters)
    service.status = lambda: status  # type: ignore[method-assign]

    written = (await http.get("/api/status")).json()["counters"]

    assert written["requests"] == [{"model": "vlm-starter", "task": "vision", "code": "ok", "value": 3}]
    assert written["request_seconds"] == [{"model": "vlm-starter", "value": 1.5}]


@pytest.mark.promise("status:commands")
async def test_an_operator_loads_unloads_and_pins(http: httpx2.AsyncClient, service: FakeService) -> None:
    start = await http.post("/api/models/vlm-starter/start")
    stop = await http.post("/api/models/vlm-starter/stop")
    pin = await http.post("/api/models/vlm-starter/pin")
    pinned = dict(service.pinned)
    unpin = await http.post("/api/models/vlm-starter/unpin")

    assert [answer.status_code for answer in (start, stop, pin, unpin)] == [200] * 4
    assert (service.loaded_models, service.unloaded_models) == (["vlm-starter"], ["vlm-starter"])
    assert stop.json()["freed_bytes"] == 1_000_000
    assert (pinned, service.pinned) == ({"vlm-starter": True}, {"vlm-starter": False})


async def test_commands_for_what_is_not_there_say_so(http: httpx2.AsyncClient, service: FakeService) -> None:
    model = await http.post("/api/models/org/none/start")
    job = await http.post("/api/jobs/2/cancel")
    known = await http.post("/api/jobs/1/cancel")

    assert (model.status_code, model.json()["error"]["code"]) == (404, "model_not_found")
    assert (job.status_code, job.json()["error"]["message"]) == (400, "Job 2 does not exist or has already ended.")
    assert known.status_code == 200
    assert service.loaded_models == []


@pytest.mark.promise("status:metrics")
async def test_prometheus_reads_the_metrics(http: httpx2.AsyncClient, service: FakeService) -> None:
    counters = Counters(
        {("vlm-starter", "vision", "ok"): 3, ("vlm-starter", "vision", "queue_full"): 1},
        {("vlm-starter", "ok"): 1},
        {("vlm-starter", "idle"): 1},
        {"vlm-starter": 1.5},
        {},
        {},
        {("vlm-starter", "prompt"): 40},
        {},
        {"image-starter": 2},
    )
    models = (replace(service.models[0], state=ModelState.READY, idle_seconds=2.5), *service.models[1:])
    job = JobStatus(1, "m", Task.VISION, "editor", "running", 0, "", 0.0, 0.0, 0.0)
    jobs = (job, replace(job, state="queued"), replace(job, state="queued"), replace(job, state="loading"))
    status = replace(service.status(), counters=counters, models=models, jobs=jobs, accepting=True)
    service.status = lambda: status  # type: ignore[method-assign]

    answer = await http.get("/metrics")
    head = await http.head("/metrics")

    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    values = {(s.name, *sorted(s.labels.values())): s.value for family in families.values() for s in family.samples}
    assert values["senses_requests_total", "ok", "vision", "vlm-starter"] == 3
    assert values["senses_model_state", "ready", "vlm-starter"] == 1
    assert values["senses_model_state", "absent", "vlm-starter"] == 0
    assert values["senses_model_idle_seconds", "vlm-starter"] == 2.5
    assert ("senses_model_idle_seconds", "tts-starter") not in values
    assert values[("senses_memory_budget_bytes",)] == 8e9
    assert values["senses_images_total", "image-starter"] == 2
    assert (values[("senses_jobs_running",)], values[("senses_jobs_waiting",)]) == (1, 2)
    assert (values[("senses_accepting",)], values[("senses_uptime_seconds",)]) == (1, 1)
    assert values[("senses_memory_available_bytes",)] == 6e9
    assert values[("senses_daemon_memory_bytes",)] == 7e7
    assert values["senses_model_loads_total", "ok", "vlm-starter"] == 1
    assert values["senses_model_unloads_total", "idle", "vlm-starter"] == 1
    assert values["senses_tokens_total", "prompt", "vlm-starter"] == 40
    assert all(family.documentation for family in families.values())
    assert (head.status_code, head.text) == (200, "")


METRICS = """
accepting audio_seconds build_info daemon_memory_bytes first_output_seconds images jobs_running jobs_waiting
memory_available_bytes memory_budget_bytes memory_charged_bytes memory_footprint_bytes model_active model_charged_bytes
model_footprint_bytes model_idle_seconds model_load_duration_seconds model_load_seconds model_loads model_pinned
model_queued model_reload_seconds model_state model_unloads model_unloads_in_seconds queue_duration_seconds
queue_seconds request_duration_seconds request_seconds requests spare_footprint_bytes tokens uptime_seconds
"""


@pytest.mark.promise("status:metrics")
async def test_metrics_keep_their_names(http: httpx2.AsyncClient) -> None:
    """Boards and alert rules of other people name them."""
    answer = await http.get("/metrics")

    names = [family.name for family in text_string_to_metric_families(answer.text)]
    assert sorted(names) == [f"senses_{name}" for name in METRICS.split()]


@dataclass(frozen=True)
class FakeArtifact:
    """A stored result."""

    id: str
    path: Path
    mime_type: str
    created: float = 1.0
    size_bytes: int = 3


@dataclass(frozen=True)
class FakeArtifacts:
    """A store of results."""

    artifacts: list[FakeArtifact]

    def recent(self, count: int = 20) -> list[FakeArtifact]:
        """Return the first results."""
        return self.artifacts[:count]

    def delete(self, artifact_id: str | None) -> int:
        """Forget results; the disk refuses the one named locked."""
        if artifact_id == "locked":
            raise PermissionError(13, "Permission denied", "/results/locked.png")
        chosen = [one for one in self.artifacts if artifact_id in (None, one.id)]
        self.artifacts[:] = [one for one in self.artifacts if one not in chosen]
        return len(chosen)


async def test_recent_pictures_and_recordings_are_listed_and_served(
    server: tuple[SwitchableApp, str], service: FakeService, settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "a.png").write_bytes(b"png")
    (tmp_path / "b.txt").write_bytes(b"txt")
    transcripts = [FakeArtifact("b", tmp_path / "b.txt", "text/plain")] * 30
    sound = FakeArtifact("c", tmp_path / "c.wav", "audio/wav")
    artifacts = FakeArtifacts([*transcripts, FakeArtifact("a", tmp_path / "a.png", "image/png"), sound])
    switch, address = server
    switch.app = create_app(service, settings, artifacts=artifacts)

    async with httpx2.AsyncClient(base_url=address) as http:
        listed = (await http.get("/api/artifacts")).json()["artifacts"]
        picture = await http.get(listed[0]["url"])
        text = await http.get("/api/artifacts/b")

    assert [artifact["id"] for artifact in listed] == ["a", "c"]  # however many transcripts are newer
    assert (picture.content, picture.headers["content-type"]) == (b"png", "image/png")
    assert text.status_code == 404


@pytest.mark.promise("results:delete")
async def test_one_result_or_all_are_deleted(service: FakeService, settings: Settings, tmp_path: Path) -> None:
    pictures = [FakeArtifact(name, tmp_path / f"{name}.png", "image/png") for name in "abc"]
    app = create_app(service, settings, artifacts=FakeArtifacts(pictures))

    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://localhost") as http:
        one = await http.delete("/api/artifacts/b")
        again = await http.delete("/api/artifacts/b")
        locked = await http.delete("/api/artifacts/locked")
        rest = (await http.get("/api/artifacts")).json()["artifacts"]
        everything = await http.delete("/api/artifacts")

    assert (one.json(), again.status_code) == ({"deleted": 1}, 404)
    assert locked.json()["error"]["message"] == "/results/locked.png cannot be deleted: Permission denied."
    assert [artifact["id"] for artifact in rest] == ["a", "c"]
    assert (everything.json(), pictures) == ({"deleted": 2}, [])


@pytest.mark.promise("reliability:shared-status")
def test_a_status_is_encoded_once_for_all_who_follow_it(service: FakeService, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[Status] = []

    def record(status: Status) -> dict[str, object]:
        encoded.append(status)
        return {}

    monkeypatch.setattr(events, "status_json", record)
    encoder, status, next_status = events.StatusEncoder(), service.status(), service.status()

    envelopes = [encoder.encode(status) for _ in range(100)]
    encoder.encode(next_status)

    text = '{"kind":"status"}'
    assert {(one.text, one.server_sent) for one in envelopes} == {(text, f"event: status\ndata: {text}\n\n".encode())}
    assert encoded == [status, next_status]


async def next_message(connection: ClientConnection) -> dict[str, Any]:
    with anyio.fail_after(10):
        return dict(json.loads(await connection.recv()))


@pytest.mark.promise("status:web-socket")
async def test_a_web_socket_brings_what_the_stream_of_events_brings(
    url: str, http: httpx2.AsyncClient, service: FakeService
) -> None:
    async with websockets.connect(f"{url.replace('http', 'ws', 1)}/api/events") as connection:
        now = await next_message(connection)
        await connection.send("what a client sends is ignored")
        await connection.send(b"all of it")
        service.update_models(lambda models: [replace(models[0], state=ModelState.READY), *models[1:]])
        changed = await next_message(connection)
    async with http.stream("GET", "/api/events") as stream:
        line = await anext(line async for line in stream.aiter_lines() if line.startswith("data: "))

    assert now["models"][0]["state"] == "absent"
    assert changed == json.loads(line.removeprefix("data: "))


@pytest.mark.promise("status:web-socket")
async def test_a_web_socket_ends_with_the_status_that_says_so(url: str, service: FakeService) -> None:
    ending = replace(service.status(), accepting=False)
    service.status = lambda: ending  # type: ignore[method-assign]

    async with websockets.connect(f"{url.replace('http', 'ws', 1)}/api/events") as connection:
        last = await next_message(connection)
        with pytest.raises(websockets.exceptions.ConnectionClosedOK) as closed:
            await next_message(connection)

    assert last["accepting"] is False
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1001


async def test_a_client_that_goes_ends_its_events(url: str, service: FakeService) -> None:
    ended = anyio.Event()

    async def changes() -> AsyncGenerator[Status]:
        try:
            yield service.status()
            await anyio.sleep_forever()
        finally:
            ended.set()

    service.changes = changes  # type: ignore[method-assign]

    async with websockets.connect(f"{url.replace('http', 'ws', 1)}/api/events") as connection:
        await next_message(connection)

    with anyio.fail_after(10):
        await ended.wait()
