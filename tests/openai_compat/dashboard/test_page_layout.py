"""How the status page holds many models and requests, in a real browser."""

import time
from dataclasses import replace

import pytest
from playwright.async_api import Page, expect

from model_runtime.history.events import RequestEnded
from model_runtime.requests import Task
from model_runtime.status import ModelState
from tests.fakes import FakeService, model_status
from tests.openai_compat.dashboard.page import jobs, row, show

pytestmark = [pytest.mark.browser, pytest.mark.promise("page:layout")]
MEASURE_SHIFT = """window.shift = 0; new PerformanceObserver((list) => { for (const entry of list.getEntries())
  if (!entry.hadRecentInput) window.shift += entry.value; }).observe({ type: "layout-shift", buffered: true });"""


async def names(page: Page) -> list[str]:
    """Return the names of the models, as the table has them."""
    found: list[str] = await page.locator("tr[data-model]").evaluate_all(
        "(rows) => rows.map((row) => row.dataset.model)"
    )
    return found


async def test_requests_that_come_and_go_move_nothing(page: Page, service: FakeService) -> None:
    await page.add_init_script(MEASURE_SHIFT)
    await page.goto("/")
    load = page.get_by_role("button", name="Load vlm-starter")
    await expect(load).to_be_visible()
    await expect(page.get_by_text("Nothing happened yet.")).to_be_visible()
    before = await load.bounding_box()

    busy = replace(service.models[1], state=ModelState.READY, active=2, queued=14, footprint_bytes=5_400_000_000)
    service.history.record(RequestEnded(time.time(), "vlm-starter", "", Task.VISION, "ok", 0.0, 0.0, 1.0, 0.5, 9.0))
    show(service, jobs=jobs(16), models=(service.models[0], busy, *service.models[2:]))
    await expect(page.get_by_role("region", name="Active requests")).to_contain_text("2 running, 14 queued")
    await expect(row(page, "vlm-starter")).to_contain_text("1 request")
    during = await load.bounding_box()
    show(service, jobs=())
    await expect(page.get_by_text("Nothing runs or waits.")).to_be_visible()

    assert during is not None
    assert before is not None
    assert during["y"] <= before["y"] + 96 + 1, "the one loaded model stands before it now, and nothing else moved"
    assert await page.evaluate("window.shift") <= 0.1


async def test_of_very_many_requests_the_first_are_shown_and_the_rest_counted(page: Page, service: FakeService) -> None:
    show(service, jobs=jobs(64))
    await page.goto("/")

    region = page.get_by_role("region", name="Active requests")
    await expect(region.get_by_role("listitem")).to_have_count(50)
    await expect(region).to_contain_text("and 14 more")


async def test_fifty_models_fit_in_a_box_with_failed_and_loaded_ones_first(page: Page, service: FakeService) -> None:
    many = [model_status(f"model-{number:02}", Task.TEXT) for number in range(50)]
    many[40] = replace(many[40], state=ModelState.READY)
    many[45] = replace(many[45], state=ModelState.BACKOFF, error="The worker ended.")
    service.models = tuple(many)

    await page.goto("/")
    await expect(row(page, "model-45")).to_be_visible()

    assert (await names(page))[:3] == ["model-45", "model-40", "model-00"]
    box = await page.get_by_role("region", name="Models").bounding_box()
    assert box is not None
    assert box["height"] < 700
    assert await page.evaluate("document.documentElement.scrollHeight") < 2400


async def test_models_are_filtered_and_searched(page: Page, service: FakeService) -> None:
    service.models = (
        replace(service.models[0], state=ModelState.READY),
        replace(service.models[1], error="The worker ended."),
        *service.models[2:],
    )
    await page.goto("/")

    await page.get_by_label("Loaded 1").check()
    await expect(page.locator("tr[data-model]")).to_have_count(1)
    await page.get_by_label("Failed 1").check()
    await expect(row(page, "image-starter")).to_be_visible()
    await page.get_by_label("All 4").check()
    await page.get_by_label("Search models").fill("Transcr")

    await expect(page.locator("tr[data-model]")).to_have_count(1)
    assert await names(page) == ["stt-starter"]


async def test_no_row_moves_under_the_pointer_or_the_focus(page: Page, service: FakeService) -> None:
    await page.goto("/")
    before = ["vlm-starter", "image-starter", "stt-starter", "tts-starter"]
    await expect(row(page, "tts-starter")).to_be_visible()
    button = page.get_by_role("button", name="Load tts-starter")

    await button.focus()
    service.update_models(lambda models: [*models[:-1], replace(models[-1], state=ModelState.READY)])
    await expect(row(page, "tts-starter")).to_contain_text("ready")
    assert await names(page) == before
    await page.get_by_label("Search models").focus()
    service.update_models(lambda models: models)

    await expect(page.locator("tr[data-model]").first).to_contain_text("tts-starter")


async def test_unloading_a_model_that_others_wait_for_says_what_it_does(page: Page, service: FakeService) -> None:
    service.models = (replace(service.models[0], state=ModelState.READY, active=1, queued=3), *service.models[1:])
    unload = service.unload

    async def never(model: str) -> int:
        await unload(model)
        await page.wait_for_event("close", timeout=0)
        return 0

    service.unload = never  # type: ignore[method-assign]
    await page.goto("/")

    await page.get_by_role("button", name="Unload vlm-starter").click()

    await expect(row(page, "vlm-starter").get_by_role("status")).to_have_text(
        "vlm-starter is unloaded when its 1 running request ends. "
        "The 3 waiting requests load it again; cancel them to keep it unloaded."
    )
