"""/api/history, and the histograms of /metrics."""

import re
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from model_runtime.history.events import DaemonStarted, LoadEnded, ModelUnloaded, RequestEnded, Sampled
from model_runtime.requests import Task
from tests.fakes import FakeService


@pytest.fixture
def now(service: FakeService) -> float:
    """Return the present; a day's work of two clients was recorded before it."""
    now = time.time()
    for event in (
        DaemonStarted(now - 7200),
        LoadEnded(now - 7100, "vlm-best", 4.0),
        RequestEnded(now - 7000, "vlm-best", "Claude Code", Task.VISION, "ok", 0.0, 0.0, 2.0, 0.5, 60.0),
        ModelUnloaded(now - 900, "vlm-best", "evicted for image-gen", "needed 6.1 GB, 2.3 GB free"),
        LoadEnded(now - 890, "image-gen", 8.0),
        Sampled(now - 600, {"image-gen": 6_000_000_000}, 1, 2),
        RequestEnded(now - 500, "image-gen", "Cursor", Task.IMAGE, "ok", 1.0, 8.0, 12.0, 21.0, 1.0),
        RequestEnded(now - 400, "image-gen", "Cursor", Task.IMAGE, "queue_timeout", 120.0, 0.0, 0.0),
    ):
        service.history.record(event)
    return now


async def history(http: httpx2.AsyncClient, name: str) -> dict[str, Any]:
    answer = await http.get("/api/history", params={"range": name})
    assert answer.status_code == 200
    body: dict[str, Any] = answer.json()
    return body


@pytest.mark.promise("history:api")
async def test_the_last_hour_is_told_in_total_by_model_and_by_client(http: httpx2.AsyncClient, now: float) -> None:
    hour = await history(http, "hour")

    assert (hour["range"], hour["bucket_seconds"]) == ("hour", 20)
    assert {name: hour["total"][name] for name in ("requests", "failed", "loads", "evictions")} == {
        "requests": 2,
        "failed": 1,
        "loads": 1,
        "evictions": 1,
    }
    image = hour["models"]["image-gen"]
    assert (image["speed"], image["speed_unit"]) == (12.0, "s/image")
    assert 20 < image["seconds_p50"] <= 40
    assert list(hour["clients"]) == ["Cursor"]
    assert [change["kind"] for change in hour["changes"]] == ["unload", "load"]
    peak = next(bucket for bucket in hour["buckets"] if bucket["memory_bytes"])
    assert (peak["memory_bytes"], peak["running"], peak["waiting"]) == ({"image-gen": 6_000_000_000}, 1, 2)
    assert now - 620 < peak["start"] <= now - 600


@pytest.mark.promise("history:api")
async def test_the_last_day_has_what_the_hour_has_and_more(http: httpx2.AsyncClient, now: float) -> None:
    day = await history(http, "day")

    assert (day["total"]["requests"], day["bucket_seconds"]) == (3, 600)
    assert (day["models"]["vlm-best"]["speed"], day["models"]["vlm-best"]["speed_unit"]) == (30.0, "tokens/s")
    assert [change["kind"] for change in day["changes"]] == ["start", "load", "unload", "load"]
    assert sum(bucket["total"].get("requests", 0) for bucket in day["buckets"]) == 3


@pytest.mark.promise("history:activity")
async def test_the_last_requests_and_evictions_are_told_with_their_reasons(
    http: httpx2.AsyncClient, now: float
) -> None:
    failed, drawn, _, evicted, described, *_ = (await history(http, "hour"))["activity"]

    assert (failed["client"], failed["model"], failed["error"], failed["result"]) == (
        "Cursor",
        "image-gen",
        "queue_timeout",
        None,
    )
    assert (drawn["result"], drawn["seconds"], drawn["speed"], drawn["speed_unit"]) == ("image", 21.0, 12.0, "s/image")
    assert (evicted["kind"], evicted["model"], evicted["reason"]) == ("unload", "vlm-best", "evicted for image-gen")
    assert evicted["text"] == "image-gen unloaded vlm-best: needed 6.1 GB, 2.3 GB free"
    assert (described["result"], described["first_output_seconds"], described["task"]) == ("text", 0.5, "vision")


async def test_the_hour_is_the_default_and_others_are_refused(http: httpx2.AsyncClient) -> None:
    assert (await http.get("/api/history")).json()["range"] == "hour"
    week = await http.get("/api/history?range=week")

    assert week.status_code == 400
    assert week.json()["error"]["message"] == "The range 'week' is not kept; hour and day are."


async def test_the_documents_name_only_metrics_and_fields_that_exist(http: httpx2.AsyncClient, now: float) -> None:
    page = (Path(__file__).parents[3] / "docs" / "operations.md").read_text(encoding="utf-8")
    text = (await http.get("/metrics")).text
    fields = {
        name for line in page.splitlines() if line.startswith("| `total`") for name in re.findall(r"`(\w+)`", line)
    }

    assert {name for name in re.findall(r"senses_\w+", page) if f"# HELP {name} " not in text} == set()
    hour = await history(http, "hour")
    assert fields == {"total", "models", "clients", *hour["total"]}
    assert set(re.findall(r"^\| `(buckets|changes|activity)`", page, re.MULTILINE)) <= hour.keys()


@pytest.mark.promise("metrics:histograms")
async def test_metrics_have_histograms_by_model_and_the_time_of_reloads(
    http: httpx2.AsyncClient, service: FakeService, now: float
) -> None:
    service.history.record(LoadEnded(now, "vlm-best", 3.0))
    text = (await http.get("/metrics")).text

    samples = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    vlm = ("model", "vlm-best")
    assert samples["senses_request_duration_seconds_bucket", ("le", "1.0"), vlm] == 0
    assert samples["senses_request_duration_seconds_bucket", ("le", "2.5"), vlm] == 1
    assert samples["senses_request_duration_seconds_bucket", ("le", "+Inf"), vlm] == 1
    assert samples["senses_request_duration_seconds_sum", vlm] == 2.0
    assert samples["senses_first_output_seconds_sum", vlm] == 0.5
    assert samples["senses_queue_duration_seconds_sum", ("model", "image-gen")] == 1.0
    assert samples["senses_model_load_duration_seconds_count", vlm] == 2
    assert samples["senses_model_reload_seconds_total", vlm] == 3.0
