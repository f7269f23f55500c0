"""The graphs and the activity of the status page, in a real browser: both are of the history."""

import re
import time
from dataclasses import replace
from itertools import pairwise

import pytest
from playwright.async_api import Page, expect

from model_runtime.history.events import LoadEnded, ModelUnloaded, RequestEnded, Sampled
from model_runtime.requests import Task
from model_runtime.status import ModelState
from tests.fakes import FakeService
from tests.openai_compat.dashboard.page import jobs, row, show

pytestmark = [pytest.mark.browser, pytest.mark.promise("page:graphs")]


def ended(ago: float, *, model: str = "vlm-starter", code: str = "ok", seconds: float = 1.0) -> RequestEnded:
    """Return a request that ended some seconds ago."""
    return RequestEnded(time.time() - ago, model, "Claude Code", Task.VISION, code, 0.0, 0.0, seconds, 0.5, 9.0)


async def test_a_page_that_is_reloaded_finds_its_graphs(page: Page, service: FakeService) -> None:
    for ago in (1500, 250, 3):
        service.history.record(Sampled(time.time() - ago, {"vlm-starter": 6_000_000_000}, 1, 2))
        service.history.record(ended(ago))
    rate = page.get_by_role("img", name=re.compile("^Requests per minute"))
    await page.goto("/")
    await expect(rate).to_have_attribute("aria-label", "Requests per minute: 1")

    await page.reload()

    await expect(rate).to_have_attribute("aria-label", "Requests per minute: 1")
    points = await page.evaluate(POINTS)
    assert len(points) == 180
    assert [point["requests"] for point in points if point["requests"]] == [1, 1, 1]
    held = {(point["memory"], point["running"], point["queued"]) for point in points if point["memory"]}
    assert held == {(6, 1, 2)}
    assert all(later["at"] >= earlier["at"] for earlier, later in pairwise(points))
    assert await painted_columns(page) > 50


POINTS = """Promise.all([import('/web/series.js'), fetch('/api/history').then((answer) => answer.json())])
  .then(([series, history]) => series.points(history, ""))"""


async def test_each_model_has_its_own_graphs_of_the_hour_and_the_day(page: Page, service: FakeService) -> None:
    service.history.record(ended(3 * 3600, model="tts-starter", seconds=2.0))
    service.history.record(ended(30))
    timed = page.get_by_role("img", name=re.compile("^Time, p50 and p95"))
    await page.goto("/")
    await expect(timed).to_have_attribute("aria-label", re.compile(r": 0\.\d+ s, 0\.\d+ s$"))

    await page.get_by_label("Model of the graphs").select_option("tts-starter")
    await expect(timed).to_have_attribute("aria-label", re.compile(": –$"))
    await page.get_by_label("Last day").check()

    await expect(timed).to_have_attribute("aria-label", re.compile(r": 1\.\d s, 2\.\d s$"))


async def test_loads_and_evictions_are_marked(page: Page, service: FakeService) -> None:
    now = time.time()
    service.history.record(LoadEnded(now - 200, "vlm-starter", 3.0))
    service.history.record(LoadEnded(now - 90, "vlm-starter", 1.0, "failed"))
    service.history.record(ModelUnloaded(now - 100, "vlm-starter", "evicted for image-starter", "needed 6.1 GB"))
    service.history.record(ModelUnloaded(now - 50, "tts-starter", "idle"))

    await page.goto("/")
    graphs = page.get_by_role("region", name="Graphs")

    await expect(graphs.get_by_role("listitem").filter(has_text="eviction 1")).to_be_visible()
    await expect(graphs.get_by_role("listitem").filter(has_text=re.compile("^load 1"))).to_be_visible()
    await expect(graphs.get_by_role("listitem").filter(has_text="failed load 1")).to_be_visible()


async def test_the_pointer_reads_a_graph(page: Page, service: FakeService) -> None:
    service.history.record(Sampled(time.time() - 1800, {"vlm-starter": 6_000_000_000}, 1, 2))
    await page.goto("/")
    memory = page.get_by_role("figure").filter(has_text="Memory")
    await expect(memory.get_by_role("strong")).to_have_text("0.0 GB")
    plot = memory.locator(".u-over")
    box = await plot.bounding_box()
    assert box is not None

    told = ""
    for offset in range(-3, 4):  # the one bucket of half an hour ago is about two pixels wide
        await plot.hover(position={"x": box["width"] / 2 + offset, "y": 20})
        told = await memory.get_by_role("strong").inner_text()
        if "6.0 GB" in told:
            break
    assert re.fullmatch(r"(\w+ )?\d\d:\d\d:\d\d 6\.0 GB", told)
    await page.get_by_role("heading", name="Graphs").hover()

    await expect(memory.get_by_role("strong")).to_have_text("0.0 GB")


async def test_the_graphs_end_with_what_is_now(page: Page, service: FakeService) -> None:
    """The newest bucket of the history may hold a request and no measurement yet."""
    service.history.record(ended(0))
    loaded = replace(service.models[0], state=ModelState.READY, charged_bytes=6_000_000_000)
    memory = replace(service.status().memory, charged_bytes=6_000_000_000)
    show(service, models=(loaded, *service.models[1:]), memory=memory, jobs=jobs(5))

    await page.goto("/")

    await expect(page.get_by_role("img", name="Memory: 6.0 GB")).to_be_visible()
    await expect(page.get_by_role("img", name="Running and queued: 2 + 3")).to_be_visible()
    await page.get_by_label("Model of the graphs").select_option("tts-starter")
    await expect(page.get_by_role("img", name="Memory: 0.0 GB")).to_be_visible()


async def test_rates_are_of_the_last_minute_and_never_negative(page: Page) -> None:
    await page.goto("/")
    counted = "[0, 2, 1, 0, 4].map((requests) => ({ requests }))"

    rates = await page.evaluate(f"import('/web/series.js').then((series) => series.rates({counted}, 20))")
    by_bucket = await page.evaluate(f"import('/web/series.js').then((series) => series.rates({counted}, 600))")

    assert rates == [0, 2, 3, 3, 5]
    assert by_bucket == pytest.approx([0, 0.2, 0.1, 0, 0.4])


@pytest.mark.promise("page:activity")
async def test_what_happened_is_listed_with_its_reason(page: Page, service: FakeService) -> None:
    """Live: the page is not loaded again."""
    await page.goto("/")
    activity = page.get_by_role("region", name="Activity")
    await expect(activity).to_contain_text("Nothing happened yet.")

    reason = "needed 6.1 GB, 2.3 GB free"
    service.history.record(ModelUnloaded(time.time() - 9, "vlm-starter", "evicted for image-starter", reason))
    service.history.record(ended(5, code="queue_full"))
    service.history.record(ended(1))
    service.update_models(lambda models: models)

    items = activity.get_by_role("listitem")
    await expect(items).to_have_count(3)
    await expect(items.nth(0)).to_contain_text("Vision · vlm-starter for Claude Code · 1 s, 9 tokens/s · text")
    await expect(items.nth(1)).to_contain_text("queue full")
    await expect(items.nth(2)).to_contain_text("image-starter unloaded vlm-starter: needed 6.1 GB, 2.3 GB free")


@pytest.mark.promise("page:activity")
async def test_the_row_of_a_model_has_its_last_hour(page: Page, service: FakeService) -> None:
    for _ in range(19):
        service.history.record(ended(60))
    service.history.record(ended(60, code="worker_died"))

    await page.goto("/")

    await expect(row(page, "vlm-starter")).to_contain_text("20 requests, 1 failed")
    await expect(row(page, "vlm-starter")).to_contain_text(re.compile(r"p50 0\.\d+ s, p95 0\.\d+ s9 tokens/s"))


async def test_many_requests_at_once_are_loaded_as_one_change(page: Page, service: FakeService) -> None:
    asked: list[str] = []
    await page.goto("/")
    await expect(page.get_by_text("No results are stored.")).to_be_visible()
    page.on("request", lambda request: asked.append(request.url.partition("/api/")[2]))
    started = time.monotonic()

    for count in range(1, 11):
        service.history.record(ended(0))
        service.update_models(lambda models: models)
        await expect(page.get_by_role("region", name="Activity").get_by_role("listitem")).to_have_count(count)
    await expect(row(page, "vlm-starter")).to_contain_text("10 requests")

    most = 2 + (time.monotonic() - started) / 2  # one in two seconds
    assert asked.count("artifacts") <= most
    assert asked.count("history?range=hour") <= most


async def painted_columns(page: Page) -> int:
    """Return how many columns of the first graph's canvas have the colour of its line."""
    script = """() => {
      const canvas = document.querySelector(".chart canvas");
      const { width, height } = canvas;
      const data = canvas.getContext("2d").getImageData(0, 0, width, height).data;
      const columns = new Set();
      for (let index = 0; index < data.length; index += 4)
        if (data[index + 3] > 200 && Math.abs(data[index + 2] - data[index + 1]) > 60) columns.add((index / 4) % width);
      return columns.size;
    }"""
    return int(await page.evaluate(script))
