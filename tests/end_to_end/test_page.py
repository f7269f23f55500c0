"""The page of a real daemon in a real browser, while a request runs."""

import re
from collections.abc import AsyncGenerator

import anyio.to_thread
import httpx2
import pytest
from playwright.async_api import Browser, Page, expect

from tests.end_to_end.conftest import RunningDaemon

pytestmark = [pytest.mark.engines, pytest.mark.browser, pytest.mark.timeout(180)]
TIMEOUT_MS = 30_000


@pytest.fixture
async def page(browser: Browser, served: RunningDaemon) -> AsyncGenerator[Page]:
    """Yield the page in a new browser context. An uncaught error on it fails the test."""
    context = await browser.new_context(base_url=served.url, viewport={"width": 1280, "height": 900})
    page = await context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    yield page
    await context.close()
    assert problems == []


@pytest.mark.promise("page:live")
async def test_the_page_follows_a_model_from_its_first_call_to_its_unloading(page: Page, served: RunningDaemon) -> None:
    def speak() -> httpx2.Response:
        body = {"model": "tts-1", "voice": "alloy", "input": "A red circle."}
        return httpx2.post(f"{served.url}/v1/audio/speech", json=body, timeout=120)

    await anyio.to_thread.run_sync(httpx2.post, f"{served.url}/api/models/tts-starter/stop")
    await page.goto("/")
    row = page.get_by_role("row", name=re.compile("^tts-starter"))
    await expect(row).to_contain_text("unloaded", timeout=TIMEOUT_MS)

    answer = await anyio.to_thread.run_sync(speak)

    assert answer.status_code == 200
    await expect(row).to_contain_text("ready", timeout=TIMEOUT_MS)
    await expect(row).to_contain_text(re.compile(r"unloads in [45]:\d\d"), timeout=TIMEOUT_MS)
    await row.get_by_role("button", name="Unload").click()
    await expect(row).to_contain_text("unloaded", timeout=TIMEOUT_MS)
